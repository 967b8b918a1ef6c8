//! Settling: which slots need the flow table no more.
//!
//! An unsettled slot costs a look-up for each packet, and loses nothing. It may
//! settle when every flow that counts goes to its current owner anyway. Flows
//! are of two kinds:
//!
//! * **Without an entry** they go to the previous owner. They have been silent
//!   since the slot became unsettled. When that is longer than a flow may be
//!   silent ([`Service::is_window_over`]), the previous owner is given up, and
//!   they go to the current one from then on. The slot settles in a later sweep:
//!   what has entered a flow for the previous owner meanwhile is seen then.
//! * **With an entry** they go where it says. One that names somebody else, and
//!   whose flow was heard of lately, keeps the slot unsettled. One whose flow
//!   was not, or is out without being told, is forgotten before the slot
//!   settles. If it stayed, it would lie: packets in a settled slot leave no
//!   trace, so a connection that takes up its addresses and ports while the slot
//!   is settled would be sent to the old backend after the next change. For the
//!   same reason every entry of a settled slot names its owner. Old ones go even
//!   if the slot cannot settle: ages count modulo 256, and of several old entries
//!   one would always look young.
//!
//! So no flow moves that was heard of within the shorter of both times: the
//! window, and `idle - 1` epochs. An entry's epoch is older than its flow's last
//! packet only if that came while the slot was settled: then the entry names the
//! owner of that time, which is the previous owner after the change, and the
//! window covers it.

use super::slots::Fate;
use std::collections::BTreeMap;
use xdp_prog::abi::state::slot::{current, is_settled, previous, settled, unsettled};
use xdp_prog::track::entry::Entry;

/// A service whose slots are to be looked after.
///
/// Leave out one whose slots changed a moment ago: no run of the program may
/// still go by older words. A run takes microseconds;
/// `membarrier(MEMBARRIER_CMD_GLOBAL)` waits for all.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    /// Its number.
    pub id: u16,
    /// What its slots hold; a power of two of them.
    pub words: &'a [u32],
    /// Whether flows that have been silent since its slots last changed are
    /// given up. For TCP: that is `idle` epochs ago. Where the first packet of a
    /// flow does not show that it is the first (UDP, affinity): a window of 30
    /// seconds, say. Not while flows of the service find no room in the flow
    /// table: those are heard of, and yet have no entry.
    pub is_window_over: bool,
}

/// The time of a sweep, in epochs of the flow table.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The epoch, modulo 256, read before the sweep or during it.
    pub now: u8,
    /// A flow that was silent for as many epochs does not count. At most
    /// [`IDLE_MAX`].
    pub idle: u8,
}

/// The longest [`Clock::idle`]. Ages count modulo 256, and those beyond it are
/// taken for entries that are younger than the clock's reading.
pub const IDLE_MAX: u8 = 240;

impl Clock {
    /// Epochs since the flow was heard of, as far as its entry tells. In doubt none:
    /// entries idle for longer than 240 epochs look young for a while.
    #[must_use]
    pub fn age(self, entry: Entry) -> u8 {
        match entry.age(self.now) {
            age if age > IDLE_MAX => 0,
            age => age,
        }
    }

    /// Whether the flow was heard of lately. In doubt it was: entries idle for
    /// longer than 240 epochs look young for a while.
    #[must_use]
    pub fn is_live(self, entry: Entry) -> bool {
        let age = entry.age(self.now);
        age < self.idle || age > IDLE_MAX
    }
}

/// The flow table, while packets change it.
pub trait Flows {
    /// Number of its places.
    fn places(&self) -> usize;
    /// What stands in a place.
    fn entry(&self, place: usize) -> Entry;
    /// Frees a place if that still stands in it: by one compare-and-exchange,
    /// so that no packet's entry is lost. `false` if it does not.
    fn forget(&self, place: usize, entry: Entry) -> bool;
}

