//! How much the verifier has to look at.

use crate::subject::{Kernel, cpus};
use dsrload::sys::bpf::program_info;

/// The kernel gives up after a million instructions
/// (`BPF_COMPLEXITY_LIMIT_INSNS`), and each counts them a little differently.
const VISITED_MAX: u32 = 200_000;

/// The kernel tells the figure since Linux 5.16.
#[test]
fn the_verifier_is_far_from_giving_up() {
    let kernel = Kernel::load(cpus()[0]);
    let info = program_info(kernel.program()).expect("what the kernel knows of it");
    let visited = info.verified_insns;
    assert!(visited < VISITED_MAX, "{visited} instructions visited");
}
