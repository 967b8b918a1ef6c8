//! What a backend's host must be like, so that it serves a VIP and is silent
//! about it: facts in, steps or findings out. [`plan`] says what is to be done,
//! [`undo`](memory::undo) what takes it back, [`check`](check::check) what is
//! wrong.
//!
//! The host must own the VIP, or it drops the balancer's packets; and must not
//! tell the segment so, or clients and routers find the host instead of the
//! balancer.

pub mod check;
pub mod memory;
pub mod setting;
pub mod sockets;
pub mod step;
pub mod tunnel;

use serde::{Deserialize, Serialize};
pub use setting::{Rule, Setting};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
pub use step::Step;

/// Where a VIP belongs.
pub const LOOPBACK: &str = "lo";

/// An address and its prefix length, as `ip addr` writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that name its subnet.
    pub prefix_len: u8,
}

impl Address {
    /// This address and no other: a /32 or /128.
    #[must_use]
    pub fn alone(address: IpAddr) -> Self {
        Self {
            address,
            prefix_len: if address.is_ipv4() { 32 } else { 128 },
        }
    }

    /// What the kernel gives `lo` itself.
    const fn loopback() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            prefix_len: 8,
        }
    }

    /// Whether the prefix names this address and no other.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        *self == Self::alone(self.address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

/// An address that an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub own: Address,
    /// The interface.
    pub interface: String,
}

/// An interface of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Switched on.
    pub is_up: bool,
    /// It has neighbours that may ask it.
    pub is_ethernet: bool,
}

/// What a host is like.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Their addresses.
    pub addresses: Vec<Held>,
    /// Its kernel settings, as far as they are asked for here.
    pub settings: BTreeMap<Setting, u32>,
}

/// What it is to be like.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The VIPs that it is to hold.
    pub vips: Vec<IpAddr>,
    /// The interface that packets come out of tunnels on.
    pub tunnel: Option<String>,
}

impl Wanted {
    /// Whether ARP matters: IPv6 answers only for addresses of the interface
    /// that was asked.
    fn has_v4(&self) -> bool {
        self.vips.iter().any(IpAddr::is_ipv4)
    }
}

impl Facts {
    /// Whether `lo` holds this.
    fn loopback_has(&self, own: Address) -> bool {
        self.holders(own.address)
            .any(|held| held.interface == LOOPBACK && held.own == own)
    }

    /// Who holds this address.
    fn holders(&self, address: IpAddr) -> impl Iterator<Item = &Held> {
        self.addresses
            .iter()
            .filter(move |held| held.own.address == address)
    }

    /// Whether `lo` is on.
    fn loopback_is_up(&self) -> bool {
        self.interfaces
            .iter()
            .any(|interface| interface.name == LOOPBACK && interface.is_up)
    }

    /// A setting's value; 0 where there is none.
    fn value(&self, setting: &Setting) -> u32 {
        self.settings.get(setting).copied().unwrap_or(0)
    }
}

/// Why these VIPs cannot be set up: a sentence for each, with what to do.
#[must_use]
pub fn refusals(facts: &Facts, wanted: &Wanted) -> Vec<String> {
    let misplaced = |&vip| {
        facts
            .holders(vip)
            .find(|held| held.interface != LOOPBACK || !held.own.is_alone())
    };
    let held = wanted.vips.iter().filter_map(misplaced);
    held.map(|held| {
        format!(
            "{} {}: `{}` first",
            held.own.address,
            trouble(held),
            removal(held)
        )
    })
    .collect()
}

/// What is wrong with an address that stands there.
fn trouble(held: &Held) -> String {
    let Held { own, interface } = held;
    let asked = if own.address.is_ipv4() {
        "ARP"
    } else {
        "neighbour discovery"
    };
    if interface == LOOPBACK {
        format!(
            "is on lo as a /{}, which makes its whole subnet local: this host would answer {asked} for all of it, and could not answer clients in it",
            own.prefix_len
        )
    } else {
        format!(
            "is on {interface}, not on lo: an interface answers {asked} for its own addresses, so clients would find this host instead of the balancer"
        )
    }
}

/// The command that takes an address off its interface.
fn removal(held: &Held) -> String {
    format!("ip addr del {} dev {}", held.own, held.interface)
}

/// What is to be done, in this order: first the host falls silent, then it gets
/// the VIPs. Nothing where all is well.
#[must_use]
pub fn plan(facts: &Facts, wanted: &Wanted) -> Vec<Step> {
    let mut steps = settings(facts, wanted);
    if !wanted.vips.is_empty() && !facts.loopback_is_up() {
        // The kernel adds this when `lo` comes up and leaves it when it goes
        // down: added by ourselves, it goes when the rest does.
        if !facts.loopback_has(Address::loopback()) {
            steps.push(Step::Add(Address::loopback()));
        }
        steps.push(Step::Up);
    }
    let missing = wanted.vips.iter().map(|&vip| Address::alone(vip));
    steps.extend(
        missing
            .filter(|&own| !facts.loopback_has(own))
            .map(Step::Add),
    );
    steps
}

/// The settings that must change.
fn settings(facts: &Facts, wanted: &Wanted) -> Vec<Step> {
    let mut steps = Vec::new();
    let rules: &[Rule] = if wanted.has_v4() { &setting::ARP } else { &[] };
    for rule in rules {
        steps.extend(rule.everywhere(facts));
    }
    if let Some(tunnel) = &wanted.tunnel {
        steps.extend(setting::RP_FILTER.on(facts, tunnel));
    }
    steps
}

#[cfg(test)]
#[path = "backend/tests.rs"]
mod tests;
