//! What became of connections.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// Connections by what became of them; each counts once, except in `moved`.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answered to the end.
    pub ok: usize,
    /// Ended by a reset.
    pub reset: usize,
    /// Never opened: the port was closed.
    pub refused: usize,
    /// Given up for lack of an answer.
    pub timed_out: usize,
    /// Ended by the server in the middle.
    pub closed: usize,
    /// Failed otherwise, with the system's words.
    pub other: Vec<String>,
    /// Answered by one backend and later by another.
    pub moved: usize,
    /// Connections by the backend that answered first.
    pub by_backend: BTreeMap<String, usize>,
    /// Those of them that failed later.
    pub lost: BTreeMap<String, usize>,
    /// The longest that an answer took.
    pub slowest: Duration,
}

impl Tally {
    /// All connections.
    pub fn connections(&self) -> usize {
        self.ok + self.failed()
    }

    /// The connections that were not answered to the end.
    pub fn failed(&self) -> usize {
        self.reset + self.refused + self.timed_out + self.closed + self.other.len()
    }

    /// Adds those of another thread.
    pub fn add(&mut self, from: Self) {
        self.ok += from.ok;
        self.reset += from.reset;
        self.refused += from.refused;
        self.timed_out += from.timed_out;
        self.closed += from.closed;
        self.other.extend(from.other);
        self.moved += from.moved;
        for (sum, from) in [
            (&mut self.by_backend, from.by_backend),
            (&mut self.lost, from.lost),
        ] {
            for (backend, count) in from {
                *sum.entry(backend).or_default() += count;
            }
        }
        self.slowest = self.slowest.max(from.slowest);
    }

    /// Counts a connection, by how it ended.
    pub fn count(&mut self, end: io::Result<()>) {
        let Err(error) = end else {
            self.ok += 1;
            return;
        };
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => self.reset += 1,
            io::ErrorKind::ConnectionRefused => self.refused += 1,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => self.timed_out += 1,
            io::ErrorKind::UnexpectedEof => self.closed += 1,
            _ => self.other.push(error.to_string()),
        }
    }
}

/// The longest time between two short connections that ended well.
#[derive(Debug, Default)]
pub struct Gap {
    last: Option<Instant>,
    /// So far.
    pub longest: Duration,
}

impl Gap {
    /// One has ended well.
    pub fn ended_well(&mut self) {
        let now = Instant::now();
        let since = self.last.replace(now).map(|last| now.duration_since(last));
        self.longest = self.longest.max(since.unwrap_or_default());
    }
}
