//~ TABLE SHARED
//~ ERROR a_fence.rs:17: a fence: BPF has none
//~ ERROR a_fence.rs:18: a fence: BPF has none

#![no_std]

use core::sync::atomic::{AtomicU64, Ordering, compiler_fence, fence};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static SHARED: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    SHARED.store(a ^ b, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    compiler_fence(Ordering::SeqCst);
    SHARED.load(Ordering::Relaxed)
}
