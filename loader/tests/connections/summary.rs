//! What has been counted.

use super::flow::{EXCUSES, Excuse};
use std::fmt;
use std::ops::AddAssign;

/// Counts of one sequence, or of many.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All packets.
    pub packets: u64,
    /// Those of connections that live.
    pub living: u64,
    /// Connections.
    pub connections: u64,
    /// SYNs sent again.
    pub again: u64,
    /// ICMP errors about living connections.
    pub errors: u64,
    /// Changes, each of one balancer.
    pub changes: u64,
    /// Sweeps, each of one balancer.
    pub sweeps: u64,
    /// Balancers lost.
    pub losses: u64,
    /// Living connections that moved to another balancer.
    pub moved: u64,
    /// Those that the design promises to keep: their slots are settled on both.
    pub moved_safely: u64,
    /// Connections that ended by a change while their service remembered none.
    pub unpromised: u64,
    /// Connections that went elsewhere, by [`EXCUSES`].
    pub excused: [u64; EXCUSES.len()],
    /// ICMP errors that went elsewhere, with the same excuses.
    pub stray_errors: u64,
    /// New connections to a backend that gets none: a port reused within two
    /// epochs.
    pub young: u64,
    /// The same: no room in the flow table.
    pub crowded: u64,
    /// The same: nothing shows that the flow is new.
    pub known: u64,
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        self.packets += other.packets;
        self.living += other.living;
        self.connections += other.connections;
        self.again += other.again;
        self.errors += other.errors;
        self.changes += other.changes;
        self.sweeps += other.sweeps;
        self.losses += other.losses;
        self.moved += other.moved;
        self.moved_safely += other.moved_safely;
        self.unpromised += other.unpromised;
        for (sum, count) in self.excused.iter_mut().zip(other.excused) {
            *sum += count;
        }
        self.stray_errors += other.stray_errors;
        self.young += other.young;
        self.crowded += other.crowded;
        self.known += other.known;
    }
}

impl Tally {
    /// Counts a connection that went elsewhere.
    pub fn excuse(&mut self, excuse: Excuse) {
        let place = EXCUSES.iter().position(|(kind, _)| *kind == excuse);
        self.excused[place.expect("all are there")] += 1;
    }
}

/// What a run has found.
#[derive(Debug, Default)]
pub struct Summary {
    /// Sequences that were played.
    pub sequences: usize,
    /// Packets, connections, and what was excused.
    pub tally: Tally,
    /// Sequences in which a connection broke, or another promise.
    pub broken: usize,
    /// The first of them: seed, sequence, and what happened last.
    pub failures: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.tally;
        writeln!(
            out,
            "connections: {} sequences, {} packets ({} of living connections), {} connections",
            self.sequences, t.packets, t.living, t.connections
        )?;
        writeln!(
            out,
            "  {} changes, {} sweeps, {} balancers lost, {} SYNs again, {} ICMP errors",
            t.changes, t.sweeps, t.losses, t.again, t.errors
        )?;
        writeln!(
            out,
            "  {} living connections moved balancer, {} of them while settled",
            t.moved, t.moved_safely
        )?;
        writeln!(out, "  broken: {}", self.broken)?;
        for ((_, name), count) in EXCUSES.iter().zip(t.excused) {
            write_rate(out, name, count, t.connections)?;
        }
        write_rate(
            out,
            "a change with tracking none",
            t.unpromised,
            t.connections,
        )?;
        writeln!(out, "  stray ICMP errors, same reasons: {}", t.stray_errors)?;
        writeln!(out, "  new connections to backends that get none:")?;
        write_rate(
            out,
            "  port reused within two epochs",
            t.young,
            t.connections,
        )?;
        write_rate(out, "  no room in the flow table", t.crowded, t.connections)?;
        write_rate(
            out,
            "  UDP or affinity, not told from old",
            t.known,
            t.connections,
        )?;
        self.failures.iter().try_for_each(|f| writeln!(out, "{f}"))
    }
}

/// A count, and how many that is in a million connections.
fn write_rate(
    out: &mut fmt::Formatter<'_>,
    name: &str,
    count: u64,
    connections: u64,
) -> fmt::Result {
    let millionths = count * 1_000_000 / connections.max(1);
    writeln!(out, "  {name:<42} {count:>8}  {millionths:>7} per million")
}
