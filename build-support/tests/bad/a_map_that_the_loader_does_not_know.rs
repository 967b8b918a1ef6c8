//~ TABLE KNOWN
//~ ERROR a_map_that_the_loader_does_not_know.rs:22: the static `UNKNOWN` is in the section .maps, but is no table that the loader knows; known are: KNOWN

//! The name of another one is in the list.

#![no_std]

#[repr(C)]
struct Map {
    r#type: *const [i32; 2],
}
// SAFETY: never read.
unsafe impl Sync for Map {}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static KNOWN: Map = Map {
    r#type: core::ptr::null(),
};
#[unsafe(no_mangle)]
#[unsafe(link_section = ".maps")]
static UNKNOWN: Map = Map {
    r#type: core::ptr::null(),
};

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    a ^ b ^ (&raw const UNKNOWN as u64) ^ (&raw const KNOWN as u64)
}
