//~ ERROR two_panics.rs:12: a panic is reachable: an index may be out of bounds
//~ ERROR two_panics.rs:13: a panic is reachable: an index may be out of bounds

//! Of the same kind: each has its own line.

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let table = [a, b, 3, 5];
    let first = if b > 9 { table[a as usize] } else { 0 };
    first + table[b as usize]
}
