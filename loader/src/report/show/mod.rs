//! What `dsrload show` shows: each verb one table, or JSON whose keys are those
//! of docs/SHOW.md.

pub mod backends;
pub mod drops;
pub mod flows;
pub mod neigh;
pub mod services;
mod unit;

use super::table::{self, Align};
use serde::Serialize;
use std::io::{self, Write};
use unit::{bytes, count, rate};

/// A report that may be watched.
pub trait Report: Serialize {
    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// The writer's.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Notes what has happened since `before`, so many milliseconds ago.
    fn compare(&mut self, before: &Self, millis: u64);
}

/// What is told of one balancer.
pub trait Part: Serialize {
    /// Names of its interfaces.
    fn interfaces(&self) -> &[String];

    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// The writer's.
    fn write(&self, out: &mut dyn Write) -> io::Result<()>;

    /// Notes what has happened since `before`, so many milliseconds ago.
    fn compare(&mut self, before: &Self, millis: u64);
}

/// The same of all balancers of this network namespace.
#[derive(Clone, Debug, Serialize)]
pub struct Balancers<P> {
    /// Each of them.
    pub balancers: Vec<P>,
}

impl<P: Part> Report for Balancers<P> {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.balancers.is_empty() {
            return writeln!(out, "not loaded");
        }
        write_parts(out, &self.balancers)
    }

    fn compare(&mut self, before: &Self, millis: u64) {
        compare_parts(&mut self.balancers, &before.balancers, millis);
    }
}

/// Several balancers are told apart by their interfaces.
fn write_parts<P: Part>(out: &mut dyn Write, parts: &[P]) -> io::Result<()> {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        if parts.len() > 1 {
            writeln!(out, "{}", part.interfaces().join(", "))?;
        }
        part.write(out)?;
    }
    Ok(())
}

fn compare_parts<P: Part>(parts: &mut [P], before: &[P], millis: u64) {
    for part in parts {
        let mut before = before.iter();
        if let Some(before) = before.find(|before| before.interfaces() == part.interfaces()) {
            part.compare(before, millis);
        }
    }
}

/// What was forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
    /// TCP connections opened.
    pub connections: u64,
    /// Packets of flows that found no room in the flow table.
    pub untracked: u64,
    /// How fast that grows; only where two looks are compared.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
}

/// How fast counters grow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Packets.
    pub packets_per_second: f64,
    /// Bytes of IP.
    pub bytes_per_second: f64,
    /// TCP connections opened.
    pub connections_per_second: f64,
}

impl Traffic {
    fn compare(&mut self, before: &Self, millis: u64) {
        self.rates = Some(Rates {
            packets_per_second: per_second(before.packets, self.packets, millis),
            bytes_per_second: per_second(before.bytes, self.bytes, millis),
            connections_per_second: per_second(before.connections, self.connections, millis),
        });
    }

    /// Packets, bytes and connections; with rates, how fast they grow.
    fn cells(&self) -> [String; 3] {
        match self.rates {
            None => [
                count(self.packets),
                bytes(self.bytes),
                count(self.connections),
            ],
            Some(rates) => [
                rate(rates.packets_per_second, ""),
                rate(rates.bytes_per_second, "B"),
                rate(rates.connections_per_second, ""),
            ],
        }
    }

    /// The heads of [`cells`](Self::cells).
    fn heads(has_rates: bool) -> [(&'static str, Align); 3] {
        let names = if has_rates {
            ["PACKETS/S", "BYTES/S", "CONNECTIONS/S"]
        } else {
            ["PACKETS", "BYTES", "CONNECTIONS"]
        };
        names.map(|name| (name, Align::Right))
    }
}

/// What a counter gained in a second, to a tenth. One that was set back, since
/// its owner is another one now, gained nothing.
#[expect(clippy::cast_precision_loss, reason = "no rate has as many digits")]
fn per_second(before: u64, now: u64, millis: u64) -> f64 {
    let gained = u128::from(now.saturating_sub(before));
    let tenths = gained * 10_000 / u128::from(millis.max(1));
    tenths as f64 / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_was_gained_in_a_second() {
        assert_eq!(per_second(10, 25, 1_000).to_string(), "15");
        assert_eq!(per_second(10, 11, 4_000).to_string(), "0.2");
        assert_eq!(per_second(25, 10, 1_000).to_string(), "0");
        assert_eq!(per_second(0, 10, 0).to_string(), "10000");
        assert!(per_second(0, u64::MAX, 1).is_finite());
    }
}
