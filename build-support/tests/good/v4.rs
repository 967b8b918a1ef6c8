//! What BPF v4 can do and v3 cannot.

#![no_std]

use core::sync::atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static WORD: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let (a, b) = (a.cast_signed(), b.cast_signed());
    let quotient = if b > 0 { a / b } else { a % 10 };
    WORD.store(quotient.cast_unsigned(), Ordering::Release);
    WORD.load(Ordering::Acquire)
}
