//! What stands in the flow table and the counters.

use super::world::LAST_NUMBER;
use std::collections::BTreeMap;
use std::fmt;
use xdp_prog::abi::Outcome;
use xdp_prog::tables::Tables;
use xdp_prog::track::entry::Entry;

/// All that packets change in the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bucket and entry of all flows, in order. In which place of its bucket an
    /// entry stands does not matter.
    pub flows: Vec<(u32, u64)>,
    /// Packets, bytes, connections and untracked flows of each destination that
    /// has any.
    pub counters: BTreeMap<u16, [u64; 4]>,
    /// Outcomes that came up, by number, and how often.
    pub outcomes: BTreeMap<usize, u64>,
}

impl Snapshot {
    /// What stands there now.
    pub fn of(tables: &impl Tables) -> Self {
        Self::up_to(LAST_NUMBER, tables)
    }

    /// The same, of destinations up to this number.
    pub fn up_to(last: u16, tables: &impl Tables) -> Self {
        let mut flows = Vec::new();
        for bucket in 0..=tables.settings().bucket_mask.get() {
            let entries = tables.bucket(bucket).0.iter().map(|entry| entry.get());
            flows.extend(entries.filter(|&e| e != 0).map(|e| (bucket, e)));
        }
        flows.sort_unstable();
        Self {
            flows,
            counters: counters(tables, last),
            outcomes: outcomes(tables),
        }
    }
}

/// The counters of destinations 1 to `last` that are not all zero. Number 0
/// names none.
pub fn counters(tables: &impl Tables, last: u16) -> BTreeMap<u16, [u64; 4]> {
    let all = (1..=last).map(|number| (number, counter(tables, number)));
    all.filter(|(_, count)| *count != [0; 4]).collect()
}

/// The counters of one destination.
pub fn counter(tables: &impl Tables, number: u16) -> [u64; 4] {
    let counter = tables.counter(number);
    [
        &counter.packets,
        &counter.bytes,
        &counter.connections,
        &counter.untracked,
    ]
    .map(|word| word.get())
}

/// The outcomes that came up.
pub fn outcomes(tables: &impl Tables) -> BTreeMap<usize, u64> {
    let all = tables.outcomes().0.iter().map(|word| word.get());
    all.enumerate().filter(|(_, count)| *count != 0).collect()
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, count) in &self.outcomes {
            let name = Outcome::ALL.get(*number).map_or("?", |o| o.name());
            writeln!(f, "    outcome {name}: {count}")?;
        }
        for (number, [packets, bytes, connections, untracked]) in &self.counters {
            writeln!(
                f,
                "    destination {number}: packets {packets}, bytes {bytes}, connections \
                 {connections}, untracked {untracked}"
            )?;
        }
        for (bucket, entry) in &self.flows {
            let entry = Entry(*entry);
            let (tag, epoch) = (entry.tag(), entry.epoch());
            let to = entry.destination();
            writeln!(
                f,
                "    flow {bucket:#06x}/{tag:010x}: epoch {epoch}, destination {to}"
            )?;
        }
        Ok(())
    }
}
