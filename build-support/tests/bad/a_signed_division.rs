//~ ERROR a_signed_division.rs:12: a panic is reachable: a division may be by zero
//~ ERROR a_signed_division.rs:12: a panic is reachable: a calculation may overflow
//~ ERROR a_signed_division.rs:12: a division of signed numbers: BPF v3

//! Of two variables, with all that it brings.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    (a.cast_signed() / b.cast_signed()).cast_unsigned()
}
