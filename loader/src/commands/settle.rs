//! `dsrload settle`

use super::Output;
use super::change::{Change, mention_waiting};
use crate::cli::SettleArgs;
use crate::datapath::write::grace;
use crate::datapath::{Tables, clock};
use crate::fault;
use crate::model::placement::{Loaded, PlacedService, fate};
use crate::model::sweep::{self, Clock, Flows, IDLE_MAX};
use crate::model::{Affinity, Protocol, ServiceAddress};
use crate::sys::machine::ticks_per_second;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use xdp_prog::abi::limits::FLOWS_PER_BUCKET;
use xdp_prog::abi::state::slot;
use xdp_prog::track::entry::{Entry, FREE};

/// Runs the command.
///
/// # Errors
///
/// No balancer is loaded; the idle time is longer than epochs can tell.
pub fn run(arguments: &SettleArgs, output: &mut Output<'_>) -> Result<()> {
    let change = Change::begin(arguments.interface.as_deref(), None)?;
    let tables = &change.balancer.tables;
    mention_waiting([tables], output)?;
    let loaded = tables.loaded()?;
    // No packet goes by older slots than these any more.
    grace();
    let shift = change
        .balancer
        .attached
        .first()
        .map_or(0, |a| a.epoch_shift);
    let idle = epochs(arguments.idle, shift)?;
    let clock = Clock {
        now: clock::epoch(shift)?,
        idle,
    };
    let patience = Patience {
        idle: arguments.idle,
        window: arguments.window,
    };
    let swept = settle(tables, &loaded, clock, patience);
    for address in swept.without_room {
        writeln!(
            output.talk,
            "dsrload: flows of service {address} found no room in the flow table since the last sweep: slots that have a former owner stay unsettled; load with more --flows"
        )?;
    }
    writeln!(
        output.answers,
        "{} slots settled, {} are still unsettled",
        swept.settled, swept.left
    )?;
    Ok(())
}

/// For how many seconds silent flows are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Where the first packet of a flow shows that it is the first.
    pub idle: u64,
    /// Where it does not: UDP, affinity.
    pub window: u64,
}

impl Patience {
    /// A service of TCP as well as UDP waits for its silent connections.
    fn with(self, service: &PlacedService) -> u64 {
        if service.manner.affinity != Affinity::Flow || is_udp(service) {
            self.window
        } else {
            self.idle
        }
    }
}

/// What one sweep did.
#[derive(Debug)]
pub struct Swept {
    /// Slots that are settled now, and were not.
    pub settled: usize,
    /// Slots that are not.
    pub left: usize,
    /// Services whose flows found no room since the last sweep.
    pub without_room: Vec<ServiceAddress>,
}

/// Sweeps once. No packet may still be on its way that saw older slots than
/// those which are `loaded`.
#[must_use]
pub fn settle(tables: &Tables, loaded: &Loaded, clock: Clock, patience: Patience) -> Swept {
    let untracked = untracked(tables, loaded);
    let lately = |service: &PlacedService| untracked.get(&service.id).copied().unwrap_or(0);
    let (settled, left) = sweep_once(tables, loaded, clock, |service| {
        let since = service.changed.max(lately(service));
        loaded.now >= since.saturating_add(patience.with(service))
    });
    let crowded = loaded.services.iter().filter(|s| lately(s) == loaded.now);
    Swept {
        settled,
        left,
        without_room: crowded
            .filter_map(|s| s.addresses.first().copied())
            .collect(),
    }
}

/// When flows of a service last found no room in the flow table, as far as
/// sweeps have seen: by service, seconds since the machine started. Such flows
/// are heard of without leaving a trace, so that their silence cannot be told.
fn untracked(tables: &Tables, loaded: &Loaded) -> BTreeMap<u16, u64> {
    let mut last = BTreeMap::new();
    for placed in &loaded.destinations {
        let Some(entry) = tables
            .destinations
            .entries()
            .get(usize::from(placed.number))
        else {
            continue;
        };
        let count = tables.count(placed.number).untracked;
        if count != entry.untracked.get() {
            entry.untracked_at.set(loaded.now);
            entry.untracked.set(count);
        }
        if count != 0 {
            let at = last.entry(placed.service).or_insert(0);
            *at = entry.untracked_at.get().max(*at);
        }
    }
    last
}

fn is_udp(service: &PlacedService) -> bool {
    service
        .addresses
        .iter()
        .all(|address| address.protocol == Protocol::Udp)
}

/// How many epochs of the flow table are as long as this.
///
/// # Errors
///
/// `Usage`: more than epochs can tell.
pub fn epochs(seconds: u64, shift: u32) -> Result<u8> {
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
fn sweep_once(
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
