//~ TABLE SHARED
//~ ERROR an_atomic_addition_of_8_bits.rs:15: an atomic fetch_add or fetch_sub of 8 bits

#![no_std]

use core::sync::atomic::{AtomicU8, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU8 = AtomicU8::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    u64::from(SHARED.fetch_add(a as u8, Ordering::Relaxed)) ^ b
}
