//~ ERROR a_shift_of_128_bits.rs:12: a shift of 128 bits by an amount that is known at run time only

//! LLVM finds this one. The first is by a constant, which is fine.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) << 64 | u128::from(b);
    let fine = (wide >> 13) as u64;
    fine ^ (wide >> (a & 127)) as u64
}
