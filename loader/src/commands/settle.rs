//! `dsrload settle`

use super::Output;
use super::change::Change;
use crate::cli::SettleArgs;
use crate::datapath::{Tables, clock};
use crate::fault;
use crate::model::placement::{Loaded, PlacedService, fate};
use crate::model::sweep::{self, Clock, Flows, IDLE_MAX};
use crate::model::{Affinity, Protocol};
use crate::sys::machine::ticks_per_second;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use xdp_prog::abi::limits::FLOWS_PER_BUCKET;
use xdp_prog::abi::state::slot;
use xdp_prog::track::entry::{Entry, FREE};

/// While the flow table is as full as this, flows may go without an entry, and
/// silence cannot be told from that.
const FULL: (usize, usize) = (7, 8);

/// Runs the command.
///
/// # Errors
///
/// No balancer is loaded; the idle time is longer than epochs can tell.
pub fn run(arguments: &SettleArgs, output: &mut Output<'_>) -> Result<()> {
    let change = Change::begin(arguments.interface.as_deref(), None)?;
    let tables = &change.balancer.tables;
    let loaded = tables.loaded()?;
    let shift = change
        .balancer
        .attached
        .first()
        .map_or(0, |a| a.epoch_shift);
    let idle = epochs(arguments.idle, shift)?;
    let (used, capacity) = tables.flow_count();
    if used * FULL.1 >= capacity * FULL.0 {
        return Err(fault!(
            Failed,
            "the flow table holds {used} of {capacity} flows: some may have found no room, so that nothing can be settled; load with more --flows"
        ));
    }
    let clock = Clock {
        now: clock::epoch(shift)?,
        idle,
    };
    let (settled, left) = settle(tables, &loaded, clock, |service| {
        let waits_for_window = service.manner.affinity != Affinity::Flow || is_udp(service);
        let wait = if waits_for_window {
            arguments.window
        } else {
            arguments.idle
        };
        loaded.now >= service.changed.saturating_add(wait)
    });
    writeln!(
        output.answers,
        "{settled} slots settled, {left} are still unsettled"
    )?;
    Ok(())
}

/// A service of TCP as well waits for its silent connections.
fn is_udp(service: &PlacedService) -> bool {
    service
        .addresses
        .iter()
        .all(|address| address.protocol == Protocol::Udp)
}

/// How many epochs of the flow table are as long as this.
fn epochs(seconds: u64, shift: u32) -> Result<u8> {
    let ticks = u64::from(ticks_per_second().context("ask for the kernel's clock")?);
    // One more, since the first may be nearly over.
    let epochs = seconds.saturating_mul(ticks).div_ceil(1 << shift) + 1;
    u8::try_from(epochs)
        .ok()
        .filter(|&epochs| epochs <= IDLE_MAX)
        .ok_or_else(|| {
            let longest = (u64::from(IDLE_MAX) << shift) / ticks;
            fault!(
                Usage,
                "--idle {seconds}: flows are told to be idle for {longest} seconds at the most"
            )
        })
}

/// Sweeps once; how many slots are settled now, and how many are not.
fn settle(
    tables: &Tables,
    loaded: &Loaded,
    clock: Clock,
    is_window_over: impl Fn(&PlacedService) -> bool,
) -> (usize, usize) {
    let services: Vec<sweep::Service> = loaded
        .services
        .iter()
        .filter_map(|service| {
            Some(sweep::Service {
                id: service.id,
                words: loaded.words.get(&service.id)?,
                is_window_over: is_window_over(service),
            })
        })
        .collect();
    let destinations: BTreeMap<u16, _> = loaded
        .destinations
        .iter()
        .map(|d| (d.number, (d.service, fate(d.flags))))
        .collect();
    let changes = sweep::sweep(&services, &FlowTable(tables), clock, |number| {
        destinations.get(&number).copied()
    });
    let first: BTreeMap<u16, u32> = loaded
        .services
        .iter()
        .map(|s| (s.id, s.slots.start))
        .collect();
    let mut settled = 0;
    for change in &changes {
        let start = first
            .get(&change.service)
            .map_or(0, |&start| start as usize);
        if let Some(word) = tables.slots.entries().get(start + change.slot) {
            word.set(change.word);
            settled += usize::from(slot::is_settled(change.word));
        }
    }
    let words = loaded.words.values().flatten();
    let unsettled = words.filter(|&&word| !slot::is_settled(word)).count();
    (settled, unsettled - settled)
}

/// The flow table in our memory.
struct FlowTable<'a>(&'a Tables);

impl FlowTable<'_> {
    fn word(&self, place: usize) -> Option<&xdp_prog::abi::word::Word64> {
        let bucket = self.0.flows.entries().get(place / FLOWS_PER_BUCKET)?;
        bucket.0.get(place % FLOWS_PER_BUCKET)
    }
}

impl Flows for FlowTable<'_> {
    fn places(&self) -> usize {
        self.0.flows.entries().len() * FLOWS_PER_BUCKET
    }

    fn entry(&self, place: usize) -> Entry {
        self.word(place).map_or(FREE, |word| Entry(word.get()))
    }

    fn forget(&self, place: usize, entry: Entry) -> bool {
        self.word(place)
            .is_some_and(|word| word.replace(entry.0, FREE.0))
    }
}
