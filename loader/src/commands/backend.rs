//! `dsrload backend setup|check|undo VIP...`

mod apply;
mod facts;
mod memory;
mod sight;

use super::Output;
use super::change::lock;
use super::privilege::{self, require};
use crate::cli::{CheckArgs, OnBackend, SetupArgs, UndoArgs};
use crate::datapath::find;
use crate::fault;
use crate::model::backend::check::check as findings;
use crate::model::backend::memory::{Undoing, undo as undoing};
use crate::model::backend::{Step, Wanted, plan, refusals};
use crate::netlink::Netlink;
use crate::sys::lock::Lock;
use anyhow::{Context, Result};
use memory::Store;
use std::net::IpAddr;

/// Runs the command.
///
/// # Errors
///
/// Whatever stands in the way; then nothing is changed. For `check`, faults.
pub fn run(verb: &OnBackend, output: &mut Output<'_>) -> Result<()> {
    match verb {
        OnBackend::Setup(arguments) => setup(arguments, output),
        OnBackend::Check(arguments) => check(arguments, output),
        OnBackend::Undo(arguments) => undo(arguments, output),
    }
}

fn setup(arguments: &SetupArgs, output: &mut Output<'_>) -> Result<()> {
    let wanted = wanted(&arguments.vips, arguments.tunnel.as_deref())?;
    let (mut netlink, _lock) = begin(arguments.print)?;
    if let Some(tunnel) = &wanted.tunnel {
        find::link(&mut netlink, tunnel)?;
    }
    let facts = facts::read(&mut netlink)?;
    let refused = refusals(&facts, &wanted);
    if !refused.is_empty() {
        return Err(fault!(Failed, "{}", refused.join("; ")));
    }
    let steps = plan(&facts, &wanted);
    if arguments.print {
        return print(&steps, output);
    }
    let store = Store::here()?;
    let before = store.load()?;
    let remembered = before.clone().unwrap_or_else(|| store.nothing());
    store.save(&remembered.and(&wanted, &steps))?;
    if let Err(error) = apply::apply(&mut netlink, &steps) {
        store.save(&before.unwrap_or_else(|| store.nothing()))?;
        return Err(error);
    }
    tell(&steps, output)?;
    if steps.is_empty() {
        writeln!(output.answers, "{}: nothing to do", list(&wanted.vips))?;
    }
    Ok(())
}

fn undo(arguments: &UndoArgs, output: &mut Output<'_>) -> Result<()> {
    let wanted = wanted(&arguments.vips, None)?;
    let (mut netlink, _lock) = begin(arguments.print)?;
    let facts = facts::read(&mut netlink)?;
    let store = Store::here()?;
    let remembered = store.load()?;
    if remembered.is_none() && !arguments.print {
        // What a killed setup, or a namespace that is gone, has left behind.
        store.save(&store.nothing())?;
    }
    let remembered = remembered.unwrap_or_else(|| store.nothing());
    let Undoing {
        steps,
        left,
        memory,
    } = undoing(&remembered, &facts, &wanted.vips)
        .map_err(|unknown| fault!(Failed, "{}", unknown.join("; ")))?;
    if arguments.print {
        print(&steps, output)?;
    } else {
        apply::apply(&mut netlink, &steps)?;
        store.save(&memory)?;
        tell(&steps, output)?;
        if steps.is_empty() {
            writeln!(output.answers, "{}: nothing to do", list(&wanted.vips))?;
        }
    }
    for sentence in left {
        writeln!(output.talk, "dsrload: {sentence}")?;
    }
    Ok(())
}

fn check(arguments: &CheckArgs, output: &mut Output<'_>) -> Result<()> {
    let wanted = wanted(&arguments.vips, arguments.tunnel.as_deref())?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let facts = facts::read(&mut netlink)?;
    let sight = sight::read(&mut netlink, wanted.tunnel.as_deref())?;
    let found = findings(&facts, &sight, &wanted);
    for finding in &found {
        writeln!(output.answers, "{finding}")?;
    }
    let is_well = |vip: &&IpAddr| found.iter().all(|finding| !finding.spoils(**vip));
    for vip in wanted.vips.iter().filter(is_well) {
        writeln!(output.answers, "{vip}: ok")?;
    }
    match found.iter().filter(|finding| !finding.is_warning).count() {
        0 => Ok(()),
        1 => Err(fault!(Failed, "1 fault")),
        n => Err(fault!(Failed, "{n} faults")),
    }
}

/// What is asked for; each VIP once.
fn wanted(vips: &[IpAddr], tunnel: Option<&str>) -> Result<Wanted> {
    for (i, vip) in vips.iter().enumerate() {
        if vips[..i].contains(vip) {
            return Err(fault!(Usage, "{vip} is given twice"));
        }
    }
    Ok(Wanted {
        vips: vips.to_vec(),
        tunnel: tunnel.map(str::to_owned),
    })
}

/// To look takes no right, and nobody is kept from anything meanwhile.
fn begin(only_looks: bool) -> Result<(Netlink, Option<Lock>)> {
    let lock = if only_looks {
        None
    } else {
        require(privilege::NETWORK)?;
        Some(lock()?)
    };
    let netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    Ok((netlink, lock))
}

fn print(steps: &[Step], output: &mut Output<'_>) -> Result<()> {
    for step in steps {
        writeln!(output.answers, "{}", step.command())?;
    }
    Ok(())
}

fn tell(steps: &[Step], output: &mut Output<'_>) -> Result<()> {
    for step in steps {
        writeln!(output.answers, "{step}")?;
    }
    Ok(())
}

fn list(vips: &[IpAddr]) -> String {
    let vips: Vec<String> = vips.iter().map(IpAddr::to_string).collect();
    vips.join(", ")
}
