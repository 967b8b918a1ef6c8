//~ ERROR a_conversion_to_a_float.rs:8: floating point arithmetic

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    (a as f64).to_bits() ^ b
}
