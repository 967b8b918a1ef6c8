//! `dsrload show flows`: entries of the flow table, or the flow of one client.

use super::unit::seconds;
use super::{Part, table};
use crate::report::table::Align;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;

/// The flow table of one balancer.
#[derive(Clone, Debug, Serialize)]
pub struct Flows {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// A flow that was silent for so many seconds is not live.
    pub idle_seconds: u64,
    /// Ages of entries count modulo this many seconds.
    pub wrap_seconds: u64,
    /// Flows that the table can hold.
    pub capacity: usize,
    /// Entries in it.
    pub in_table: usize,
    /// Those that were asked for.
    pub matched: usize,
    /// As many of them as were asked for, in the order of the table.
    pub flows: Vec<Flow>,
}

/// An entry of the flow table.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// Its service's name; none if its backend is no more.
    pub service: Option<String>,
    /// Its backend; none if that is no more: the flow is balanced anew.
    pub backend: Option<IpAddr>,
    /// The number of its bucket.
    pub bucket: usize,
    /// 40 bits of the flow's hash, as hexadecimal digits.
    pub tag: String,
    /// Its slot among those of its service.
    pub slot: Option<usize>,
    /// Whether the flow's packets leave a trace in its entry. Else it may have
    /// been heard of since.
    pub is_traced: bool,
    /// Seconds since the last packet that did.
    pub idle_seconds: u64,
    /// That came lately.
    pub is_live: bool,
}

impl Part for Flows {
    fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<[String; 7]> = self.flows.iter().map(Flow::row).collect();
        let head = [
            ("SERVICE", Align::Left),
            ("BACKEND", Align::Left),
            ("BUCKET", Align::Right),
            ("TAG", Align::Left),
            ("SLOT", Align::Right),
            ("IDLE", Align::Right),
            ("", Align::Left),
        ];
        table::write(out, head, &rows)?;
        writeln!(
            out,
            "{} of {} that match, of {} in the table, which holds {}",
            self.flows.len(),
            self.matched,
            self.in_table,
            self.capacity
        )
    }

    fn compare(&mut self, _: &Self, _: u64) {}
}

impl Flow {
    fn row(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        let word = match (self.is_live, self.is_traced) {
            (true, _) => "live",
            (false, true) => "idle",
            (false, false) => "settled",
        };
        [
            self.service.clone().unwrap_or_else(dash),
            self.backend.map_or_else(dash, |b| b.to_string()),
            self.bucket.to_string(),
            self.tag.clone(),
            self.slot.map_or_else(dash, |slot| slot.to_string()),
            seconds(self.idle_seconds),
            word.to_owned(),
        ]
    }
}

/// The flow of one client to the services of one balancer.
#[derive(Clone, Debug, Serialize)]
pub struct Lookups {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// A flow that was silent for so many seconds is not live.
    pub idle_seconds: u64,
    /// Ages of entries count modulo this many seconds.
    pub wrap_seconds: u64,
    /// One for each address of a service that the client can turn to.
    pub lookups: Vec<Lookup>,
}

/// One flow.
#[derive(Clone, Debug, Serialize)]
pub struct Lookup {
    /// Where it comes from: `ADDR:PORT`.
    pub client: String,
    /// The address of the service that it goes to.
    pub address: String,
    /// Its service's name.
    pub service: String,
    /// The number of its bucket.
    pub bucket: usize,
    /// 40 bits of its hash, as hexadecimal digits.
    pub tag: String,
    /// Its slot among those of its service.
    pub slot: u32,
    /// Whether all flows of the slot go to its owner.
    pub is_settled: bool,
    /// Who gets new flows of the slot; none if nobody is in rotation.
    pub owner: Option<IpAddr>,
    /// Who has those that were established before, while it is unsettled.
    pub former_owner: Option<IpAddr>,
    /// The backend that its entry names; none without an entry.
    pub entry_backend: Option<IpAddr>,
    /// Seconds since the last packet that left a trace in its entry.
    pub entry_idle_seconds: Option<u64>,
    /// Where the next packet goes that opens no connection.
    pub goes_to: Option<IpAddr>,
    /// Why: `slot`, `entry`, `former owner`, `owner`.
    pub reason: &'static str,
    /// A new connection goes to a backend at random (policy `random`), not to the
    /// owner.
    pub is_random: bool,
}

