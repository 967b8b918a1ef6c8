//! Virtual services become a document that `dsrload check` takes.

mod backends;
mod care;

use super::address::{self, Mask};
use super::scheduler::{self, Kin, Scheduler};
use super::service::{Persistence, Virtual};
use super::{Import, Remarks};
use crate::config::document::{ServicePort, ServiceTable};
use crate::config::{At, Document};
use crate::model::{Affinity, Forward, Protocol, ServiceAddress};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Room for what makes a name its own: names have up to 63 characters.
const NAME_MAX: usize = 45;

/// Makes a document of services, beside what was remarked already.
#[must_use]
pub fn assemble(services: &[Virtual], remarks: Remarks) -> Import {
    let mut assembly = Assembly {
        remarks,
        lines: BTreeMap::new(),
        names: BTreeSet::new(),
    };
    let mut document = Document::default();
    for service in services {
        document.services.extend(assembly.service(service));
    }
    Import {
        document,
        remarks: assembly.remarks.in_order(),
    }
}

/// A value that stands in no file.
fn said<T>(value: T) -> At<T> {
    At::new(value, 0..0)
}

struct Assembly {
    remarks: Remarks,
    /// Addresses that a service has, with their lines.
    lines: BTreeMap<ServiceAddress, usize>,
    /// Names that a service has.
    names: BTreeSet<String>,
}

/// Addresses that one table can have: every port at every VIP.
struct Block {
    vips: Vec<IpAddr>,
    ports: Vec<u16>,
    protocol: Protocol,
}

impl Assembly {
    fn service(&mut self, service: &Virtual) -> Vec<ServiceTable> {
        let addresses = self.free(&service.addresses);
        let Some(&first) = addresses.first() else {
            return Vec::new();
        };
        let scheduler = self.scheduler(service);
        let affinity = self.affinity(service, scheduler);
        let backends = backends::read(service, &addresses, scheduler, &mut self.remarks);
        if backends.is_empty() {
            self.remarks.left_out(
                service.line,
                format!("service {first}: no backend of it carries over"),
            );
            return Vec::new();
        }
        let care = care::read(service, &addresses, scheduler, &backends, &mut self.remarks);
        for &address in &addresses {
            self.lines.insert(address, service.line);
        }
        let blocks = blocks(&addresses);
        let is_alone = blocks.len() == 1;
        let tables = blocks.into_iter().map(|block| {
            let name = self.name(service, &block, is_alone);
            let ports = block.ports.iter().map(|&number| ServicePort {
                number,
                protocol: block.protocol,
            });
            let (forward, backends) = backends::tables(&backends);
            let mut table = ServiceTable {
                name: said(name),
                is_partial: false,
                vip: block.vips.iter().copied().map(said).collect(),
                ports: ports.map(said).collect(),
                also: Vec::new(),
                policy: None,
                tracking: None,
                affinity: affinity.map(said),
                on_dead: None,
                forward: forward.filter(|&way| way != Forward::L2).map(said),
                source: Vec::new(),
                allow: Vec::new(),
                deny: Vec::new(),
                check: None,
                quorum: None,
                sorry: None,
                announce: None,
                backends,
            };
            care.put(&mut table);
            table
        });
        tables.collect()
    }

    /// The addresses that no service has yet.
    fn free(&mut self, addresses: &[(usize, ServiceAddress)]) -> Vec<ServiceAddress> {
        let mut free: BTreeMap<ServiceAddress, usize> = BTreeMap::new();
        for &(line, address) in addresses {
            let first = match free.entry(address) {
                Entry::Occupied(own) => Some(*own.get()),
                Entry::Vacant(vacant) => match self.lines.get(&address) {
                    Some(&other) => Some(other),
                    None => {
                        vacant.insert(line);
                        None
                    }
                },
            };
            if let Some(first) = first {
                self.remarks.left_out(
                    line,
                    format!("service {address} is there already, by line {first}"),
                );
            }
        }
        free.into_keys().collect()
    }

