//! A document for what was said without one: on the command line, or by tables
//! that hold none.

use super::convert::{Balancer, Options};
use super::document::{At, BackendTable, BalancerTable, Document, Mode, ServicePort, ServiceTable};
use super::plan::former;
use super::values::Values;
use crate::model::{Affinity, Backend, Config, Forward, OnDead, Policy, Service, Tracking};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Longest name of a service or backend.
const NAME_MAX: usize = 63;

/// The document that says this. Services and backends that `known` has keep their
/// names, the others are named after their addresses.
#[must_use]
pub fn document(config: &Config, options: &Options, known: &Document) -> Document {
    let known = Balancer::new(known);
    let former = former(&known.config, config);
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let kept = former.iter().flatten();
    taken.extend(kept.map(|&index| known.names[index].name.clone()));
    let mut services: Vec<ServiceTable> = config
        .services
        .iter()
        .zip(former)
        .map(|(service, former)| match former {
            Some(index) => {
                let names = &known.names[index];
                let known = known.config.services[index].backends.iter();
                let backends = known.zip(&names.backends);
                let backends = backends.map(|(b, name)| (b.address, name.as_str()));
                table(service, names.name.clone(), &backends.collect())
            }
            None => {
                let name = free_name(&service.name(), &mut taken);
                table(service, name, &BTreeMap::new())
            }
        })
        .collect();
    services.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    Document {
        balancer: balancer(options),
        run: Values::default(),
        services,
    }
}

/// A value that stands nowhere.
pub fn at<T>(value: T) -> At<T> {
    At::new(value, 0..0)
}

fn unless<T: PartialEq>(value: T, default: &T) -> Option<At<T>> {
    (value != *default).then(|| at(value))
}

fn balancer(options: &Options) -> BalancerTable {
    BalancerTable {
        seed: options.seed.clone().map(at),
        flows: options.flows.map(at),
        slots: options.slots.map(at),
        mode: unless(options.mode, &Mode::default()),
        echo: unless(options.is_answering_echo, &true),
    }
}

/// A service called so, with backends that keep the names that they have.
fn table(service: &Service, name: String, names: &BTreeMap<IpAddr, &str>) -> ServiceTable {
    let kept = service.backends.iter();
    let kept = kept.filter_map(|backend| names.get(&backend.address));
    let mut taken: BTreeSet<String> = kept.map(|&name| name.to_owned()).collect();
    let mut backends: Vec<BackendTable> = service
        .backends
        .iter()
        .map(|backend| {
            let name = match names.get(&backend.address) {
                Some(&name) => name.to_owned(),
                None => free_name(&backend.address.to_string(), &mut taken),
            };
            entry(backend, service.forward, name)
        })
        .collect();
    backends.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    let manner = &service.manner;
    let tracking = match manner.policy {
        Policy::Maglev => Tracking::default(),
        Policy::Random => Tracking::All,
    };
    let list = |prefixes: &[_]| prefixes.iter().copied().map(at).collect();
    let mut table = ServiceTable {
        name: at(name),
        is_partial: false,
        vip: Vec::new(),
        ports: Vec::new(),
        also: Vec::new(),
        policy: unless(manner.policy, &Policy::default()),
        tracking: unless(manner.tracking, &tracking),
        affinity: unless(manner.affinity, &Affinity::default()),
        on_dead: unless(manner.on_dead, &OnDead::default()),
        forward: unless(service.forward, &Forward::default()),
        source: service.sources.iter().copied().map(at).collect(),
        allow: list(&manner.allow),
        deny: list(&manner.deny),
        check: None,
        quorum: None,
        sorry: None,
        announce: None,
        backends,
    };
    address(&mut table, service);
    table
}

/// One backend, with what differs from its service's way and from defaults.
#[must_use]
pub fn entry(backend: &Backend, forward: Forward, name: String) -> BackendTable {
    BackendTable {
        name: at(name),
        ip: at(backend.address),
        weight: unless(backend.weight, &1),
        forward: backend.forward.and_then(|own| unless(own, &forward)),
        mac: backend.mac.map(at),
        state: backend.state.map(at),
    }
}

/// Says a service's addresses: as VIPs with ports that each of them has, if they
/// are such; else the first one, and the others besides.
fn address(table: &mut ServiceTable, service: &Service) {
    let mut ports: BTreeMap<IpAddr, Vec<ServicePort>> = BTreeMap::new();
    let mut addresses = service.addresses.clone();
    addresses.sort();
    for address in &addresses {
        ports.entry(address.vip).or_default().push(ServicePort {
            number: address.port,
            protocol: address.protocol,
        });
    }
    let Some(first) = ports.values().next().cloned() else {
        return;
    };
    let common = ports.iter().filter(|(_, ports)| **ports == first);
    table.vip = common.map(|(&vip, _)| at(vip)).collect();
    table.ports = first.into_iter().map(at).collect();
    let said: BTreeSet<_> = table.addresses().map(|at| at.value).collect();
    let left = addresses.into_iter().filter(|a| !said.contains(a));
    table.also = left.map(at).collect();
}

/// A name made of an address, as names may be: with a number if another has it.
#[must_use]
pub fn free_name(address: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name = String::new();
    for c in address.chars().take(NAME_MAX - 4) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            '*' => name.push_str("any"),
            _ if name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    let mut numbers = (2u32..).map(|n| format!("{name}-{n}"));
    let mut candidate = name.clone();
    while taken.contains(&candidate) {
        candidate = numbers.next().unwrap_or_default();
    }
    taken.insert(candidate.clone());
    candidate
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
