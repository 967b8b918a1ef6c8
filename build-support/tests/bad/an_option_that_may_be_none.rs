//~ ERROR an_option_that_may_be_none.rs:9: a panic is reachable: an Option may be None

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let found = (a != b).then_some(a);
    found.unwrap()
}
