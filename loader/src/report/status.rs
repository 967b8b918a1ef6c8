//! What is loaded.

use super::decap::DecapStatus;
use super::process::RunStatus;
use super::stored::ConfigStatus;
use serde::Serialize;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;

/// The report of `dsrload status`.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Balancers of this network namespace.
    pub balancers: Vec<BalancerStatus>,
    /// Interfaces where tunnels end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decaps: Vec<DecapStatus>,
}

/// One set of tables, and the interfaces that share it.
#[derive(Clone, Debug, Serialize)]
pub struct BalancerStatus {
    /// What its program is attached to.
    pub interfaces: Vec<InterfaceStatus>,
    /// Its config; none if that is of another version of dsrload.
    pub config: Option<ConfigStatus>,
    /// The `dsrload run` that looks after it; none if there is none.
    pub run: Option<RunStatus>,
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
    /// Its MTU, as the program knows it.
    pub mtu: u32,
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
    /// All its addresses.
    pub addresses: Vec<String>,
    /// The virtual address of the first.
    pub vip: Option<IpAddr>,
    /// Its port; 0 for any.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// How it treats its flows.
    #[serde(flatten)]
    pub manner: MannerStatus,
    /// Number of its slots.
    pub slots: u32,
    /// How many of them are unsettled.
    pub unsettled: usize,
    /// A VIP is this host's own address, too: what no service takes is left to
    /// the host.
    pub vip_is_local: bool,
    /// Who answers.
    pub backends: Vec<BackendStatus>,
}

/// How a service treats its flows, in the words of the command line.
#[derive(Clone, Debug, Serialize)]
pub struct MannerStatus {
    /// Who gets new connections.
    pub policy: &'static str,
    /// Which flows are remembered.
    pub tracking: &'static str,
    /// What flows have in common.
    pub affinity: String,
    /// What becomes of the connections of a backend that is down.
    pub on_dead: &'static str,
    /// Clients that are served.
    pub allow: Vec<String>,
    /// Clients that are not.
    pub deny: Vec<String>,
}

/// A backend of one service.
#[derive(Clone, Debug, Serialize)]
pub struct BackendStatus {
    /// Its own address.
    pub address: IpAddr,
    /// How packets get to it: `l2`, `ipip`, `gue`, `gue:PORT`.
    pub forward: String,
    /// It is the balancer's host itself.
    pub is_this_host: bool,
    /// The source of outer packets; none without a tunnel.
    pub source: Option<IpAddr>,
    /// The longest packet that fits into the tunnel.
    pub mtu: Option<u16>,
    /// The MAC that frames to it are addressed to: its own, or, with a tunnel,
    /// that of the next hop; none for this host.
    pub mac: Option<String>,
    /// The interface that they leave through; none if that is not loaded any
    /// more.
    pub interface: Option<String>,
    /// Its share of new flows.
    pub weight: u16,
    /// What it does: `ready`, `drain`, `maint` or `down`.
    pub state: &'static str,
    /// What the operator says of it, in the same words.
    pub wanted: &'static str,
    /// Why it is in that state; none if nobody knows, or nothing is to be said.
    pub reason: Option<String>,
    /// Slots whose new flows it gets.
    pub slots: usize,
}

impl Status {
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
            balancer.write(out)?;
        }
        self.decaps.iter().try_for_each(|decap| decap.write(out))
    }
}

impl BalancerStatus {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for i in &self.interfaces {
            writeln!(
                out,
                "{}: {}, program {} ({}, tag {}), mac {}, mtu {}{}",
                i.interface,
                i.mode,
                i.program.id,
                i.program.name,
                i.program.tag,
                i.mac,
                i.mtu,
                if i.trace { ", trace pipe on" } else { "" }
            )?;
            if let Some(pins) = &i.pins {
                writeln!(out, "  pinned in {}", pins.display())?;
            }
        }
        writeln!(
            out,
            "flows: {} of {}; tables: {} MiB",
            self.flows,
            self.flow_capacity,
            mebibytes(self.memory_bytes)
        )?;
        if let Some(config) = &self.config {
            config.write(out)?;
        }
        if let Some(run) = &self.run {
            run.write(out)?;
        }
        self.services
            .iter()
            .try_for_each(|service| service.write(out))
    }
}

impl ServiceStatus {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let manner = &self.manner;
        writeln!(
            out,
            "{} {}, tracking {}, affinity {}, on dead {}, {} slots, {} unsettled{}",
            self.addresses.join(", "),
            manner.policy,
            manner.tracking,
            manner.affinity,
            manner.on_dead,
            self.slots,
            self.unsettled,
            if self.vip_is_local {
                ", VIP is this host's address, too"
            } else {
                ""
            }
        )?;
        for (word, prefixes) in [("allow", &manner.allow), ("deny", &manner.deny)] {
            if !prefixes.is_empty() {
                writeln!(out, "  {word} {}", prefixes.join(", "))?;
            }
        }
        for backend in &self.backends {
            writeln!(
                out,
                "  {} {}{}, weight {}, {} slots, {}{}",
                backend.address,
                backend.state,
                backend.why(),
                backend.weight,
                backend.slots,
                backend.tunnel(),
                backend.way()
            )?;
        }
        Ok(())
    }
}

impl BackendStatus {
    /// How packets to it are wrapped up; nothing if they are not.
    fn tunnel(&self) -> String {
        match (self.source, self.mtu) {
            (Some(source), Some(mtu)) => {
                format!("{} from {source}, mtu {mtu}, next hop ", self.forward)
            }
            _ => String::new(),
        }
    }

    /// Why it is not as the operator says, or else.
    fn why(&self) -> String {
        match &self.reason {
            Some(reason) => format!(" ({reason})"),
            None if self.state != self.wanted => " (its checks fail)".to_owned(),
            None => String::new(),
        }
    }

    /// How frames get to it.
    fn way(&self) -> String {
        match &self.mac {
            Some(mac) => {
                let interface = self.interface.as_deref();
                format!(
                    "mac {mac} via {}",
                    interface.unwrap_or("no loaded interface")
                )
            }
            None => "this host".to_owned(),
        }
    }
}

/// Mebibytes with one digit behind the point.
fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
