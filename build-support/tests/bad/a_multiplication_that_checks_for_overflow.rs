//~ ERROR a_multiplication_that_checks_for_overflow.rs:11: a multiplication of 64 bits that checks for overflow

//! Of 64 bits; that of 32 is fine.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let fine = (a as u32).checked_mul(b as u32).unwrap_or(0);
    a.checked_mul(b).unwrap_or(u64::from(fine))
}
