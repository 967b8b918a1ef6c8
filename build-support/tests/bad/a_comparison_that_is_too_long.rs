//~ ERROR a_comparison_that_is_too_long.rs:15: a memcmp of a length that is large

//! LLVM leaves this one as a call, and the shorter one is fine.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let (left, right) = (a as *const [u8; 4000], b as *const [u8; 4000]);
    let (short, also) = (a as *const [u8; 24], b as *const [u8; 24]);
    // SAFETY: never run.
    let short = unsafe { *short == *also };
    // SAFETY: never run.
    u64::from(short && unsafe { *left == *right })
}
