//~ TABLE SHARED
//~ ERROR an_atomic_swap_of_a_bool.rs:15: an atomic swap of 8 bits

#![no_std]

use core::sync::atomic::{AtomicBool, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicBool = AtomicBool::new(false);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    u64::from(SHARED.swap(a == b, Ordering::Relaxed))
}
