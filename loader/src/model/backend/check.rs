//! What is wrong with a backend's host, why that hurts, and what mends it.

use super::setting::{ANNOUNCE, IGNORE};
use super::{Address, Facts, LOOPBACK, Rule, Setting, Step, Wanted, removal, trouble, tunnel};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// What a look at the host has shown besides its [`Facts`].
#[derive(Clone, Debug)]
pub struct Sight {
    /// UDP sockets that are not connected.
    pub udp: Vec<(IpAddr, u16)>,
    /// Ports that the kernel gives to clients.
    pub ephemeral: RangeInclusive<u16>,
    /// TCP segments that were dropped for a wrong checksum.
    pub checksum_errors: u64,
    /// The interface that packets come out of tunnels on.
    pub tunnel: Option<tunnel::Sight>,
}

/// Something that is wrong, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// It may be right.
    pub is_warning: bool,
    /// The VIP that it is about; none if it is about the host.
    pub vip: Option<IpAddr>,
    /// What, why, and what to do.
    pub text: String,
}

impl Finding {
    /// A fault of the host, and the command that mends it.
    pub(super) fn fault(text: impl fmt::Display, fix: impl fmt::Display) -> Self {
        Self {
            is_warning: false,
            vip: None,
            text: format!("{text}; fix: {fix}"),
        }
    }

    /// What may be a fault.
    pub(super) fn warning(text: impl fmt::Display) -> Self {
        Self {
            is_warning: true,
            vip: None,
            text: text.to_string(),
        }
    }

    fn about(mut self, vip: IpAddr) -> Self {
        self.vip = Some(vip);
        self
    }

    /// Whether it keeps this VIP from being all right.
    #[must_use]
    pub fn spoils(&self, vip: IpAddr) -> bool {
        !self.is_warning && self.vip.is_none_or(|about| about == vip)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_warning { "warning: " } else { "" };
        write!(f, "{mark}{}", self.text)
    }
}

/// What is wrong.
#[must_use]
pub fn check(facts: &Facts, sight: &Sight, wanted: &Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !facts.loopback_is_up() {
        findings.push(Finding::fault(
            "lo: is down, so the VIPs on it are not this host's, and it drops packets for them",
            Step::Up.command(),
        ));
    }
    for &vip in &wanted.vips {
        findings.extend(place(facts, vip));
    }
    if wanted.has_v4() {
        findings.extend(arp(facts));
    }
    if let Some(seen) = &sight.tunnel {
        findings.extend(tunnel::check(facts, seen, wanted));
    }
    for &vip in &wanted.vips {
        findings.extend(unbound(sight, vip));
    }
    if sight.checksum_errors > 0 {
        findings.push(Finding::warning(format_args!(
            "{} TCP segments had a wrong checksum since this host started (TcpInCsumErrors): does the balancer's port on a software switch leave checksums to hardware? There: ethtool -K PORT tx off",
            sight.checksum_errors
        )));
    }
    findings
}

/// Where a VIP stands.
fn place(facts: &Facts, vip: IpAddr) -> Vec<Finding> {
    let wanted = Address::alone(vip);
    let add = Step::Add(wanted).command();
    let misplaced = facts
        .holders(vip)
        .filter(|held| held.interface != LOOPBACK || held.own != wanted);
    let mut findings: Vec<Finding> = misplaced
        .map(|held| {
            let fix = if facts.loopback_has(wanted) {
                removal(held)
            } else {
                format!("{} && {add}", removal(held))
            };
            Finding::fault(format_args!("{vip}: {}", trouble(held)), fix)
        })
        .collect();
    if facts.holders(vip).next().is_none() {
        findings.push(Finding::fault(missing(facts, vip), add));
    }
    findings.into_iter().map(|f| f.about(vip)).collect()
}

fn missing(facts: &Facts, vip: IpAddr) -> String {
    let forwarding = Setting::forwarding(vip.is_ipv4());
    match facts.value(&forwarding) {
        0 => format!("{vip}: is on no interface, so this host drops packets for it"),
        value => format!(
            "{vip}: is on no interface, and {forwarding} is {value}: this host sends packets for it back to the router or the balancer, and they loop"
        ),
    }
}

/// Interfaces that tell the segment of the VIPs.
fn arp(facts: &Facts) -> Vec<Finding> {
    let talk: [(Rule, &str); 2] = [
        (
            IGNORE,
            "answers ARP for addresses on lo, so clients and routers find this host instead of the balancer",
        ),
        (
            ANNOUNCE,
            "may ask by ARP in the name of an address on lo, which teaches its neighbours to find that here instead of at the balancer",
        ),
    ];
    let mut findings = Vec::new();
    for (rule, harm) in talk {
        let mut by_fix: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let asked = facts.interfaces.iter();
        for interface in asked.filter(|i| i.is_up && i.is_ethernet) {
            if !rule.holds(facts, &interface.name) {
                let value = rule.effective(facts, &interface.name);
                by_fix
                    .entry(fix(facts, &rule, &interface.name))
                    .or_default()
                    .push(format!("{} ({} is {value})", interface.name, rule.name));
            }
        }
        for (fix, interfaces) in by_fix {
            let names = interfaces.join(", ");
            findings.push(Finding::fault(format_args!("{names}: {harm}"), fix));
        }
    }
    findings
}

/// The command that makes a rule hold on an interface.
fn fix(facts: &Facts, rule: &Rule, interface: &str) -> String {
    let counts = [
        Setting::of_all(rule.name),
        Setting::of(interface, rule.name),
    ];
    let steps = rule.everywhere(facts).into_iter();
    let commands: Vec<String> = steps
        .filter(|step| matches!(step, Step::Set { setting, .. } if counts.contains(setting)))
        .map(|step| step.command())
        .collect();
    commands.join(" && ")
}

/// UDP servers that answer from another address than the VIP, as it seems.
fn unbound(sight: &Sight, vip: IpAddr) -> Option<Finding> {
    let ports = |of: &dyn Fn(IpAddr) -> bool| -> BTreeSet<u16> {
        let sockets = sight.udp.iter().filter(|(address, _)| of(*address));
        sockets.map(|&(_, port)| port).collect()
    };
    let any = |address| match address {
        // Without further ado, a socket bound to `::` takes IPv4 as well.
        IpAddr::V6(address) => address == Ipv6Addr::UNSPECIFIED,
        IpAddr::V4(address) => vip.is_ipv4() && address == Ipv4Addr::UNSPECIFIED,
    };
    let ports = &ports(&any) - &ports(&|address| address == vip);
    let ports: Vec<String> = ports
        .into_iter()
        .filter(|port| !sight.ephemeral.contains(port))
        .map(|port| port.to_string())
        .collect();
    if ports.is_empty() {
        return None;
    }
    let warning = Finding::warning(format_args!(
        "{vip}: a UDP server takes packets for all addresses on port {}, and none is bound to the VIP: unless it sees to that itself, it answers from another address, and clients do not take that; bind it to {vip}",
        ports.join(", ")
    ));
    Some(warning.about(vip))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
