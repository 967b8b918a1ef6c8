//! Interfaces where tunnels end.

use super::stats::{OutcomeStats, write_outcomes};
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;

/// What is loaded on one.
#[derive(Clone, Debug, Serialize)]
pub struct DecapStatus {
    /// Its name.
    pub interface: String,
    /// Where XDP runs.
    pub mode: &'static str,
    /// The XDP program's id.
    pub program: u32,
    /// The tc program's id; none if somebody has removed the filter.
    pub clamp: Option<u32>,
    /// The balancers that are allowed.
    pub allow: Vec<String>,
    /// The VIPs.
    pub vips: Vec<IpAddr>,
    /// The UDP port of GUE.
    pub gue_port: u32,
    /// Bytes of IP that the way from the balancers takes.
    pub mtu: u32,
    /// Bytes of outer headers that have been seen; 0 before the first tunnel.
    pub overhead: u32,
}

/// What was counted on one.
#[derive(Clone, Debug, Serialize)]
pub struct DecapStats {
    /// Its name.
    pub interface: String,
    /// Packets by outcome.
    pub outcomes: Vec<OutcomeStats>,
    /// Bytes of IP inside the tunnels that were ended.
    pub bytes: u64,
    /// Segments whose MSS was clamped.
    pub clamped: u64,
}

impl DecapStatus {
    /// For people.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}: decap {}, program {}, GUE port {}",
            self.interface, self.mode, self.program, self.gue_port
        )?;
        writeln!(out, "  allow {}", self.allow.join(", "))?;
        let vips: Vec<String> = self.vips.iter().map(ToString::to_string).collect();
        writeln!(out, "  VIP {}", vips.join(", "))?;
        match self.clamp {
            Some(id) => write!(out, "  MSS clamped by tc program {id}")?,
            None => write!(out, "  MSS not clamped: the tc filter is gone")?,
        }
        match self.overhead {
            0 => writeln!(out, ": MTU {}, no tunnel seen yet", self.mtu),
            overhead => writeln!(out, ": MTU {}, {overhead} bytes for the tunnel", self.mtu),
        }
    }
}

impl DecapStats {
    /// For people.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}: decap, {} bytes from tunnels, MSS clamped {} times",
            self.interface, self.bytes, self.clamped
        )?;
        write_outcomes(out, &self.outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> DecapStatus {
        DecapStatus {
            interface: "eth0".into(),
            mode: "skb",
            program: 412,
            clamp: Some(413),
            allow: vec!["192.0.2.1/32".into(), "192.0.2.8/29".into()],
            vips: vec![[198, 51, 100, 10].into()],
            gue_port: 6080,
            mtu: 1500,
            overhead: 20,
        }
    }

    fn text(status: &DecapStatus) -> String {
        let mut out = Vec::new();
        status.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn the_report_for_people_says_who_what_and_how_much() {
        let expected = "\
eth0: decap skb, program 412, GUE port 6080
  allow 192.0.2.1/32, 192.0.2.8/29
  VIP 198.51.100.10
  MSS clamped by tc program 413: MTU 1500, 20 bytes for the tunnel
";
        assert_eq!(text(&status()), expected);
        let bare = DecapStatus {
            clamp: None,
            overhead: 0,
            ..status()
        };
        let last = "  MSS not clamped: the tc filter is gone: MTU 1500, no tunnel seen yet";
        assert_eq!(text(&bare).lines().last(), Some(last));
    }

    #[test]
    fn the_counters_are_a_line_and_a_table() {
        let stats = DecapStats {
            interface: "eth0".into(),
            outcomes: vec![OutcomeStats {
                name: "decapsulated",
                verdict: "pass",
                packets: 12,
                help: "Off.",
            }],
            bytes: 3456,
            clamped: 2,
        };
        let mut out = Vec::new();
        stats.write(&mut out).expect("a vector takes all");
        let expected = "\
eth0: decap, 3456 bytes from tunnels, MSS clamped 2 times
OUTCOME       PACKETS  VERDICT  MEANING
decapsulated       12  pass     Off.
";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
