//~ ERROR a_fill_of_variable_length.rs:9: a memset of a length that is known at run time only

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    // SAFETY: never run.
    unsafe { (a as *mut u8).write_bytes(0, b as usize) };
    0
}
