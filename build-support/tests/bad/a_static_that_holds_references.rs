//~ ERROR a_static_that_holds_references.rs:5: the static `xdp_prog::NAMES` holds an address

#![no_std]

static NAMES: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    NAMES[a as usize & 3].len() as u64 + b
}
