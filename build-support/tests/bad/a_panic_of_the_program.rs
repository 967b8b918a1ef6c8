//~ ERROR a_panic_of_the_program.rs:9: a panic is reachable: it is called ... panic_fmt

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    if a == b {
        panic!("never equal");
    }
    a
}