impl Part for Lookups {
    fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.lookups.is_empty() {
            return writeln!(out, "no service that this client can turn to");
        }
        self.lookups.iter().try_for_each(|lookup| lookup.write(out))
    }

    fn compare(&mut self, _: &Self, _: u64) {}
}

impl Lookup {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = |backend: Option<IpAddr>| {
            backend.map_or_else(|| "nobody".to_owned(), |backend| backend.to_string())
        };
        writeln!(
            out,
            "{} to {}: goes to {} ({})",
            self.client,
            self.address,
            name(self.goes_to),
            self.reason
        )?;
        let slot = match (self.is_settled, self.former_owner) {
            (true, _) => format!("settled, owner {}", name(self.owner)),
            (false, Some(former)) => format!(
                "unsettled, owner {}, former owner {former}",
                name(self.owner)
            ),
            (false, None) => format!("unsettled, owner {}, no former owner", name(self.owner)),
        };
        writeln!(out, "  slot {}: {slot}", self.slot)?;
        let entry = match self.entry_idle_seconds {
            None => "no entry".to_owned(),
            Some(idle) => format!(
                "entry of {}, last packet {} ago",
                name(self.entry_backend),
                seconds(idle)
            ),
        };
        writeln!(out, "  bucket {}, tag {}: {entry}", self.bucket, self.tag)?;
        if self.is_random {
            writeln!(out, "  a new connection goes to a backend at random")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(part: &impl Part) -> String {
        let mut out = Vec::new();
        part.write(&mut out).expect("a vector takes all");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn entries_are_lines_and_the_last_line_says_how_many_there_are() {
        let flow = Flow {
            service: Some("192.0.2.10:80/tcp".into()),
            backend: Some([10, 0, 0, 3].into()),
            bucket: 77,
            tag: "00000000ab".into(),
            slot: Some(12),
            is_traced: true,
            idle_seconds: 4,
            is_live: true,
        };
        let gone = Flow {
            service: None,
            backend: None,
            slot: None,
            is_live: false,
            ..flow.clone()
        };
        let flows = Flows {
            interfaces: vec![],
            idle_seconds: 300,
            wrap_seconds: 655,
            capacity: 131_072,
            in_table: 40,
            matched: 5,
            flows: vec![flow, gone],
        };
        let expected = "\
SERVICE            BACKEND   BUCKET  TAG         SLOT  IDLE
192.0.2.10:80/tcp  10.0.0.3      77  00000000ab    12    4s  live
-                  -             77  00000000ab     -    4s  idle
2 of 5 that match, of 40 in the table, which holds 131072
";
        assert_eq!(text(&flows), expected);
    }

    #[test]
    fn a_flow_without_an_entry_has_a_slot_and_an_owner() {
        let lookup = Lookup {
            client: "198.51.100.7:40312".into(),
            address: "192.0.2.10:80/tcp".into(),
            service: "192.0.2.10:80/tcp".into(),
            bucket: 77,
            tag: "00000000ab".into(),
            slot: 12,
            is_settled: false,
            owner: Some([10, 0, 0, 4].into()),
            former_owner: Some([10, 0, 0, 3].into()),
            entry_backend: None,
            entry_idle_seconds: None,
            goes_to: Some([10, 0, 0, 3].into()),
            reason: "former owner",
            is_random: false,
        };
        let lookups = Lookups {
            interfaces: vec![],
            idle_seconds: 300,
            wrap_seconds: 655,
            lookups: vec![lookup],
        };
        let expected = "\
198.51.100.7:40312 to 192.0.2.10:80/tcp: goes to 10.0.0.3 (former owner)
  slot 12: unsettled, owner 10.0.0.4, former owner 10.0.0.3
  bucket 77, tag 00000000ab: no entry
";
        assert_eq!(text(&lookups), expected);
    }
}
