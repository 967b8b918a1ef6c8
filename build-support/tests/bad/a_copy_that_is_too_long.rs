//~ ERROR a_copy_that_is_too_long.rs:14: a memcpy of a length that is large

//! LLVM finds this one, in a line of `core`; twice on the way to it are copies that are fine.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let (from, to) = (a as *const u64, b as *mut u64);
    // SAFETY: never run.
    unsafe { from.copy_to_nonoverlapping(to, 16) };
    // SAFETY: never run.
    unsafe { from.copy_to_nonoverlapping(to, 129) };
    0
}
