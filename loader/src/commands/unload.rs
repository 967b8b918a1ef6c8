//! `dsrload --unload IFACE...`: takes our program off, and nobody else's.

use super::Output;
use super::change::lock;
use super::privilege::{self, require};
use crate::cli::LoadArgs;
use crate::datapath::attach::detach;
use crate::datapath::{Holder, find, pins};
use crate::netlink::Netlink;
use anyhow::{Context, Result};

/// Runs the command.
///
/// # Errors
///
/// `Busy`: one of the interfaces has a foreign program; then nothing is
/// changed. What the kernel says.
pub fn run(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::DETACH)?;
    let _lock = lock()?;
    pins::sweep();
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let mut holders = Vec::new();
    for name in &arguments.interfaces {
        let link = find::link(&mut netlink, name)?;
        let holder = find::holder(&link)?;
        if let Holder::Foreign(foreign) = &holder {
            return Err(foreign.fault());
        }
        holders.push((name, holder));
    }
    for (name, holder) in holders {
        match holder {
            Holder::Ours(attached) | Holder::Another(attached) => {
                detach(&mut netlink, &attached)?;
                writeln!(output.answers, "{name}: unloaded, id {}", attached.info.id)?;
            }
            Holder::Nobody | Holder::Foreign(_) => {
                // A loader that was killed may have left pins.
                if let Some(directory) = pins::directory(name) {
                    pins::remove(&directory)
                        .with_context(|| format!("remove {}", directory.display()))?;
                }
                writeln!(output.answers, "{name}: not loaded")?;
            }
        }
    }
    Ok(())
}
