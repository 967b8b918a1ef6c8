//! How many lines of each kind are written: a bucket of tokens for each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lines of a kind at once, and in each second.
const RATE: u32 = 50;

/// What a line costs: the time in which its token comes back.
const COST: Duration = Duration::from_millis(1000 / RATE as u64);

/// Full buckets hold as much.
const DEPTH: Duration = Duration::from_secs(1);

/// The buckets, and what did not come out of them.
#[derive(Debug)]
pub(super) struct Limits {
    kinds: BTreeMap<&'static str, Bucket>,
    start: Instant,
    lost_at_all: u64,
}

#[derive(Debug)]
struct Bucket {
    /// The moment at which it is full, if nothing is taken.
    full_at: Instant,
    lost: u64,
}

impl Limits {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            kinds: BTreeMap::new(),
            start: now,
            lost_at_all: 0,
        }
    }

    fn bucket(&mut self, kind: &'static str) -> &mut Bucket {
        let full = Bucket {
            full_at: self.start,
            lost: 0,
        };
        self.kinds.entry(kind).or_insert(full)
    }

    /// Whether a line of this kind may be written now. One that may not is counted.
    pub(super) fn take(&mut self, kind: &'static str, now: Instant) -> bool {
        let bucket = self.bucket(kind);
        let full_at = bucket.full_at.max(now) + COST;
        if full_at.duration_since(now) > DEPTH {
            self.lose(kind);
            return false;
        }
        bucket.full_at = full_at;
        true
    }

    /// A line of this kind was lost elsewhere.
    pub(super) fn lose(&mut self, kind: &'static str) {
        self.bucket(kind).lost += 1;
        self.lost_at_all += 1;
    }

    /// What [`Self::take_lost`] gave could not be told.
    pub(super) fn lose_again(&mut self, kind: &'static str, count: u64) {
        self.bucket(kind).lost += count;
    }

    /// Lines that were lost since this was last asked, by kind.
    pub(super) fn take_lost(&mut self) -> Vec<(&'static str, u64)> {
        let lost = self.kinds.iter_mut();
        let lost = lost.map(|(&kind, bucket)| (kind, std::mem::take(&mut bucket.lost)));
        lost.filter(|&(_, count)| count > 0).collect()
    }

    /// Lines that were lost since the start.
    pub(super) fn lost_at_all(&self) -> u64 {
        self.lost_at_all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_written_and_then_a_line_for_each_token_that_comes_back() {
        let start = Instant::now();
        let mut limits = Limits::new(start);
        let written = |limits: &mut Limits, kind, tries: u32, now| {
            (0..tries).filter(|_| limits.take(kind, now)).count()
        };
        assert_eq!(written(&mut limits, "state", 200, start), 50);
        // Other kinds have tokens of their own.
        assert_eq!(written(&mut limits, "check", 50, start), 50);
        assert_eq!(limits.take_lost(), [("state", 150)]);
        assert_eq!(limits.take_lost(), []);
        let later = start + Duration::from_millis(100);
        assert_eq!(written(&mut limits, "state", 200, later), 5);
        // No more than a burst is saved up.
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(written(&mut limits, "state", 200, much_later), 50);
        assert_eq!(limits.lost_at_all(), 150 + 195 + 150);
    }

    #[test]
    fn lines_that_are_lost_elsewhere_are_told_until_they_could_be() {
        let mut limits = Limits::new(Instant::now());
        limits.lose("log");
        limits.lose("log");
        assert_eq!(limits.take_lost(), [("log", 2)]);
        limits.lose_again("log", 2);
        limits.lose("log");
        assert_eq!(limits.take_lost(), [("log", 3)]);
        assert_eq!(limits.lost_at_all(), 3);
    }
}
