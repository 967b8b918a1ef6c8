//~ ERROR a_subprogram_that_returns_an_option.rs:6: the function `xdp_prog::half`, which is not inlined, returns a value of 2 registers: BPF has one

#![no_std]

#[inline(never)]
fn half(a: u64) -> Option<u32> {
    // SAFETY: never run.
    let found = unsafe { (a as *const u32).read_volatile() };
    (found != 7).then_some(found)
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    half(a).map_or(b, u64::from)
}
