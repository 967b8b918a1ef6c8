//~ ERROR a_function_that_nobody_defines.rs:12: `elsewhere` is not defined in the program

#![no_std]

unsafe extern "C" {
    safe fn elsewhere(a: u64) -> u64;
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    elsewhere(a) ^ b
}
