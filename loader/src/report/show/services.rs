//! `dsrload show services`

use super::unit::count;
use super::{Part, Traffic, table};
use crate::report::table::Align;
use serde::Serialize;
use std::io::{self, Write};

/// The services of one balancer.
#[derive(Clone, Debug, Serialize)]
pub struct Services {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// By address.
    pub services: Vec<Service>,
}

/// A service.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// What it is called: its first address.
    pub name: String,
    /// All its addresses: `VIP:PORT/PROTOCOL`.
    pub addresses: Vec<String>,
    /// Who gets new connections.
    pub policy: &'static str,
    /// Which flows are remembered.
    pub tracking: &'static str,
    /// What flows have in common.
    pub affinity: String,
    /// Number of its slots.
    pub slots: usize,
    /// How many of them are unsettled.
    pub unsettled: usize,
    /// Backends in rotation: ready, with a weight.
    pub in_rotation: usize,
    /// All its backends.
    pub backends: usize,
    /// What was forwarded.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Its flows in the flow table.
    pub flows: usize,
}

impl Part for Services {
    fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<[String; 11]> = self.services.iter().map(Service::row).collect();
        let has_rates = self.services.iter().any(|s| s.traffic.rates.is_some());
        let [packets, bytes, connections] = Traffic::heads(has_rates);
        let head = [
            ("SERVICE", Align::Left),
            ("POLICY", Align::Left),
            ("TRACKING", Align::Left),
            ("AFFINITY", Align::Left),
            ("BACKENDS", Align::Right),
            ("SLOTS", Align::Right),
            ("UNSETTLED", Align::Right),
            packets,
            bytes,
            connections,
            ("TRACKED", Align::Right),
        ];
        table::write(out, head, &rows)
    }

    fn compare(&mut self, before: &Self, millis: u64) {
        for service in &mut self.services {
            let mut before = before.services.iter();
            if let Some(before) = before.find(|before| before.addresses == service.addresses) {
                service.traffic.compare(&before.traffic, millis);
            }
        }
    }
}

impl Service {
    fn row(&self) -> [String; 11] {
        let others = self.addresses.iter().filter(|a| **a != self.name);
        let name = std::iter::once(&self.name).chain(others);
        let name: Vec<&str> = name.map(String::as_str).collect();
        let [packets, bytes, connections] = self.traffic.cells();
        [
            name.join(", "),
            self.policy.to_owned(),
            self.tracking.to_owned(),
            self.affinity.clone(),
            format!("{}/{}", self.in_rotation, self.backends),
            self.slots.to_string(),
            self.unsettled.to_string(),
            packets,
            bytes,
            connections,
            count(self.flows as u64),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::show::{Balancers, Report};

    fn services(packets: u64) -> Balancers<Services> {
        let traffic = Traffic {
            packets,
            bytes: packets * 100,
            connections: packets / 10,
            ..Traffic::default()
        };
        Balancers {
            balancers: vec![Services {
                interfaces: vec!["eth0".into()],
                services: vec![Service {
                    name: "192.0.2.10:80/tcp".into(),
                    addresses: vec!["192.0.2.10:80/tcp".into(), "[2001:db8::10]:80/tcp".into()],
                    policy: "maglev",
                    tracking: "changed",
                    affinity: "flow".into(),
                    slots: 16384,
                    unsettled: 12,
                    in_rotation: 2,
                    backends: 3,
                    traffic,
                    flows: 7,
                }],
            }],
        }
    }

    fn text(report: &impl Report) -> String {
        let mut out = Vec::new();
        report.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_service_is_a_line() {
        let expected = "\
SERVICE                                   POLICY  TRACKING  AFFINITY  BACKENDS  SLOTS  UNSETTLED  PACKETS    BYTES  CONNECTIONS  TRACKED
192.0.2.10:80/tcp, [2001:db8::10]:80/tcp  maglev  changed   flow           2/3  16384         12    123 k  12.3 MB        12345        7
";
        assert_eq!(text(&services(123_456)), expected);
    }

    #[test]
    fn two_looks_give_rates_in_place_of_counts() {
        let mut now = services(3_000);
        now.compare(&services(1_000), 2_000);
        let text = text(&now);
        assert!(
            text.contains("PACKETS/S") && text.contains("1000"),
            "{text}"
        );
        let json = serde_json::to_value(&now).expect("JSON");
        let service = &json["balancers"][0]["services"][0];
        assert_eq!(service["packets"], 3_000);
        assert_eq!(service["packets_per_second"], 1_000.0);
        let first = serde_json::to_value(services(1)).expect("JSON");
        let service = &first["balancers"][0]["services"][0];
        assert!(service.get("packets_per_second").is_none(), "{service}");
    }
}
