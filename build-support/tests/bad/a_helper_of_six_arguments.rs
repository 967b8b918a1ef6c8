//~ ERROR a_helper_of_six_arguments.rs:10: a call of a helper that takes arguments in 6 registers: BPF has 5

#![no_std]

fn helper(a: u64, b: u64) -> u64 {
    // SAFETY: never run.
    let call: unsafe extern "C" fn(u64, u64, u64, u64, u64, u64) -> u64 =
        unsafe { core::mem::transmute(7_usize) };
    // SAFETY: never run.
    unsafe { call(a, b, a, b, a, b) }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    helper(a, b)
}
