//! What a process must be allowed to do, said before anything is tried.

use crate::fault;
use crate::sys::capabilities::{Capability, capabilities};
use anyhow::{Context, Result};

/// What changing a balancer takes.
pub const CHANGE: &[(Capability, &str)] = &[
    (Capability::BPF, "CAP_BPF"),
    (Capability::NET_ADMIN, "CAP_NET_ADMIN"),
    (Capability::PERFMON, "CAP_PERFMON"),
];

/// What taking it off takes.
pub const DETACH: &[(Capability, &str)] = &[
    (Capability::BPF, "CAP_BPF"),
    (Capability::NET_ADMIN, "CAP_NET_ADMIN"),
];

/// What changing this host's network takes.
pub const NETWORK: &[(Capability, &str)] = &[(Capability::NET_ADMIN, "CAP_NET_ADMIN")];

/// What looking at it takes.
pub const LOOK: &[(Capability, &str)] = &[(Capability::BPF, "CAP_BPF")];

/// What looking at the ages of flows takes: the clock is read by a program.
pub const CLOCK: &[(Capability, &str)] = DETACH;

/// Whether this process may. CAP_SYS_ADMIN stands for the other two, as in the
/// kernel (`bpf_capable`, `perfmon_capable`), but not for CAP_NET_ADMIN.
///
/// # Errors
///
/// `Permission`, with the names of all that is missing.
pub fn require(needed: &[(Capability, &str)]) -> Result<()> {
    let held = capabilities().context("ask for this process's capabilities")?;
    let missing: Vec<&str> = needed
        .iter()
        .filter(|&&(capability, _)| {
            let implied = capability != Capability::NET_ADMIN && held.has(Capability::SYS_ADMIN);
            !held.has(capability) && !implied
        })
        .map(|&(_, name)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(fault!(
        Permission,
        "this takes {}: run it as root, or give the process these capabilities",
        missing.join(" and ")
    ))
}