/// A slot to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The service's number.
    pub service: u16,
    /// Which of its slots, counted from 0.
    pub slot: usize,
    /// What it is to hold.
    pub word: u32,
}

/// One sweep of the flow table: forgets entries that name nobody any more, or
/// would keep a slot unsettled for nothing, and tells what slots are to hold.
///
/// `destination` gives the service of a live destination, and what becomes of
/// its flows; `None` for one that is not live. Entries of other services do not
/// count.
pub fn sweep(
    services: &[Service],
    flows: &impl Flows,
    clock: Clock,
    destination: impl Fn(u16) -> Option<(u16, Fate)>,
) -> Vec<Change> {
    let mut sweeping = Sweeping {
        grounds: services.iter().map(|s| (s.id, Ground::new(s))).collect(),
        clock,
        destination,
    };
    // The first round finds the slots that cannot settle, and the second one
    // forgets nothing there but what is old.
    sweeping.round(flows, |_, _| true);
    sweeping.round(flows, |place, entry| flows.forget(place, entry));
    let grounds = sweeping.grounds.values();
    grounds.flat_map(Ground::changes).collect()
}

/// The slots of a service.
struct Ground<'a> {
    service: &'a Service<'a>,
    /// For each slot whether it stays unsettled.
    is_held: Vec<bool>,
}

impl<'a> Ground<'a> {
    fn new(service: &'a Service<'a>) -> Self {
        let is_held = |&word: &u32| is_settled(word) || has_previous(word);
        Self {
            service,
            is_held: service.words.iter().map(is_held).collect(),
        }
    }

    fn changes(&self) -> impl Iterator<Item = Change> {
        let slots = self.service.words.iter().zip(&self.is_held).enumerate();
        slots.filter_map(|(slot, (&word, &is_held))| {
            // Where nobody is the current owner, there is nobody else to give
            // the flows to.
            let is_over = self.service.is_window_over && has_previous(word) && current(word) != 0;
            let word = match is_held {
                false => settled(current(word)),
                true if is_over => unsettled(current(word), 0),
                true => return None,
            };
            Some(Change {
                service: self.service.id,
                slot,
                word,
            })
        })
    }
}

/// Whether flows without an entry go to another than the current owner.
fn has_previous(word: u32) -> bool {
    previous(word) != 0 && previous(word) != current(word)
}

/// A sweep in progress.
struct Sweeping<'a, D> {
    grounds: BTreeMap<u16, Ground<'a>>,
    clock: Clock,
    destination: D,
}

impl<D: Fn(u16) -> Option<(u16, Fate)>> Sweeping<'_, D> {
    fn round(&mut self, flows: &impl Flows, forget: impl Fn(usize, Entry) -> bool) {
        for place in 0..flows.places() {
            let entry = flows.entry(place);
            if entry.is_free() {
                continue;
            }
            let Some((service, fate)) = (self.destination)(entry.destination()) else {
                // No packet goes by it. Its number is free to be given out.
                forget(place, entry);
                continue;
            };
            let Some(ground) = self.grounds.get_mut(&service) else {
                continue;
            };
            let slot = slot_of(entry, ground.is_held.len());
            let Some(is_held) = ground.is_held.get_mut(slot) else {
                continue;
            };
            let word = ground.service.words[slot];
            if is_settled(word) || current(word) == entry.destination() {
                continue;
            }
            let is_old = !self.clock.is_live(entry);
            if !*is_held || is_old {
                let is_needed = fate != Fate::Gone && !is_old;
                *is_held |= is_needed || !forget(place, entry);
            }
        }
    }
}

/// The slot of an entry's flow: bits 40 and up of its hash, of which the tag is
/// bits 24 and up.
#[must_use]
pub fn slot_of(entry: Entry, slots: usize) -> usize {
    let mask = slots.saturating_sub(1) as u64;
    usize::try_from(entry.tag() >> 16 & mask).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
