//! The flow table: which destination a flow has, by its hash.
//!
//! Buckets of eight entries, one cache line each. Entries are entered and
//! refreshed by one compare-and-exchange, read by one load: no lock, no
//! allocation, shared by all CPUs, since a flow may move between queues. Two
//! CPUs that want the same place cannot both believe that they got it.

pub mod entry;

use crate::abi::Bucket;
use crate::abi::limits::FLOWS_PER_BUCKET;
use crate::tables::Tables;
use crate::verifier::forget;
use entry::Entry;

/// A SYN that comes this many epochs after the flow's last packet opens a new
/// connection from a port that the client reuses. A younger one is a
/// retransmission and keeps its backend.
pub const REUSE_EPOCHS: u8 = 2;

/// An entry that was idle for this many epochs may make room for another. A
/// younger one never does: its connection may depend on it.
pub const IDLE_EPOCHS: u8 = 64;

/// Where one flow stands, or would stand, in the flow table.
pub struct Track<'a> {
    bucket: &'a Bucket,
    hash: u64,
    epoch: u8,
}

/// An entry that was found.
#[derive(Clone, Copy)]
pub struct Known {
    place: usize,
    entry: Entry,
}

impl Known {
    /// Where the flow's packets go.
    #[inline(always)]
    #[must_use]
    pub fn destination(&self) -> u16 {
        self.entry.destination()
    }
}

impl<'a> Track<'a> {
    /// The bucket of the flow with this hash.
    #[inline(always)]
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "takes bits out of the clock"
    )]
    pub fn of<T: Tables>(tables: &'a T, hash: u64) -> Self {
        let epoch = tables.ticks() >> tables.settings().epoch_shift.get();
        Self::at(tables, hash, epoch as u8)
    }

    /// The same, in this epoch.
    #[inline(always)]
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "takes bits out of the hash"
    )]
    pub fn at<T: Tables>(tables: &'a T, hash: u64, epoch: u8) -> Self {
        Self {
            bucket: tables.bucket(hash as u32),
            hash,
            epoch,
        }
    }

    /// What tells the flow from others in its bucket.
    #[inline(always)]
    fn tag(&self) -> u64 {
        self.hash >> 24
    }

    /// The place in its bucket where it stands if nobody else does.
    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "takes bits out of the hash"
    )]
    fn preferred(&self) -> usize {
        (self.hash >> 21) as usize % FLOWS_PER_BUCKET
    }

    /// The flow's entry.
    #[inline(always)]
    #[must_use]
    pub fn find(&self) -> Option<Known> {
        // Most flows stand where they prefer to.
        let here = |place: &usize| self.entry(*place).tag() == self.tag();
        let preferred = self.preferred();
        let place = if here(&preferred) {
            preferred
        } else {
            forget::<FLOWS_PER_BUCKET>((0..FLOWS_PER_BUCKET).find(here)?, self.hash)
        };
        let entry = self.entry(place);
        (!entry.is_free()).then_some(Known { place, entry })
    }

    /// Where the flow's packets go, if its entry stands where it prefers to and
    /// its last packet came in this epoch.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the entry apart")]
    pub fn glance(&self) -> Option<u16> {
        let known = Entry::new(self.tag(), self.epoch, 0);
        let differs = self.entry(self.preferred()).0 ^ known.0;
        (differs >> 16 == 0 && differs != 0).then_some(differs as u16)
    }

    /// Whether the flow's last packet is so long ago that a SYN opens a new
    /// connection.
    #[inline(always)]
    #[must_use]
    pub fn is_stale(&self, known: &Known) -> bool {
        known.entry.age(self.epoch) >= REUSE_EPOCHS
    }

    /// Notes that a packet of the flow has come. A store once in an epoch.
    #[inline(always)]
    pub fn refresh(&self, known: &Known) {
        if known.entry.epoch() != self.epoch {
            // If somebody else took the place meanwhile, it is theirs.
            let _ = self.put(known.place, known.entry, known.destination());
        }
    }

    /// Enters the flow, in its own place if it has one, else in a free one,
    /// else in that of the flow that was idle longest. `false` if there is no
    /// room, or another CPU was faster: the flow then has no entry.
    #[inline(always)]
    #[must_use]
    pub fn enter<T: Tables>(&self, tables: &T, destination: u16) -> bool {
        tables.enter(self.hash, self.epoch, destination)
    }

    /// [`enter`](Self::enter), here.
    #[inline(always)]
    #[must_use]
    pub fn find_room(&self, destination: u16) -> bool {
        let mut best = self.preferred();
        let mut claim = self.claim(self.entry(best));
        for place in 0..FLOWS_PER_BUCKET {
            let other = self.claim(self.entry(place));
            if other > claim {
                best = forget::<FLOWS_PER_BUCKET>(place, self.hash);
                claim = other;
            }
        }
        claim > 0 && self.put(best, self.entry(best), destination)
    }

    /// Whether [`enter`](Self::enter) finds room.
    #[inline(always)]
    #[must_use]
    pub fn has_room(&self) -> bool {
        (0..FLOWS_PER_BUCKET).any(|place| self.claim(self.entry(place)) > 0)
    }

    /// How much this flow may claim the place of `entry`.
    #[inline(always)]
    fn claim(&self, entry: Entry) -> usize {
        let age = entry.age(self.epoch);
        let claim = if entry.tag() == self.tag() {
            0x200
        } else if entry.is_free() {
            0x100
        } else if age >= IDLE_EPOCHS {
            age as usize
        } else {
            0
        };
        forget::<0x400>(claim, self.hash)
    }

    #[inline(always)]
    fn entry(&self, place: usize) -> Entry {
        Entry(self.bucket.0[place % FLOWS_PER_BUCKET].get())
    }

    #[inline(always)]
    fn put(&self, place: usize, old: Entry, destination: u16) -> bool {
        let new = Entry::new(self.tag(), self.epoch, destination);
        self.bucket.0[place % FLOWS_PER_BUCKET].replace(old.0, new.0)
    }
}
