//~ ERROR a_signed_division_by_a_constant.rs:11: a division of signed numbers: BPF v3

//! One that is no power of two; those of 32 bits or fewer, and by powers of two, are fine.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let fine = a.cast_signed() / 16 + i64::from(b as i32 / 10);
    let refused = b.cast_signed() % 10;
    (fine + refused).cast_unsigned()
}
