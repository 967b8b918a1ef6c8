//~ TABLE FLOWS
//~ ERROR a_bss_table_that_is_not_zero.rs:10: the static `FLOWS` is in .bss.flows, but does not start as zero

#![no_std]

use core::sync::atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.flows")]
static FLOWS: AtomicU64 = AtomicU64::new(1);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    FLOWS.load(Ordering::Relaxed) ^ a ^ b
}
