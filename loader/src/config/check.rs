//! What of a document contradicts itself, or is more than there is room for.

mod care;

use super::document::{At, BackendTable, Document, ServicePort, ServiceTable, Span};
use super::finding::{Finding, Severity};
use super::position::Lines;
use crate::model::{Affinity, Forward, Policy, Tracking};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::net::IpAddr;
use xdp_prog::abi::limits;

/// Everything that can be said without a host.
#[must_use]
pub fn check(document: &Document, lines: &Lines<'_>) -> Vec<Finding> {
    let mut checker = Checker {
        lines,
        findings: Vec::new(),
    };
    for service in &document.services {
        checker.lists(service);
        // Where something could not be read, the rest may only seem wrong.
        if !service.is_partial {
            checker.manner(service);
            checker.backends(service);
            checker.sources(service);
            checker.care(service);
        }
    }
    checker.run(document);
    checker.overlaps(document);
    checker.limits(document);
    checker.findings
}

/// What a service's key is called.
#[must_use]
pub fn path(service: &ServiceTable, key: &str) -> String {
    format!("service.{}.{key}", service.name.value)
}

/// How packets get to one of a service's backends.
#[must_use]
pub fn forward(service: &ServiceTable, backend: &BackendTable) -> Forward {
    let said = backend.forward.as_ref().or(service.forward.as_ref());
    said.map_or_else(Forward::default, |at| at.value)
}

/// Where a value, as text, was seen first.
struct Seen(BTreeMap<String, usize>);

impl Seen {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Where it was seen before, if it was; else it is from now on.
    fn insert(&mut self, value: String, place: usize) -> Option<usize> {
        match self.0.entry(value) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                None
            }
        }
    }
}

