//~ ERROR a_comparison_of_floats.rs:8: floating point arithmetic

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    u64::from(f32::from_bits(a as u32) < f32::from_bits(b as u32))
}
