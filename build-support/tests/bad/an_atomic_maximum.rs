//~ TABLE SHARED
//~ ERROR an_atomic_maximum.rs:15: an atomic fetch_max, fetch_min or the like

#![no_std]

use core::sync::atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    SHARED.fetch_max(a, Ordering::Relaxed) ^ b
}
