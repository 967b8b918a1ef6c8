//~ TABLE SHARED
//~ ERROR an_atomic_minimum.rs:17: an atomic fetch_max, fetch_min or the like

#![no_std]

use core::sync::atomic::{AtomicI32, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicI32 = AtomicI32::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    u64::from(
        SHARED
            .fetch_min(a as i32, Ordering::Relaxed)
            .cast_unsigned(),
    ) ^ b
}
