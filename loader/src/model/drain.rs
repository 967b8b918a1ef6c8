//! Watching a drained backend until none of its flows is live.
//!
//! A drain leaves the backend two kinds of flows:
//!
//! * **With an entry** in the flow table that names it. Each packet renews its
//!   epoch, so an entry that stays as it is tells of silence.
//! * **Without one.** They were established while their slots were settled, which
//!   leaves no trace, and have sent nothing since. The next packet of each enters
//!   it. So nobody can know of them; but who is not heard of for the idle time
//!   *after* the drain is idle, entry or not. Only then is it claimed that no live
//!   flow is left. Before, the count is one of "at least".
//!
//! A flow that finds no room in the flow table sends packets and never has an
//! entry. Each such packet is counted ([`Sight::untracked`]); a rise means that
//! somebody was heard of.
//!
//! Ages of entries count modulo 256 epochs, about ten minutes, so an entry that is
//! hours old looks young half of the time. They are used once, at the first look:
//! from then on what counts is whether an entry changes. A wrong first guess only
//! takes an old flow for a young one, for one idle time at the most.
//!
//! An epoch in which an entry was renewed already is not written again: a packet at
//! its end is not seen. So silence is counted from the end of an entry's epoch.

use std::collections::HashMap;
use xdp_prog::track::entry::Entry;

/// How long things take, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A flow that was silent for this long is idle.
    pub idle: u64,
    /// The length of an epoch.
    pub epoch: u64,
}

/// What is seen of the backend at one look.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The time in milliseconds, by any clock that goes on.
    pub now: u64,
    /// The entries that name it, each with its place.
    pub entries: Vec<(usize, Entry)>,
    /// Packets of its flows that found no room in the flow table, ever.
    pub untracked: u64,
    /// Whether flows without an entry go to it: it is the former owner of an
    /// unsettled slot.
    pub has_unknown: bool,
}

/// What is known by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Flows that were heard of within the idle time.
    pub live: usize,
    /// Other flows of which there is an entry.
    pub idle: usize,
    /// For how many milliseconds more flows may be live that nobody knows of; 0
    /// if there are none.
    pub unknown: u64,
    /// Packets were seen of flows that find no room in the flow table.
    pub is_crowded: bool,
}

impl Progress {
    /// No flow was heard of for the whole idle time, and none can have been.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.live == 0 && self.unknown == 0
    }
}

/// A backend that is watched.
#[derive(Debug)]
pub struct Watch {
    pace: Pace,
    /// What stands in the places of its entries, and since when it may have.
    seen: HashMap<usize, (Entry, u64)>,
    /// The last change that may have left it flows without a trace.
    since: u64,
    untracked: u64,
    is_crowded: bool,
    /// There were flows without an entry at some look. Where they are given up
    /// since, some may have an entry of long ago that is kept.
    had_unknown: bool,
}

impl Watch {
    /// Begins at a first look. `epoch` is the flow table's at that time, modulo
    /// 256. Slots last changed, and flows last found no room, before `since`; that
    /// may be later than the look, never earlier than the truth.
    #[must_use]
    pub fn begin(pace: Pace, first: &Sight, epoch: u8, since: u64) -> Self {
        let guess = |entry: Entry| {
            let age = super::sweep::Clock {
                now: epoch,
                idle: 0,
            }
            .age(entry);
            first.now.saturating_sub(u64::from(age) * pace.epoch)
        };
        let entries = first.entries.iter();
        Self {
            pace,
            seen: entries
                .map(|&(at, entry)| (at, (entry, guess(entry))))
                .collect(),
            since,
            untracked: first.untracked,
            is_crowded: false,
            had_unknown: false,
        }
    }

    /// What the next look tells.
    pub fn look(&mut self, sight: &Sight) -> Progress {
        let Pace { idle, epoch } = self.pace;
        if sight.untracked != self.untracked {
            self.untracked = sight.untracked;
            self.since = sight.now;
            self.is_crowded = true;
        }
        let mut live = 0;
        let mut seen = HashMap::with_capacity(sight.entries.len());
        for &(at, entry) in &sight.entries {
            let since = match self.seen.get(&at) {
                Some(&(before, since)) if before == entry => since,
                _ => sight.now,
            };
            live += usize::from(sight.now < since.saturating_add(idle + epoch));
            seen.insert(at, (entry, since));
        }
        self.seen = seen;
        let unknown = self.since.saturating_add(idle).saturating_sub(sight.now);
        let is_crowded = self.is_crowded && unknown > 0;
        self.had_unknown |= sight.has_unknown || is_crowded;
        Progress {
            live,
            idle: sight.entries.len() - live,
            unknown: if self.had_unknown { unknown } else { 0 },
            is_crowded,
        }
    }
}

#[cfg(test)]
#[path = "drain_tests.rs"]
mod tests;
