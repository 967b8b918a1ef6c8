//~ ERROR tables_that_the_loader_does_not_know.rs:14: the static `ZERO` is in the section .bss,
//~ ERROR tables_that_the_loader_does_not_know.rs:17: the static `OWN` is in the section .bss.own,
//~ ERROR tables_that_the_loader_does_not_know.rs:20: the static `DATA` is in the section .data.own,
//~ ERROR tables_that_the_loader_does_not_know.rs:22: the static `xdp_prog::HIDDEN` is in the section .rodata.own,

//! In each kind of section.

#![no_std]

use core::sync::atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss")]
static ZERO: AtomicU64 = AtomicU64::new(0);
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.own")]
static OWN: AtomicU64 = AtomicU64::new(0);
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.own")]
static DATA: AtomicU64 = AtomicU64::new(7);
#[unsafe(link_section = ".rodata.own")]
static HIDDEN: u64 = 7;

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn entry(a: u64, b: u64) -> u64 {
    // SAFETY: a reference is valid.
    let hidden = unsafe { (&raw const HIDDEN).read_volatile() };
    [&ZERO, &OWN, &DATA]
        .map(|table| table.load(Ordering::Relaxed))
        .iter()
        .sum::<u64>()
        ^ a
        ^ b
        ^ hidden
}
