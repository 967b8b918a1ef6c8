//! `dsrload show backends`

use super::unit::{count, seconds, share};
use super::{Part, Traffic, table};
use crate::report::table::Align;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;

/// The backends of one balancer.
#[derive(Clone, Debug, Serialize)]
pub struct Backends {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// A flow that was silent for so many seconds is not live.
    pub idle_seconds: u64,
    /// Ages of entries count modulo this many seconds.
    pub wrap_seconds: u64,
    /// By service and address.
    pub backends: Vec<Backend>,
}

/// A backend of one service.
#[derive(Clone, Debug, Serialize)]
pub struct Backend {
    /// Its service's name.
    pub service: String,
    /// Its own address.
    pub address: IpAddr,
    /// `ready`, `drain`, `maint` or `down`.
    pub state: &'static str,
    /// Its share of new flows, against the others' weights.
    pub weight: u16,
    /// Slots whose new flows it gets.
    pub slots: usize,
    /// All slots of its service.
    pub slots_of_service: usize,
    /// Those of its slots whose packets leave no trace in the flow table.
    pub untraced_slots: usize,
    /// How packets get to it: `l2`, `ipip`, `gue`, `gue:PORT`.
    pub forward: String,
    /// The MAC that frames to it are addressed to; none for this host.
    pub mac: Option<String>,
    /// The interface that they leave through; none for this host, or if that is
    /// not loaded any more.
    pub interface: Option<String>,
    /// What it was sent.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Entries of the flow table that name it.
    pub flows: usize,
    /// Those whose last packet that left a trace came lately.
    pub live_flows: usize,
    /// Seconds since the last such packet; none without entries.
    pub last_packet_seconds: Option<u64>,
}

impl Part for Backends {
    fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<[String; 12]> = self.backends.iter().map(Backend::row).collect();
        let has_rates = self.backends.iter().any(|b| b.traffic.rates.is_some());
        let [packets, bytes, connections] = Traffic::heads(has_rates);
        let head = [
            ("SERVICE", Align::Left),
            ("BACKEND", Align::Left),
            ("STATE", Align::Left),
            ("WEIGHT", Align::Right),
            ("SHARE", Align::Right),
            ("WAY", Align::Left),
            packets,
            bytes,
            connections,
            ("TRACKED", Align::Right),
            ("LIVE", Align::Right),
            ("LAST", Align::Right),
        ];
        table::write(out, head, &rows)?;
        if self.backends.iter().any(|b| b.untraced_slots > 0) {
            writeln!(
                out,
                "+ at least: the flows of settled slots leave no trace (live: heard of within {})",
                seconds(self.idle_seconds)
            )?;
        }
        Ok(())
    }

    fn compare(&mut self, before: &Self, millis: u64) {
        for backend in &mut self.backends {
            let is_same = |before: &&Backend| {
                (&before.service, before.address) == (&backend.service, backend.address)
            };
            if let Some(before) = before.backends.iter().find(is_same) {
                backend.traffic.compare(&before.traffic, millis);
            }
        }
    }
}

impl Backend {
    fn row(&self) -> [String; 12] {
        let [packets, bytes, connections] = self.traffic.cells();
        let more = if self.untraced_slots > 0 { "+" } else { "" };
        [
            self.service.clone(),
            self.address.to_string(),
            self.state.to_owned(),
            self.weight.to_string(),
            share(self.slots, self.slots_of_service),
            self.way(),
            packets,
            bytes,
            connections,
            count(self.flows as u64),
            format!("{}{more}", count(self.live_flows as u64)),
            self.last_packet_seconds
                .map_or_else(|| "-".to_owned(), seconds),
        ]
    }

    fn way(&self) -> String {
        match &self.mac {
            None => "this host".to_owned(),
            Some(mac) => {
                let interface = self.interface.as_deref();
                let interface = interface.unwrap_or("no loaded interface");
                format!("{} {mac} {interface}", self.forward)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::show::{Balancers, Report};

    fn backend(last: u8) -> Backend {
        Backend {
            service: "192.0.2.10:80/tcp".into(),
            address: [10, 0, 0, last].into(),
            state: "drain",
            weight: 2,
            slots: 0,
            slots_of_service: 16384,
            untraced_slots: 0,
            forward: "l2".into(),
            mac: Some("02:00:00:00:00:07".into()),
            interface: Some("eth0".into()),
            traffic: Traffic::default(),
            flows: 3,
            live_flows: 1,
            last_packet_seconds: Some(4),
        }
    }

    #[test]
    fn a_backend_is_a_line_and_what_is_not_known_has_a_mark() {
        let ready = Backend {
            state: "ready",
            slots: 16384,
            untraced_slots: 16000,
            mac: None,
            last_packet_seconds: None,
            ..backend(4)
        };
        let backends = Backends {
            interfaces: vec!["eth0".into()],
            idle_seconds: 300,
            wrap_seconds: 655,
            backends: vec![backend(3), ready],
        };
        let mut out = Vec::new();
        let report = Balancers {
            balancers: vec![backends],
        };
        report.write(&mut out).expect("a vector takes all");
        let expected = "\
SERVICE            BACKEND   STATE  WEIGHT   SHARE  WAY                        PACKETS  BYTES  CONNECTIONS  TRACKED  LIVE  LAST
192.0.2.10:80/tcp  10.0.0.3  drain       2    0.0%  l2 02:00:00:00:00:07 eth0        0    0 B            0        3     1    4s
192.0.2.10:80/tcp  10.0.0.4  ready       2  100.0%  this host                        0    0 B            0        3    1+     -
+ at least: the flows of settled slots leave no trace (live: heard of within 5m00s)
";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
