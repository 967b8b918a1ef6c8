//~ ERROR a_call_through_a_function_pointer.rs:21: a call of an address that is known at run time only

#![no_std]

#[inline(never)]
fn one(a: u64) -> u64 {
    // SAFETY: never run.
    unsafe { (a as *const u64).read_volatile() }
}

#[inline(never)]
fn two(a: u64) -> u64 {
    // SAFETY: never run.
    unsafe { (a as *const u64).add(1).read_volatile() }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let chosen: fn(u64) -> u64 = if a == 1 { one } else { two };
    chosen(b)
}
