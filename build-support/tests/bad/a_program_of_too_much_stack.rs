//~ ERROR a_program_of_too_much_stack.rs:16: 512 bytes of stack or more ... 560 bytes are used at a_program_of_too_much_stack.rs:17

//! LLVM finds this one. The variables are named by the lines that use them.

#![no_std]

fn helper(a: *mut u64) -> u64 {
    // SAFETY: never run.
    let call: unsafe extern "C" fn(*mut u64) -> u64 = unsafe { core::mem::transmute(7_usize) };
    // SAFETY: never run.
    unsafe { call(a) }
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let mut table = [a; 70];
    helper(table.as_mut_ptr());
    table[b as usize & 63]
}
