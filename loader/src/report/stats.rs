//! What became of the packets.

use super::decap::DecapStats;
use super::table::{self, Align};
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;

/// The report of `dsrload stats`.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Balancers of this network namespace.
    pub balancers: Vec<BalancerStats>,
    /// Interfaces where tunnels end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decaps: Vec<DecapStats>,
}

/// One set of tables, and the interfaces that share it.
#[derive(Clone, Debug, Serialize)]
pub struct BalancerStats {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// Every packet, by where its way ended.
    pub outcomes: Vec<OutcomeStats>,
    /// Its services, by address.
    pub services: Vec<ServiceStats>,
}

/// How often an outcome came up.
#[derive(Clone, Debug, Serialize)]
pub struct OutcomeStats {
    /// Its name.
    pub name: &'static str,
    /// `tx`, `pass` or `drop`.
    pub verdict: &'static str,
    /// Packets.
    pub packets: u64,
    /// What it means.
    pub help: &'static str,
}

/// What was forwarded for a service: the sum of its backends.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceStats {
    /// All its addresses.
    pub addresses: Vec<String>,
    /// The virtual address of the first.
    pub vip: Option<IpAddr>,
    /// Its port; 0 for any.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Packets.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
    /// TCP connections opened.
    pub connections: u64,
    /// Flows that found no room in the flow table.
    pub untracked: u64,
    /// By backend.
    pub backends: Vec<BackendStats>,
}

/// What was forwarded to a backend of one service.
#[derive(Clone, Debug, Serialize)]
pub struct BackendStats {
    /// Its own address.
    pub address: IpAddr,
    /// Packets.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
    /// TCP connections opened.
    pub connections: u64,
    /// Flows that found no room in the flow table.
    pub untracked: u64,
}

impl Stats {
    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.balancers.is_empty() && self.decaps.is_empty() {
            return writeln!(out, "not loaded");
        }
        for (i, balancer) in self.balancers.iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            writeln!(out, "{}", balancer.interfaces.join(", "))?;
            balancer.write_outcomes(out)?;
            writeln!(out)?;
            balancer.write_services(out)?;
        }
        for (i, decap) in self.decaps.iter().enumerate() {
            if i > 0 || !self.balancers.is_empty() {
                writeln!(out)?;
            }
            decap.write(out)?;
        }
        Ok(())
    }
}

impl BalancerStats {
    fn write_outcomes(&self, out: &mut dyn Write) -> io::Result<()> {
        write_outcomes(out, &self.outcomes)
    }

    fn write_services(&self, out: &mut dyn Write) -> io::Result<()> {
        let row = |name: String, numbers: [u64; 4]| {
            let [packets, bytes, connections, untracked] = numbers.map(|n| n.to_string());
            [name, packets, bytes, connections, untracked]
        };
        let mut rows = Vec::new();
        for s in &self.services {
            let name = s.addresses.join(", ");
            rows.push(row(name, [s.packets, s.bytes, s.connections, s.untracked]));
            for b in &s.backends {
                let name = format!("  {}", b.address);
                rows.push(row(name, [b.packets, b.bytes, b.connections, b.untracked]));
            }
        }
        let head = [
            ("SERVICE", Align::Left),
            ("PACKETS", Align::Right),
            ("BYTES", Align::Right),
            ("CONNECTIONS", Align::Right),
            ("UNTRACKED", Align::Right),
        ];
        table::write(out, head, &rows)
    }
}

/// Outcomes as a table.
pub(super) fn write_outcomes(out: &mut dyn Write, outcomes: &[OutcomeStats]) -> io::Result<()> {
    let rows: Vec<[String; 4]> = outcomes
        .iter()
        .map(|o| {
            [
                o.name.to_owned(),
                o.packets.to_string(),
                o.verdict.to_owned(),
                o.help.to_owned(),
            ]
        })
        .collect();
    let head = [
        ("OUTCOME", Align::Left),
        ("PACKETS", Align::Right),
        ("VERDICT", Align::Left),
        ("MEANING", Align::Left),
    ];
    table::write(out, head, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_for_people_is_two_tables() {
        let stats = Stats {
            balancers: vec![BalancerStats {
                interfaces: vec!["eth0".into(), "eth1".into()],
                outcomes: vec![OutcomeStats {
                    name: "forwarded",
                    verdict: "tx",
                    packets: 1234,
                    help: "Sent to a backend.",
                }],
                services: vec![ServiceStats {
                    addresses: vec!["192.0.2.10:80/tcp".into()],
                    vip: Some([192, 0, 2, 10].into()),
                    port: 80,
                    protocol: "tcp",
                    packets: 1234,
                    bytes: 5678,
                    connections: 9,
                    untracked: 1,
                    backends: vec![BackendStats {
                        address: [10, 0, 0, 3].into(),
                        packets: 1234,
                        bytes: 5678,
                        connections: 9,
                        untracked: 1,
                    }],
                }],
            }],
            decaps: vec![],
        };
        let mut out = Vec::new();
        stats.write(&mut out).expect("a vector takes all");
        let expected = "\
eth0, eth1
OUTCOME    PACKETS  VERDICT  MEANING
forwarded     1234  tx       Sent to a backend.

SERVICE            PACKETS  BYTES  CONNECTIONS  UNTRACKED
192.0.2.10:80/tcp     1234   5678            9          1
  10.0.0.3            1234   5678            9          1
";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
