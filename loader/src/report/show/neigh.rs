//! `dsrload show neigh`

use super::{Part, table};
use crate::report::table::Align;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;

/// The next hops of one balancer.
#[derive(Clone, Debug, Serialize)]
pub struct Neighbours {
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// Each once, in the order of the backends.
    pub neighbours: Vec<Neighbour>,
}

/// Whom frames to backends are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// Its address: the backend's, or a router's; none where the kernel's routes
    /// lead nowhere.
    pub address: Option<IpAddr>,
    /// The interface, as the kernel's routes say.
    pub interface: Option<String>,
    /// The MAC in the tables.
    pub mac: String,
    /// The interface in the tables; none if that is not loaded any more.
    pub loaded_interface: Option<String>,
    /// The operator gave the MAC: it does not follow the neighbour table.
    pub is_given: bool,
    /// The MAC that the kernel knows, while it holds it for valid.
    pub kernel_mac: Option<String>,
    /// What the kernel thinks of it, as `ip neigh` tells; none if it has no entry.
    pub kernel_state: Option<&'static str>,
    /// The kernel keeps it resolved without traffic.
    pub is_managed: bool,
    /// Whether MAC and interface are the same in the tables and in the kernel;
    /// none where the kernel knows no MAC.
    pub agrees: Option<bool>,
    /// Why there is no way, if there is none.
    pub fault: Option<String>,
    /// The backends that are reached through it: `SERVICE/BACKEND`.
    pub backends: Vec<String>,
}

impl Part for Neighbours {
    fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows: Vec<[String; 7]> = self.neighbours.iter().map(Neighbour::row).collect();
        let head = [
            ("NEXT HOP", Align::Left),
            ("INTERFACE", Align::Left),
            ("MAC", Align::Left),
            ("KERNEL'S MAC", Align::Left),
            ("STATE", Align::Left),
            ("AGREES", Align::Left),
            ("BACKENDS", Align::Right),
        ];
        table::write(out, head, &rows)?;
        for neighbour in &self.neighbours {
            if let Some(fault) = &neighbour.fault {
                writeln!(out, "{fault}")?;
            }
        }
        if self.neighbours.iter().any(Neighbour::is_out_of_date) {
            writeln!(
                out,
                "no: `dsrload refresh` writes what the kernel knows into the tables"
            )?;
        }
        Ok(())
    }

    fn compare(&mut self, _: &Self, _: u64) {}
}

impl Neighbour {
    fn is_out_of_date(&self) -> bool {
        self.agrees == Some(false) && !self.is_given
    }

    fn row(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        let mut state = self.kernel_state.unwrap_or("-").to_owned();
        if self.is_managed {
            state.push_str(", managed");
        }
        let agrees = match self.agrees {
            _ if self.is_given => "given",
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        let interface = self.interface.as_ref().or(self.loaded_interface.as_ref());
        [
            self.address.map_or_else(dash, |a| a.to_string()),
            interface.cloned().unwrap_or_else(dash),
            self.mac.clone(),
            self.kernel_mac.clone().unwrap_or_else(dash),
            state,
            agrees.to_owned(),
            self.backends.len().to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour() -> Neighbour {
        Neighbour {
            address: Some([10, 0, 0, 3].into()),
            interface: Some("eth0".into()),
            mac: "02:00:00:00:00:07".into(),
            loaded_interface: Some("eth0".into()),
            is_given: false,
            kernel_mac: Some("02:00:00:00:00:08".into()),
            kernel_state: Some("reachable"),
            is_managed: true,
            agrees: Some(false),
            fault: None,
            backends: vec!["192.0.2.10:80/tcp/10.0.0.3".into()],
        }
    }

    #[test]
    fn what_does_not_agree_is_told_with_the_way_out() {
        let lost = Neighbour {
            address: None,
            interface: None,
            kernel_mac: None,
            kernel_state: None,
            is_managed: false,
            agrees: None,
            fault: Some("backend 10.0.1.7 has no route from here".into()),
            ..neighbour()
        };
        let report = Neighbours {
            interfaces: vec!["eth0".into()],
            neighbours: vec![neighbour(), lost],
        };
        let mut out = Vec::new();
        report.write(&mut out).expect("a vector takes all");
        let expected = "\
NEXT HOP  INTERFACE  MAC                KERNEL'S MAC       STATE               AGREES   BACKENDS
10.0.0.3  eth0       02:00:00:00:00:07  02:00:00:00:00:08  reachable, managed  no              1
-         eth0       02:00:00:00:00:07  -                  -                   unknown         1
backend 10.0.1.7 has no route from here
no: `dsrload refresh` writes what the kernel knows into the tables
";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
