//! Does the steps, all or none.

use crate::fault;
use crate::model::backend::{Address, LOOPBACK, Setting, Step};
use crate::netlink::{self, Netlink, NetlinkError};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::io;

/// Does `steps` in their order; if one fails, takes those before it back.
///
/// # Errors
///
/// `Refused`, in the kernel's words.
pub fn apply(netlink: &mut Netlink, steps: &[Step]) -> Result<()> {
    let lo = netlink
        .link_by_name(LOOPBACK)
        .context("ask for interface lo")?
        .context("there is no interface lo in this network namespace")?
        .index;
    for (done, step) in steps.iter().enumerate() {
        let Err(mut error) = act(netlink, lo, step) else {
            continue;
        };
        for step in steps[..done].iter().rev() {
            if let Err(failed) = act(netlink, lo, &step.inverse()) {
                error = anyhow!("{failed:#}, while it was taken back after this: {error:#}");
            }
        }
        return Err(error);
    }
    Ok(())
}

fn act(netlink: &mut Netlink, lo: u32, step: &Step) -> Result<()> {
    let done = match step {
        Step::Up => netlink.set_up(lo, true),
        Step::Down => netlink.set_up(lo, false),
        Step::Add(own) => netlink.add_address(lo, on_the_wire(*own)),
        Step::Remove(own) => netlink.remove_address(lo, on_the_wire(*own)),
        Step::Set { setting, to, .. } => return write(setting, *to),
    };
    done.map_err(|error| refused(step, &error))
}

fn on_the_wire(own: Address) -> netlink::Address {
    netlink::Address {
        address: own.address,
        prefix_len: own.prefix_len,
    }
}

fn refused(step: &Step, error: &NetlinkError) -> anyhow::Error {
    fault!(Refused, "{}: {error}", step.command())
}

/// Writes a setting. Engines of containers mount these files read-only.
fn write(setting: &Setting, value: u32) -> Result<()> {
    let path = setting.path();
    fs::write(&path, format!("{value}\n")).map_err(|error| {
        let is_sealed = [libc::EROFS, libc::EACCES, libc::EPERM]
            .iter()
            .any(|&number| error.raw_os_error() == Some(number));
        if is_sealed {
            sealed(setting, value, &error)
        } else {
            fault!(Refused, "{path}: {error}")
        }
    })
}

fn sealed(setting: &Setting, value: u32, error: &io::Error) -> anyhow::Error {
    fault!(
        Refused,
        "{} cannot be written: {error}; start the container with --sysctl {setting}={value}, or set it from its host: nsenter -t PID -n {} (PID: a process of the container)",
        setting.path(),
        setting.command(value)
    )
}
