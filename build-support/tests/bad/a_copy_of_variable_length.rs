//~ ERROR a_copy_of_variable_length.rs:10: a memcpy of a length that is known at run time only ... through library/core/src/ptr

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let (from, to) = (a as *const u8, b as *mut u8);
    // SAFETY: never run.
    unsafe { from.copy_to_nonoverlapping(to, a as usize) };
    0
}
