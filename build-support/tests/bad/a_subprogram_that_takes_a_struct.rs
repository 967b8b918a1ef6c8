//~ ERROR a_subprogram_that_takes_a_struct.rs:9: the function `xdp_prog::keyed`, which is not inlined, takes a struct on the stack

#![no_std]

#[repr(C)]
struct Key([u64; 5]);

#[inline(never)]
extern "C" fn keyed(key: Key) -> u64 {
    // SAFETY: never run.
    unsafe { ((key.0[0] ^ key.0[4]) as *const u64).read_volatile() }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    keyed(Key([a, b, a + 1, b + 1, 5]))
}
