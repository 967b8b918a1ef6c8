//~ TABLE SHARED
//~ ERROR two_that_become_one.rs:16: an atomic fetch_max, fetch_min or the like ... in `entry`, near this line

//! The optimizer makes one instruction of two, and has no line for it.

#![no_std]
use core::sync::atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let before = SHARED.load(Ordering::Relaxed);
    if a == before {
        SHARED.store(7, Ordering::Relaxed);
        SHARED.fetch_max(b, Ordering::Relaxed)
    } else {
        SHARED.store(9, Ordering::Relaxed);
        SHARED.fetch_max(b, Ordering::Relaxed)
    }
}
