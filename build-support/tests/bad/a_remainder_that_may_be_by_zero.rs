//~ ERROR a_remainder_that_may_be_by_zero.rs:8: a panic is reachable: a remainder may be by zero

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    a % b
}
