//~ ERROR a_helper_whose_number_varies.rs:11: a call of an address that is known at run time only

//! A helper is a constant address; this one is computed.

#![no_std]

fn helper(number: usize, b: u64) -> u64 {
    // SAFETY: never run.
    let call: unsafe extern "C" fn(u64) -> u64 = unsafe { core::mem::transmute(number) };
    // SAFETY: never run.
    unsafe { call(b) }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    helper(a as usize, b)
}
