//! The flow table: buckets of eight entries.

use super::hash::Hash;
use std::collections::HashMap;

/// A SYN so many epochs after its flow's last packet opens a new connection.
pub const REUSE: u8 = 2;

/// An entry that was idle for so many epochs may make room.
pub const IDLE: u8 = 64;

/// The eight places of a bucket.
pub type Bucket = [Option<Entry>; 8];

/// What is remembered of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Tells it from others in its bucket.
    pub tag: u64,
    /// When it last sent a packet.
    pub epoch: u8,
    /// Where it goes.
    pub destination: u16,
}

/// All buckets; those that are not there are empty.
#[derive(Clone, Debug, Default)]
pub struct FlowTable {
    /// How many buckets there are: a power of two.
    pub buckets: u32,
    /// What the clock shows.
    pub now: u8,
    /// Buckets by their numbers.
    pub all: HashMap<u32, Bucket>,
}

impl FlowTable {
    /// A bucket.
    pub fn bucket(&self, number: u32) -> Bucket {
        self.all.get(&number).copied().unwrap_or_default()
    }

    /// Epochs since an entry's last packet.
    pub fn age(&self, entry: &Entry) -> u8 {
        self.now.wrapping_sub(entry.epoch)
    }

    /// The places of a bucket, in the order in which they are tried: the
    /// preferred one first.
    fn order(hash: Hash) -> impl Iterator<Item = usize> {
        let others = (0..8).filter(move |place| *place != hash.place());
        std::iter::once(hash.place()).chain(others)
    }

    /// The flow's entry.
    pub fn find(&self, hash: Hash) -> Option<Entry> {
        let bucket = self.bucket(hash.bucket(self.buckets));
        Self::order(hash)
            .filter_map(|place| bucket[place])
            .find(|entry| entry.tag == hash.tag())
    }

    /// Where a flow would be entered: in its own place, else in a free one, else
    /// in that of the flow that was idle longest, and for long enough.
    pub fn room(&self, hash: Hash, idle: u8) -> Option<usize> {
        let bucket = self.bucket(hash.bucket(self.buckets));
        let own = |place: &usize| bucket[*place].is_some_and(|entry| entry.tag == hash.tag());
        let free = |place: &usize| bucket[*place].is_none();
        let age = |place: usize| bucket[place].map_or(0, |entry| self.age(&entry));
        let oldest = || {
            let mut places = Self::order(hash).filter(|place| age(*place) >= idle);
            let first = places.next()?;
            Some(places.fold(first, |oldest, place| {
                if age(place) > age(oldest) {
                    place
                } else {
                    oldest
                }
            }))
        };
        Self::order(hash)
            .find(own)
            .or_else(|| Self::order(hash).find(free))
            .or_else(oldest)
    }

    /// Enters a flow. `false` if there is no room.
    pub fn enter(&mut self, hash: Hash, destination: u16, idle: u8) -> bool {
        let Some(place) = self.room(hash, idle) else {
            return false;
        };
        let entry = Entry {
            tag: hash.tag(),
            epoch: self.now,
            destination,
        };
        let number = hash.bucket(self.buckets);
        self.all.entry(number).or_default()[place] = Some(entry);
        true
    }
}
