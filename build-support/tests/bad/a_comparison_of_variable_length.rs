//~ ERROR a_comparison_of_variable_length.rs:10: a memcmp of a length that is large, or known at run time only

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let (left, right) = ([a.swap_bytes(), a, 1, 2, 3, 4, 5, b], [b; 8]);
    let length = a as usize & 7;
    u64::from(left[..length] == right[..length])
}
