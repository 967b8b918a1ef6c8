//~ ERROR slices_that_may_differ_in_length.rs:9: a panic is reachable: two slices may differ in length

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let (mut to, from) = ([0_u8; 8], [a as u8; 16]);
    to.copy_from_slice(&from[..b as usize & 15]);
    u64::from_ne_bytes(to)
}
