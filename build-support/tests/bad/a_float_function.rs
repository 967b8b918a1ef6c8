//~ ERROR a_float_function.rs:8: floating point arithmetic ... through library/core/src/num/f64.rs

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    f64::from_bits(a).min(f64::from_bits(b)).to_bits()
}
