//~ ERROR a_move_that_is_too_long.rs:9: a memmove of a length that is large

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    // SAFETY: never run.
    unsafe { (a as *const u64).copy_to(b as *mut u64, 512) };
    0
}
