//! Putting a placement into the tables.
//!
//! In two steps. [`Tables::prepare`] writes only what nobody reads: numbers
//! and slots that are free, the copy of the service table that is not in
//! force. [`Tables::commit`] makes it visible by one store, and only then
//! gives up what is not wanted any more.

use super::read::{on_dead_number, state_number};
use super::reroute::{write_link, write_tunnel};
use super::tables::Tables;
use crate::model::placement::{
    Entry, PlacedDestination, PlacedService, Placement, ROUTE_FLAGS, address_words,
};
use crate::model::prefix::client_mask;
use crate::model::{Affinity, Manner, Policy, Tracking};
use crate::sys::membarrier::membarrier;
use anyhow::Result;
use std::collections::BTreeSet;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;
use xdp_prog::abi::state::{destination, index, service, vip_bit};
use xdp_prog::abi::{Destination, Service, Tunnel};
use xdp_prog::track::entry::{self, FREE};

impl Tables {
    /// The copy of the service table that is not in force.
    fn spare(&self) -> usize {
        1 - index::copy(self.control().index.get()) as usize
    }

    /// Writes everything that is not in force yet. After a [`grace`] period: what
    /// the last change gave up may still be read before that.
    ///
    /// # Errors
    ///
    /// The kernel has no room for the lists of sources.
    pub fn prepare(&self, placement: &Placement) -> Result<()> {
        self.forget_flows(&placement.forgotten);
        for wanted in &placement.destinations {
            let Some((entry, tunnel)) = self.destination(wanted.number) else {
                continue;
            };
            if !is_live(entry) {
                self.forget(wanted.number);
                write_destination(entry, tunnel, wanted);
            }
        }
        for (first, values) in &placement.slots {
            let slots = self.slots.entries().iter().skip(*first as usize);
            for (slot, &value) in slots.zip(values) {
                slot.set(value);
            }
        }
        self.prepare_services(placement);
        self.add_sources(&placement.services)
    }

    fn prepare_services(&self, placement: &Placement) {
        let copy = self.spare();
        let displacements = self.displacements.entries();
        let half = displacements.len() / 2;
        for (to, &from) in displacements[copy * half..]
            .iter()
            .zip(&placement.index.displacements)
        {
            to.set(from);
        }
        let services = self.services.entries();
        let half = services.len() / 2;
        let services = &services[copy * half..(copy + 1) * half];
        for empty in services {
            empty.key.set(0);
        }
        for (entry, &place) in placement.entries.iter().zip(&placement.index.places) {
            if let Some(to) = services.get(place as usize) {
                write_service(to, entry);
            }
        }
    }

    /// Puts the prepared tables in force.
    ///
    /// # Errors
    ///
    /// Old entries of the lists of sources cannot be removed; all else is done.
    pub fn commit(&self, placement: &Placement) -> Result<()> {
        // A kept backend may be reached in another way. One that comes back is
        // back before slots send it new flows.
        self.reroute(placement.destinations.iter().map(|d| (d.number, d.route)));
        self.each_destination(placement, |entry, wanted| {
            let kept = wanted.flags | destination::LIVE | ROUTE_FLAGS;
            entry.flags.set(entry.flags.get() & kept);
        });
        // All that was written before must be seen by whoever sees the switch.
        // Readers depend on it by address: they compute every index from it.
        fence(Ordering::SeqCst);
        let vips = vip_bits(placement);
        // Those of both tables until the new one is in force.
        let control = self.control();
        control.vips.set(control.vips.get() | vips);
        fence(Ordering::SeqCst);
        control.index.set(placement.index.seed);
        fence(Ordering::SeqCst);
        control.vips.set(vips);
        fence(Ordering::SeqCst);
        // One that goes is out after its slots have other owners.
        self.each_destination(placement, |entry, wanted| {
            entry.weight.set(wanted.weight);
            entry.state.set(state_number(wanted.state));
            entry.health.set(wanted.is_failing.into());
            entry.flags.set(wanted.flags);
        });
        self.retire(&placement.retired);
        self.remove_sources(&placement.services)
    }

    fn each_destination(
        &self,
        placement: &Placement,
        write: impl Fn(&Destination, &PlacedDestination),
    ) {
        for wanted in &placement.destinations {
            if let Some(entry) = self.destinations.entries().get(usize::from(wanted.number)) {
                write(entry, wanted);
            }
        }
    }

    /// Takes back what [`prepare`](Self::prepare) wrote: destinations that
    /// were not live before. The rest is free anyway.
    pub fn discard(&self, placement: &Placement, live_before: &[PlacedDestination]) {
        let new = placement
            .destinations
            .iter()
            .map(|d| d.number)
            .filter(|number| live_before.iter().all(|d| d.number != *number))
            .collect::<Vec<_>>();
        self.retire(&new);
    }

