//! What is loaded.

use serde::Serialize;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The report of `dsrload status`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Balancers of this network namespace.
    pub balancers: Vec<BalancerStatus>,
}

/// One set of tables, and the interfaces that share it.
#[derive(Clone, Debug, Serialize)]
pub struct BalancerStatus {
    /// What its program is attached to.
    pub interfaces: Vec<InterfaceStatus>,
    /// Its services, by address.
    pub services: Vec<ServiceStatus>,
    /// Flows in the flow table.
    pub flows: usize,
    /// Flows that the table can hold.
    pub flow_capacity: usize,
    /// Memory of all tables.
    pub memory_bytes: u64,
}

/// An interface that a program of ours is attached to.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub interface: String,
    /// Its index.
    pub index: u32,
    /// `skb`, `drv` or `hw`.
    pub mode: &'static str,
    /// Its MAC.
    pub mac: String,
    /// The program.
    pub program: ProgramStatus,
    /// Whether packets are shown in the trace pipe.
    pub trace: bool,
    /// Where it is pinned.
    pub pins: Option<PathBuf>,
}

/// A program in the kernel.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramStatus {
    /// Its id, as `bpftool prog` shows it.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The kernel's hash of its instructions.
    pub tag: String,
    /// The version of its tables.
    pub abi: u32,
    /// Its maps' ids.
    pub map_ids: Vec<u32>,
}

/// A service.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceStatus {
    /// Its virtual address.
    pub vip: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// How new connections are spread.
    pub policy: &'static str,
    /// Number of its slots.
    pub slots: u32,
    /// The VIP is this host's own address, too: what no service takes is left
    /// to the host.
    pub vip_is_local: bool,
    /// Who answers.
    pub backends: Vec<BackendStatus>,
}

/// A backend of one service.
#[derive(Clone, Debug, Serialize)]
pub struct BackendStatus {
    /// Its own address.
    pub address: Ipv4Addr,
    /// The MAC that frames to it are addressed to.
    pub mac: String,
    /// The interface that they leave through; none if that is not loaded any
    /// more.
    pub interface: Option<String>,
}

impl Status {
    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.balancers.is_empty() {
            return writeln!(out, "not loaded");
        }
        for (i, balancer) in self.balancers.iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            balancer.write(out)?;
        }
        Ok(())
    }
}

impl BalancerStatus {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for i in &self.interfaces {
            writeln!(
                out,
                "{}: {}, program {} ({}, tag {}), mac {}{}",
                i.interface,
                i.mode,
                i.program.id,
                i.program.name,
                i.program.tag,
                i.mac,
                if i.trace { ", trace pipe on" } else { "" }
            )?;
            if let Some(pins) = &i.pins {
                writeln!(out, "  pinned in {}", pins.display())?;
            }
        }
        writeln!(
            out,
            "flows: {} of {}; tables: {:.1} MiB",
            self.flows,
            self.flow_capacity,
            mebibytes(self.memory_bytes)
        )?;
        for service in &self.services {
            writeln!(
                out,
                "{}:{}/{} {}, {} slots{}",
                service.vip,
                service.port,
                service.protocol,
                service.policy,
                service.slots,
                if service.vip_is_local {
                    ", VIP is this host's address, too"
                } else {
                    ""
                }
            )?;
            for backend in &service.backends {
                writeln!(
                    out,
                    "  {} mac {} via {}",
                    backend.address,
                    backend.mac,
                    backend
                        .interface
                        .as_deref()
                        .unwrap_or("no loaded interface")
                )?;
            }
        }
        Ok(())
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a rounded figure for people, far below 2^52"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status {
            balancers: vec![BalancerStatus {
                interfaces: vec![InterfaceStatus {
                    interface: "eth0".into(),
                    index: 2,
                    mode: "skb",
                    mac: "02:00:00:00:00:01".into(),
                    program: ProgramStatus {
                        id: 412,
                        name: "dsrload".into(),
                        tag: "0123456789abcdef".into(),
                        abi: 1,
                        map_ids: vec![1, 2],
                    },
                    trace: false,
                    pins: Some("/sys/fs/bpf/dsrload/4026531840/eth0".into()),
                }],
                services: vec![ServiceStatus {
                    vip: Ipv4Addr::new(192, 168, 25, 10),
                    port: 80,
                    protocol: "tcp",
                    policy: "random",
                    slots: 16384,
                    vip_is_local: false,
                    backends: vec![BackendStatus {
                        address: Ipv4Addr::new(172, 17, 0, 3),
                        mac: "02:42:ac:11:00:03".into(),
                        interface: Some("eth0".into()),
                    }],
                }],
                flows: 17,
                flow_capacity: 131_072,
                memory_bytes: 6 << 20,
            }],
        }
    }

    #[test]
    fn the_report_for_people_names_everything_on_a_line_of_its_own() {
        let mut out = Vec::new();
        status().write(&mut out).expect("a vector takes all");
        let expected = "\
eth0: skb, program 412 (dsrload, tag 0123456789abcdef), mac 02:00:00:00:00:01
  pinned in /sys/fs/bpf/dsrload/4026531840/eth0
flows: 17 of 131072; tables: 6.0 MiB
192.168.25.10:80/tcp random, 16384 slots
  172.17.0.3 mac 02:42:ac:11:00:03 via eth0
";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn nothing_loaded_is_said_in_words_and_an_empty_list() {
        let nothing = Status { balancers: vec![] };
        let mut out = Vec::new();
        nothing.write(&mut out).expect("a vector takes all");
        assert_eq!(out, b"not loaded\n");
        let json = serde_json::to_string(&nothing).expect("JSON");
        assert_eq!(json, r#"{"balancers":[]}"#);
    }
}
