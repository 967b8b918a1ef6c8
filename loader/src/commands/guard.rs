//! The guard of an apply that is to be confirmed: a process apart, which puts the
//! config before it in force again when nobody confirms it in time.
//!
//! It is started before anything is changed, and hears from whoever applies only
//! that that process is done, or dead. All else it reads in the tables: a config
//! with a deadline is its charge. So there is no moment at which a death of the
//! other process would leave a config that nobody watches.

use super::Output;
use super::change::{Change, choose};
use super::in_force::parse;
use super::prepare::{Health, Prepared, Why};
use crate::datapath::find;
use crate::fault;
use crate::netlink::Netlink;
use crate::sys::machine::uptime_milliseconds;
use crate::sys::process::{Line, copy_apart};
use anyhow::{Context, Result};
use std::thread;
use std::time::Duration;

/// How often it looks whether it is needed any more.
const LOOK: Duration = Duration::from_millis(200);

/// After a rollback that failed it tries again in so long, since a backend of the
/// former config may answer by then.
const AGAIN: Duration = Duration::from_secs(2);

/// Starts a guard. Drop what this gives when the change is done.
///
/// # Errors
///
/// There is none: nothing must be changed then.
pub fn start(interface: Option<&str>) -> Result<Line> {
    let interface = interface.map(str::to_owned);
    copy_apart(move || {
        // Nobody hears what it says: the tables tell how it went.
        let _ = watch(interface.as_deref());
    })
    .map_err(|error| {
        fault!(
            Failed,
            "no process can be started that would roll back, so nothing is changed: {error}"
        )
    })
}

/// Watches the config that waits to be confirmed, if there is one.
fn watch(interface: Option<&str>) -> Result<()> {
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let balancer = choose(&mut netlink, interface, None)?;
    let Some(charge) = balancer.tables.pending() else {
        return Ok(());
    };
    let name = balancer.attached.first().map(|a| a.link.name.clone());
    let (generation, deadline) = charge;
    let id = balancer.tables.id()?;
    loop {
        if balancer.tables.pending() != Some(charge) {
            return Ok(());
        }
        let left = deadline.saturating_sub(uptime_milliseconds()?);
        if left == 0 {
            match give_up(id, name.as_deref(), generation) {
                Ok(()) => return Ok(()),
                Err(_) => thread::sleep(AGAIN),
            }
        }
        // The clock goes on while the machine sleeps, and a sleep does not.
        thread::sleep(LOOK.min(Duration::from_millis(left)));
    }
}

/// Rolls back, unless it was confirmed after all, or is not loaded any more.
fn give_up(id: u32, interface: Option<&str>, generation: u64) -> Result<()> {
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let (balancers, _) = find::balancers(&mut netlink, None, false)?;
    if !balancers
        .iter()
        .any(|b| b.tables.id().is_ok_and(|of| of == id))
    {
        return Ok(());
    }
    let mut change = Change::begin(interface, None)?;
    if change.balancer.tables.id()? != id {
        return Ok(());
    }
    if change.balancer.tables.pending().map(|(of, _)| of) != Some(generation) {
        return Ok(());
    }
    let why = Why {
        given_up: generation,
        ..Why::default()
    };
    let (mut nothing, mut nowhere) = (Vec::new(), Vec::new());
    let mut output = Output {
        answers: &mut nothing,
        talk: &mut nowhere,
    };
    go_back(&mut change, why, &mut output).map(drop)
}

/// Puts the config before the last change in force.
///
/// # Errors
///
/// There is none; a backend of it cannot be reached.
pub fn go_back(change: &mut Change, why: Why, output: &mut Output<'_>) -> Result<Prepared> {
    let stored = change.balancer.tables.stored_before().ok_or_else(|| {
        fault!(
            Failed,
            "there is no config before the one in force: nothing has been changed since it was loaded"
        )
    })?;
    let document = parse(&stored.text)?;
    let before = &change.before.document;
    let health = Health::default();
    let prepared = Prepared::new(
        &mut change.netlink,
        &change.balancer,
        before,
        document,
        &health,
    )?;
    prepared.carry_out(change, why, output)?;
    Ok(prepared)
}