    fn scheduler(&mut self, service: &Virtual) -> Option<Scheduler> {
        let (line, name) = match &service.scheduler {
            Some((line, name)) => (*line, name.as_str()),
            None => (service.line, scheduler::DEFAULT),
        };
        let Some(scheduler) = scheduler::find(name) else {
            self.remarks.left_out(
                line,
                format!("scheduler '{name}' is not known; policy maglev is used"),
            );
            return None;
        };
        match scheduler.kin {
            Kin::Hash => {}
            Kin::Spread => self.remarks.note(
                line,
                format!(
                    "scheduler {name} becomes policy maglev, a hash of the flow: connections are spread by weight, and not counted"
                ),
            ),
            Kin::Other(what) => self.remarks.left_out(
                line,
                format!("scheduler {name}: {what}; policy maglev spreads over all"),
            ),
        }
        Some(scheduler)
    }

    fn affinity(&mut self, service: &Virtual, scheduler: Option<Scheduler>) -> Option<Affinity> {
        if let Some(persistence) = &service.persistence {
            return Some(self.persistence(persistence));
        }
        let by_client = scheduler.filter(|s| s.kin == Kin::Hash && !service.is_by_port)?;
        let affinity = Affinity::Client(32, 128);
        let line = service.scheduler.as_ref().map_or(service.line, |s| s.0);
        self.remarks.note(
            line,
            format!(
                "scheduler {0} without {0}-port looks at the client's address alone, so affinity is \"{affinity}\"",
                by_client.name
            ),
        );
        Some(affinity)
    }

    fn persistence(&mut self, persistence: &Persistence) -> Affinity {
        let (mut v4, mut v6) = (32, 128);
        if let Some((line, text)) = &persistence.mask {
            match address::mask(text) {
                Some(Mask::V4(length)) => v4 = length,
                Some(Mask::V6(length)) => v6 = length,
                None => self.remarks.left_out(
                    *line,
                    format!("persistence mask '{text}' is no prefix; whole addresses are used"),
                ),
            }
        }
        let affinity = Affinity::Client(v4, v6);
        self.remarks.note(
            persistence.line,
            format!(
                "persistence becomes affinity \"{affinity}\": a client keeps its backend while that is in rotation, not for {} seconds",
                persistence.seconds
            ),
        );
        affinity
    }

    /// A name that no other service has: the one that it had, or one of its address.
    fn name(&mut self, service: &Virtual, block: &Block, is_alone: bool) -> String {
        let port = block.ports.first().copied().unwrap_or_default();
        let port = match port {
            0 => "any".to_owned(),
            port => port.to_string(),
        };
        let protocol = block.protocol.name();
        let vip = block.vips.first().map(ToString::to_string);
        let known = service.name.as_deref().filter(|name| !name.is_empty());
        let base = fit(known.or(vip.as_deref()).unwrap_or("service"));
        let full = format!("{base}-{port}-{protocol}");
        let mut candidates = Vec::new();
        if known.is_some() && is_alone {
            candidates.push(base.clone());
            candidates.push(format!("{base}-{protocol}"));
        }
        candidates.push(full.clone());
        let numbered = (2..).map(|number: usize| format!("{full}-{number}"));
        let name = candidates
            .into_iter()
            .chain(numbered)
            .find(|name| !self.names.contains(name))
            .unwrap_or(full);
        self.names.insert(name.clone());
        name
    }
}

/// Text as a name can be.
fn fit(text: &str) -> String {
    let fit = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_' | '-') => c,
        _ => '-',
    };
    text.chars().take(NAME_MAX).map(fit).collect()
}

/// Ports that stand at the same VIPs belong together.
fn blocks(addresses: &[ServiceAddress]) -> Vec<Block> {
    let mut vips_of: BTreeMap<(Protocol, u16), Vec<IpAddr>> = BTreeMap::new();
    for address in addresses {
        let key = (address.protocol, address.port);
        vips_of.entry(key).or_default().push(address.vip);
    }
    let mut blocks: Vec<Block> = Vec::new();
    for ((protocol, port), vips) in vips_of {
        let mut same = blocks.iter_mut();
        match same.find(|block| block.protocol == protocol && block.vips == vips) {
            Some(block) => block.ports.push(port),
            None => blocks.push(Block {
                vips,
                ports: vec![port],
                protocol,
            }),
        }
    }
    blocks
}
