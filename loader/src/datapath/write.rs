//! Putting a placement into the tables.
//!
//! In two steps. [`Tables::prepare`] writes only what nobody reads: numbers
//! and slots that are free, the copy of the service table that is not in
//! force. [`Tables::commit`] makes it visible by one store, and only then
//! gives up what is not wanted any more.

use super::tables::Tables;
use crate::model::placement::{Entry, PlacedDestination, Placement, address_words};
use std::sync::atomic::{Ordering, fence};
use xdp_prog::abi::state::{destination, service};
use xdp_prog::abi::{Destination, Service};

impl Tables {
    /// The copy of the service table that is not in force.
    fn spare(&self) -> usize {
        1 - (self.control().active.get() as usize & 1)
    }

    /// Writes everything that is not in force yet.
    pub fn prepare(&self, placement: &Placement) {
        let destinations = self.destinations.entries();
        for wanted in &placement.destinations {
            let Some(entry) = destinations.get(usize::from(wanted.number)) else {
                continue;
            };
            if !is_live(entry) {
                self.forget(wanted.number);
                write_destination(entry, wanted);
            }
        }
        for (first, values) in &placement.slots {
            let slots = self.slots.entries().iter().skip(*first as usize);
            for (slot, &value) in slots.zip(values) {
                slot.set(value);
            }
        }
        let copy = self.spare();
        self.control().seeds[copy].set(placement.index.seed);
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
    pub fn commit(&self, placement: &Placement) {
        // A kept backend may have a new MAC: one store of eight bytes.
        for wanted in &placement.destinations {
            if let Some(entry) = self.destinations.entries().get(usize::from(wanted.number)) {
                write_route(entry, wanted);
            }
        }
        // All that was written before must be seen by whoever sees the switch.
        // Readers depend on it by address: they compute every index from it.
        fence(Ordering::SeqCst);
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the number of a copy is 0 or 1"
        )]
        self.control().active.set(self.spare() as u32);
        fence(Ordering::SeqCst);
        self.retire(&placement.retired);
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
        }
        self.control().retired.add(before);
    }
}

fn is_live(entry: &Destination) -> bool {
    entry.flags.get() & destination::LIVE != 0
}

fn write_destination(entry: &Destination, wanted: &PlacedDestination) {
    let address = address_words(wanted.route.address);
    entry.address[0].set(address[0]);
    entry.address[1].set(address[1]);
    entry.service.set(wanted.service);
    write_route(entry, wanted);
    fence(Ordering::SeqCst);
    entry.flags.set(destination::LIVE);
}

fn write_route(entry: &Destination, wanted: &PlacedDestination) {
    let (low, high) = wanted.route.macs.split_at(8);
    if let (Ok(low), Ok(high)) = (low.try_into(), high.try_into()) {
        entry.macs_low.set(u64::from_le_bytes(low));
        entry.macs_high.set(u32::from_le_bytes(high));
    }
    entry.port.set(wanted.route.port);
}

fn write_service(to: &Service, entry: &Entry) {
    to.address[0].set(entry.key.address[0]);
    to.address[1].set(entry.key.address[1]);
    let (first, count, id) = match &entry.service {
        Some(placed) => (
            placed.slots.start,
            placed.slots.end - placed.slots.start,
            placed.id,
        ),
        None => (0, 1, 0),
    };
    to.first_slot.set(first);
    to.slot_mask.set(count - 1);
    to.id.set(id);
    to.flags.set(if entry.local { service::LOCAL } else { 0 });
    to.key.set(entry.key.key);
}
