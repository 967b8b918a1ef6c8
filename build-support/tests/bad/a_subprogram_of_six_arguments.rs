//~ ERROR a_subprogram_of_six_arguments.rs:6: the function `xdp_prog::six`, which is not inlined, takes arguments in 6 registers: BPF has 5

#![no_std]

#[inline(never)]
fn six(a: u64, b: u64, c: u64, d: u64, e: u64, f: u64) -> u64 {
    // SAFETY: never run.
    unsafe { ((a ^ b ^ c ^ d ^ e ^ f) as *const u64).read_volatile() }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    six(a, b, a + 1, b + 1, a + 2, b + 2)
}