    /// Flows that still name these are balanced anew from now on.
    fn retire(&self, numbers: &[u16]) {
        for &number in numbers {
            if let Some(entry) = self.destinations.entries().get(usize::from(number)) {
                entry.flags.set(0);
            }
        }
    }

    /// Forgets the entries of these services' flows.
    fn forget_flows(&self, services: &BTreeSet<u16>) {
        if services.is_empty() {
            return;
        }
        let is_of_them = |entry: entry::Entry| {
            let number = usize::from(entry.destination());
            let destination = self.destinations.entries().get(number);
            destination.is_some_and(|d| services.contains(&d.service.get()))
        };
        for word in self.flows.entries().iter().flat_map(|bucket| &bucket.0) {
            let entry = entry::Entry(word.get());
            if !entry.is_free() && is_of_them(entry) {
                // Whoever took the place meanwhile is of another service.
                let _ = word.replace(entry.0, FREE.0);
            }
        }
    }

    /// Makes the counters of a number that is given out again start at zero.
    /// What it has counted stays in the sum of forwarded packets.
    fn forget(&self, number: u16) {
        let before = self.count(number).packets;
        let row = self.destinations.entries().len();
        for counter in self
            .counters
            .entries()
            .chunks_exact(row)
            .filter_map(|row| row.get(usize::from(number)))
        {
            counter.packets.set(0);
            counter.bytes.set(0);
            counter.connections.set(0);
            counter.untracked.set(0);
        }
        self.control().retired.add(before);
    }
}

/// Where the kernel cannot wait for them: longer than any run of the program
/// takes, by orders of magnitude.
const RUN_MAX: Duration = Duration::from_millis(20);

/// Waits until no run of a program goes by tables as they were before.
pub fn grace() {
    fence(Ordering::SeqCst);
    if membarrier().is_err() {
        std::thread::sleep(RUN_MAX);
    }
}

fn is_live(entry: &Destination) -> bool {
    entry.flags.get() & destination::LIVE != 0
}

fn write_destination(entry: &Destination, tunnel: &Tunnel, wanted: &PlacedDestination) {
    let address = address_words(wanted.route.address);
    entry.address[0].set(address[0]);
    entry.address[1].set(address[1]);
    entry.service.set(wanted.service);
    entry.weight.set(wanted.weight);
    entry.state.set(state_number(wanted.state));
    entry.health.set(wanted.is_failing.into());
    entry.untracked.set(0);
    entry.untracked_at.set(0);
    if let Some(wanted) = &wanted.route.tunnel {
        write_tunnel(tunnel, wanted);
    }
    write_link(entry, &wanted.route);
    fence(Ordering::SeqCst);
    entry.flags.set(wanted.flags);
}

/// The bits of all VIPs ([`Control::vips`](xdp_prog::abi::Control::vips)).
fn vip_bits(placement: &Placement) -> u64 {
    let bits = placement.entries.iter();
    bits.fold(0, |bits, entry| bits | 1 << vip_bit(entry.key.address))
}

fn write_service(to: &Service, entry: &Entry) {
    to.address[0].set(entry.key.address[0]);
    to.address[1].set(entry.key.address[1]);
    match &entry.service {
        Some(placed) => write_placed(to, placed, entry.is_v6),
        None => {
            to.first_slot.set(0);
            to.slot_mask.set(0);
            to.id.set(0);
            to.flags.set(entry.vip_flags);
        }
    }
    to.key.set(entry.key.key);
}

fn write_placed(to: &Service, placed: &PlacedService, is_v6: bool) {
    to.first_slot.set(placed.slots.start);
    to.slot_mask.set(placed.slots.end - placed.slots.start - 1);
    to.id.set(placed.id);
    to.flags.set(flags(&placed.manner));
    to.changed.set(placed.changed);
    to.on_dead.set(on_dead_number(placed.manner.on_dead));
    to.sources.set(placed.sources);
    if let Affinity::Client(v4, v6) = placed.manner.affinity {
        let mask = client_mask(v4, v6, is_v6);
        to.client_mask[0].set(mask[0]);
        to.client_mask[1].set(mask[1]);
        to.client_bits.set(u32::from_le_bytes([v4, v6, 0, 0]));
    } else {
        to.client_bits.set(0);
    }
}

/// How the datapath is told to treat flows.
fn flags(manner: &Manner) -> u16 {
    let policy = match manner.policy {
        Policy::Maglev => 0,
        Policy::Random => service::RANDOM,
    };
    let tracking = match manner.tracking {
        Tracking::Changed => 0,
        Tracking::All => service::TRACK_ALL,
        Tracking::None => service::TRACK_NONE,
    };
    let affinity = match manner.affinity {
        Affinity::Flow => 0,
        Affinity::Client(..) => service::CLIENT,
    };
    let sources = match (manner.allow.is_empty(), manner.deny.is_empty()) {
        (true, true) => 0,
        (true, false) => service::SOURCES,
        (false, _) => service::SOURCES | service::SOURCES_CLOSED,
    };
    policy | tracking | affinity | sources
}
