//~ ERROR a_function_of_core_that_is_not_inlined.rs:9: `core::str ... from_utf8` is not inlined

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let text = [a.to_ne_bytes(), b.to_ne_bytes()];
    u64::from(core::str::from_utf8(text.as_flattened()).is_ok())
}
