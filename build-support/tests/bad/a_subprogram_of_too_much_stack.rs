//~ ERROR a_subprogram_of_too_much_stack.rs:13: 512 bytes of stack or more ... in `xdp_prog::greedy`

#![no_std]

fn helper(a: *mut u64) -> u64 {
    // SAFETY: never run.
    let call: unsafe extern "C" fn(*mut u64) -> u64 = unsafe { core::mem::transmute(7_usize) };
    // SAFETY: never run.
    unsafe { call(a) }
}

#[inline(never)]
fn greedy(a: u64, b: u64) -> u64 {
    let mut table = [a; 70];
    helper(table.as_mut_ptr());
    table[b as usize & 63]
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    greedy(a, b) ^ greedy(b, a)
}
