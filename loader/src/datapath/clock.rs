//! The kernel's clock as the program reads it.

use crate::sys::bpf::{BPF_XDP, ProgramKind, ProgramSpec, program_load, test_run};
use crate::sys::machine::ticks_per_second;
use anyhow::{Context, Result};

/// Ethernet's smallest header, which a test run takes.
const FRAME: [u8; 14] = [0; 14];

/// The epoch of the flow table now, modulo 256.
///
/// User space cannot read jiffies; a program of four instructions can. It runs
/// once and is gone.
///
/// # Errors
///
/// The kernel refuses: it takes CAP_BPF and CAP_NET_ADMIN.
pub fn epoch(epoch_shift: u32) -> Result<u8> {
    let [shift, ..] = epoch_shift.to_le_bytes();
    let instructions = [
        [0x85, 0, 0, 0, 118, 0, 0, 0],   // r0 = bpf_jiffies64()
        [0x77, 0, 0, 0, shift, 0, 0, 0], // r0 >>= epoch_shift
        [0x57, 0, 0, 0, 0xff, 0, 0, 0],  // r0 &= 255
        [0x95, 0, 0, 0, 0, 0, 0, 0],     // return r0
    ];
    let program = program_load(
        &ProgramSpec {
            kind: ProgramKind::XDP,
            name: "dsrload_clock",
            license: c"Dual MIT/GPL",
            instructions: instructions.as_flattened(),
            expected_attach_type: BPF_XDP,
            flags: 0,
            btf: None,
        },
        None,
    )
    .context("BPF_PROG_LOAD of the clock failed")?;
    let run = test_run(&program, &FRAME, &mut []).context("BPF_PROG_TEST_RUN failed")?;
    u8::try_from(run.verdict).context("the clock is wrong")
}

/// How many milliseconds an epoch lasts.
///
/// # Errors
///
/// The kernel's clock.
pub fn epoch_length(epoch_shift: u32) -> Result<u64> {
    let ticks = ticks_per_second().context("ask for the kernel's clock")?;
    Ok((1000 << epoch_shift.min(32)) / u64::from(ticks))
}
