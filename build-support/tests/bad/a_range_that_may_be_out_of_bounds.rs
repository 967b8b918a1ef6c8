//~ ERROR a_range_that_may_be_out_of_bounds.rs:9: a panic is reachable: a range may be out of bounds ... through library/core/src/slice/index.rs

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let table = [a as u8; 16];
    table[..b as usize].iter().map(|x| u64::from(*x)).sum()
}
