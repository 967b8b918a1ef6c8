//~ TABLE SHARED
//~ ERROR an_atomic_or_of_16_bits.rs:15: an atomic fetch_and, fetch_or or fetch_xor of 16 bits

#![no_std]

use core::sync::atomic::{AtomicU16, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU16 = AtomicU16::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    u64::from(SHARED.fetch_or(a as u16, Ordering::Relaxed)) ^ b
}
