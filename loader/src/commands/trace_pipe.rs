//! `dsrload trace-pipe IFACE on|off`

use super::Output;
use super::privilege::{self, require};
use crate::cli::{Switch, TracePipeArgs};
use crate::datapath::find;
use crate::fault;
use crate::netlink::Netlink;
use anyhow::{Context, Result};
use xdp_prog::abi::settings::feature;

/// Runs the command.
///
/// # Errors
///
/// Nothing of ours is loaded there; the kernel is too old to trace.
pub fn run(arguments: &TracePipeArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::LOOK)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let name = &arguments.interface;
    let (balancers, _) = find::balancers(&mut netlink, Some(name), true)?;
    let Some(balancer) = balancers.first() else {
        return Err(fault!(
            Failed,
            "{name} is not loaded: `dsrload {name}` first"
        ));
    };
    let can_trace = |features: u32| features & feature::TRACE != 0;
    if arguments.switch == Switch::On && !balancer.attached.iter().any(|a| can_trace(a.features)) {
        return Err(fault!(
            Refused,
            "this kernel has no bpf_trace_vprintk (Linux 5.16), which the trace pipe takes"
        ));
    }
    let on = arguments.switch == Switch::On;
    balancer.tables.control().trace.set(u32::from(on));
    let names: Vec<&str> = balancer
        .attached
        .iter()
        .map(|a| a.link.name.as_str())
        .collect();
    let names = names.join(", ");
    if on {
        writeln!(
            output.answers,
            "{names}: packets for VIPs are shown in the kernel's trace_pipe; `dsrload trace-pipe {name} off` ends that"
        )?;
    } else {
        writeln!(output.answers, "{names}: the trace pipe is off")?;
    }
    Ok(())
}
