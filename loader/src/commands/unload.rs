//! `dsrload --unload IFACE...`: takes our program off, and nobody else's.

use super::change::lock;
use super::privilege::{self, require};
use super::{Output, upkeep};
use crate::cli::LoadArgs;
use crate::datapath::attach::detach;
use crate::datapath::neighbours::Key;
use crate::datapath::{Attached, Holder, Tables, decap, find, pins, refresh};
use crate::fault;
use crate::netlink::Netlink;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::slice;
use xdp_prog::abi::ABI_VERSION;

/// Runs the command.
///
/// # Errors
///
/// `Busy`: one of the interfaces has a foreign program; then nothing is
/// changed. What the kernel says.
pub fn run(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<()> {
    for (index, name) in arguments.interfaces.iter().enumerate() {
        if arguments.interfaces[..index].contains(name) {
            return Err(fault!(Usage, "interface {name} is given twice"));
        }
    }
    require(privilege::DETACH)?;
    let _lock = lock()?;
    pins::sweep();
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let mut holders = Vec::new();
    // What waits to be confirmed waits for nobody once it is unloaded.
    let mut waiting: Vec<Tables> = Vec::new();
    for name in &arguments.interfaces {
        let link = find::link(&mut netlink, name)?;
        let holder = find::holder(&link)?;
        if let Holder::Foreign(foreign) = &holder {
            return Err(foreign.fault());
        }
        holders.push((name, link, holder));
    }
    for (name, link, holder) in holders {
        match holder {
            Holder::Ours(attached) | Holder::Another(attached) => {
                if attached.abi == ABI_VERSION
                    && let Ok(tables) = attached.tables(true)
                    && tables.pending().is_some()
                {
                    waiting.push(tables);
                }
                let kept = neighbours(&mut netlink, &attached);
                detach(&mut netlink, &attached)?;
                writeln!(output.answers, "{name}: unloaded, id {}", attached.info.id)?;
                let none = BTreeSet::new();
                upkeep::neighbours(&mut netlink, &kept, &none, output)?;
            }
            Holder::Decap(decap) => {
                decap::attach::detach(&mut netlink, &decap)?;
                writeln!(output.answers, "{name}: unloaded, id {}", decap.info.id)?;
            }
            Holder::Nobody | Holder::Foreign(_) => {
                // A loader that was killed may have left pins.
                if let Some(directory) = pins::directory(name) {
                    pins::remove(&directory)
                        .with_context(|| format!("remove {}", directory.display()))?;
                }
                let what = match decap::attach::sweep(&mut netlink, &link)? {
                    true => ", but for a tc filter that a killed dsrload had left: it is gone",
                    false => "",
                };
                writeln!(output.answers, "{name}: not loaded{what}")?;
            }
        }
    }
    if !waiting.is_empty() {
        let (left, _) = find::balancers(&mut netlink, None, false)?;
        let is_left = |tables: &Tables| {
            let mut left = left.iter().map(|balancer| balancer.tables.id().ok());
            left.any(|id| id == tables.id().ok())
        };
        let gone = waiting.iter().filter(|tables| !is_left(tables));
        gone.for_each(Tables::confirm);
    }
    Ok(())
}

/// The neighbours that the kernel keeps resolved for this program; none, if its
/// tables cannot be read.
fn neighbours(netlink: &mut Netlink, attached: &Attached) -> BTreeSet<Key> {
    if attached.abi != ABI_VERSION {
        return BTreeSet::new();
    }
    let tables = attached.tables(false);
    let found =
        tables.and_then(|tables| refresh::neighbours(netlink, slice::from_ref(attached), &tables));
    found.unwrap_or_default()
}
