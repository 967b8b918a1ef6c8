//~ ERROR a_constant_that_holds_references.rs:9: a constant with an address in it

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    const NAMES: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];
    NAMES[a as usize & 3].len() as u64 + b
}
