//~ ERROR inline_assembly.rs:10: inline assembly

#![no_std]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    let sum: u64;
    // SAFETY: never run.
    unsafe { core::arch::asm!("lea {}, [{} + {}]", out(reg) sum, in(reg) a, in(reg) b) };
    sum
}
