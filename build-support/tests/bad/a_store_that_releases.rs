//~ TABLE SHARED
//~ ERROR a_store_that_releases.rs:15: an atomic store with Release or SeqCst: BPF v3 has Relaxed only

#![no_std]

use core::sync::atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    SHARED.store(a ^ b, Ordering::Release);
    0
}