struct Checker<'a> {
    lines: &'a Lines<'a>,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn error(&mut self, span: &Span, key: String, message: String, remedy: &str) {
        self.findings
            .push(Finding::error(span, key, message, remedy));
    }

    /// Values that a list has twice.
    fn lists(&mut self, service: &ServiceTable) {
        self.twice(&path(service, "vip"), &service.vip);
        self.twice(&path(service, "ports"), &service.ports);
        self.also(service);
        self.twice(&path(service, "allow"), &service.allow);
        self.twice(&path(service, "deny"), &service.deny);
        for port in &service.ports {
            let any = ServicePort {
                number: 0,
                ..port.value
            };
            if any != port.value && service.ports.iter().any(|other| other.value == any) {
                self.findings.push(Finding::warning(
                    &port.span,
                    path(service, "ports"),
                    format!("port {} is among {any} of the same service", port.value),
                    "remove one of the two",
                ));
            }
        }
    }

    /// Addresses besides that are among the others.
    fn also(&mut self, service: &ServiceTable) {
        let key = path(service, "also");
        self.twice(&key, &service.also);
        let common = service.vip.len() * service.ports.len();
        for at in &service.also {
            if let Some(first) = service
                .addresses()
                .take(common)
                .find(|other| other.value == at.value)
            {
                let line = self.lines.line(first.span.start);
                let message = format!("{} is among the ports of line {line}", at.value);
                self.error(&at.span, key.clone(), message, "remove one of the two");
            }
        }
    }

    fn twice<T: Display>(&mut self, key: &str, list: &[At<T>]) {
        let mut seen = Seen::new();
        for at in list {
            let value = at.value.to_string();
            if let Some(first) = seen.insert(value.clone(), at.span.start) {
                let line = self.lines.line(first);
                let message = format!("{value} is given twice, first in line {line}");
                self.error(&at.span, key.to_owned(), message, "remove one of the two");
            }
        }
    }

    fn manner(&mut self, service: &ServiceTable) {
        let is_random = |at: &&At<Policy>| at.value == Policy::Random;
        if service.policy.as_ref().filter(is_random).is_none() {
            return;
        }
        if let Some(tracking) = &service.tracking
            && tracking.value != Tracking::All
        {
            self.error(
                &tracking.span,
                path(service, "tracking"),
                "policy random takes tracking all, since no slot says where a connection went"
                    .to_owned(),
                "write tracking = \"all\", or leave it out",
            );
        }
        if let Some(affinity) = &service.affinity
            && affinity.value != Affinity::Flow
        {
            self.error(
                &affinity.span,
                path(service, "affinity"),
                "policy random and affinity by client exclude each other".to_owned(),
                "write policy = \"maglev\", or leave affinity out",
            );
        }
    }

    fn backends(&mut self, service: &ServiceTable) {
        let mut seen = Seen::new();
        for (index, backend) in service.backends.iter().enumerate() {
            let (ip, name) = (&backend.ip, &backend.name.value);
            let key = path(service, &format!("backends.{name}"));
            if let Some(vip) = service.vips().find(|vip| vip.value == ip.value) {
                let line = self.lines.line(vip.span.start);
                let message = format!("backend {name} is the VIP of line {line} itself");
                self.error(
                    &ip.span,
                    key.clone(),
                    message,
                    "write the server's own address",
                );
            }
            let is_l2 = forward(service, backend) == Forward::L2;
            let mut vips = service.vips();
            let other = vips.find(|vip| vip.value.is_ipv4() != ip.value.is_ipv4());
            if let Some(vip) = other.filter(|_| is_l2) {
                let message = format!(
                    "backend {name} is of another IP version than VIP {}, and l2 sends packets on as they are",
                    vip.value
                );
                let remedy =
                    "forward = \"ipip\" carries either version in either, or make two services";
                self.error(&ip.span, key.clone(), message, remedy);
            }
            if let Some(first) = seen.insert(ip.value.to_string(), index) {
                let message = format!(
                    "backends {} and {name} have the same address {}",
                    service.backends[first].name.value, ip.value
                );
                self.error(&ip.span, key, message, "remove one of the two");
            }
        }
        self.weights(service);
    }

    fn weights(&mut self, service: &ServiceTable) {
        let weights = service.backends.iter().map(|b| b.weight.as_ref());
        let is_zero = |weight: &Option<&At<u16>>| weight.is_some_and(|at| at.value == 0);
        if !service.backends.is_empty() && weights.clone().all(|weight| is_zero(&weight)) {
            let name = &service.name;
            self.findings.push(Finding::warning(
                &name.span,
                path(service, "backends"),
                format!(
                    "all backends of service {} have weight 0: no new connection is served",
                    name.value
                ),
                "give one of them a weight",
            ));
        }
    }

    fn sources(&mut self, service: &ServiceTable) {
        for (index, source) in service.source.iter().enumerate() {
            let (key, address) = (path(service, "source"), source.value);
            let mut before = service.source[..index].iter();
            let is_same = |at: &&At<IpAddr>| at.value.is_ipv4() == address.is_ipv4();
            if let Some(first) = before.find(is_same) {
                let first = first.value;
                let message = format!("sources {first} and {address} are of one IP version");
                self.error(
                    &source.span,
                    key.clone(),
                    message,
                    "keep one of each version",
                );
            }
            let is_used = service.backends.iter().any(|backend| {
                backend.ip.value.is_ipv4() == address.is_ipv4()
                    && forward(service, backend) != Forward::L2
            });
            if !is_used {
                let message = format!(
                    "source {address} is used by no tunnel: no backend of this IP version is reached by ipip or gue"
                );
                self.error(
                    &source.span,
                    key,
                    message,
                    "remove it, or write forward = \"ipip\"",
                );
            }
        }
    }

    /// Addresses that two services have.
    fn overlaps(&mut self, document: &Document) {
        let mut seen = Seen::new();
        // In the order of the file: the second of two is the one that is told of.
        let mut services: Vec<&ServiceTable> = document.services.iter().collect();
        services.sort_by_key(|service| service.name.span.start);
        for (index, service) in services.iter().enumerate() {
            for At {
                value: address,
                span,
            } in service.addresses()
            {
                let first = seen.insert(address.to_string(), index);
                // Of one service, it is said already.
                let Some(other) = first.filter(|&first| first != index) else {
                    continue;
                };
                let (other, name) = (services[other], &service.name.value);
                let message = format!(
                    "services {0} and {name} both have {address}, {0} in line {1}",
                    other.name.value,
                    self.lines.line(other.name.span.start)
                );
                let remedy = "take it from one of them, or put their backends together";
                self.error(&span, path(service, "ports"), message, remedy);
            }
        }
    }

    fn limits(&mut self, document: &Document) {
        let services = &document.services;
        let addresses = services.iter().map(|s| s.addresses().count()).sum();
        // Those that stand in take room like others.
        let backends = services
            .iter()
            .map(|s| s.backends.len() + usize::from(s.sorry.is_some()))
            .sum();
        let clients = services.iter().map(|s| s.allow.len() + s.deny.len()).sum();
        // Number 0 of the destinations names none.
        let limits: [(&str, usize, u32); 3] = [
            (
                "addresses (VIP, port, protocol)",
                addresses,
                limits::SERVICES,
            ),
            ("backends", backends, limits::DESTINATIONS - 1),
            ("prefixes of clients", clients, limits::SOURCES),
        ];
        for (what, count, limit) in limits {
            if count > limit as usize {
                self.findings.push(Finding::error(
                    &(0..0),
                    "service",
                    format!("{count} {what}: one balancer holds {limit}"),
                    "spread the services over several balancers",
                ));
            }
        }
    }
}

/// Those of them that are mistakes.
#[must_use]
pub fn errors(findings: &[Finding]) -> Vec<&Finding> {
    let findings = findings.iter();
    findings.filter(|f| f.severity == Severity::Error).collect()
}

/// Whether any of them is a mistake.
#[must_use]
pub fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity == Severity::Error)
}
