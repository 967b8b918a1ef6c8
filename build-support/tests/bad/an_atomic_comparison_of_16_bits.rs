//~ TABLE SHARED
//~ ERROR an_atomic_comparison_of_16_bits.rs:15: an atomic compare_exchange of 16 bits

#![no_std]

use core::sync::atomic::{AtomicU16, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU16 = AtomicU16::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let changed = SHARED.compare_exchange(a as u16, b as u16, Ordering::Relaxed, Ordering::Relaxed);
    u64::from(changed.is_ok())
}
