//! The config of what is loaded.

use crate::config::digest::{base, digest};
use crate::config::generate;
use crate::config::{Balancer, Document, Options, check, examine};
use crate::datapath::Tables;
use crate::fault;
use crate::model::placement::{PlacedService, Wanted};
use crate::model::{Backend, Config, Forward, Service};
use crate::sys::machine::uptime_milliseconds;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use xdp_prog::abi::limits;

/// A guard needs so long, after the deadline, to take a lock and to roll back:
/// milliseconds.
const SLACK: u64 = 5_000;

/// The config of what is loaded.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// What it says. States that are not `ready` are said.
    pub document: Document,
    /// Counts changes; 0 if the tables hold no config, and this one was made of
    /// what they do.
    pub generation: u64,
    /// As in [`Stored`](crate::datapath::stored::Stored).
    pub deadline: u64,
    /// As in [`Stored`](crate::datapath::stored::Stored).
    pub given_up: u64,
}

impl InForce {
    /// That of these tables.
    ///
    /// # Errors
    ///
    /// It is of a version of dsrload that knows more; what the kernel says.
    pub fn of(tables: &Tables) -> Result<Self> {
        let Some(stored) = tables.stored() else {
            return Ok(Self {
                document: made_of(tables)?,
                ..Self::default()
            });
        };
        Ok(Self {
            document: parse(&stored.text)?,
            generation: stored.generation,
            deadline: stored.deadline,
            given_up: stored.given_up,
        })
    }

    /// What is to be known of an apply that is not confirmed, if there is one.
    ///
    /// # Errors
    ///
    /// The kernel's clock.
    pub fn waiting(&self) -> Result<Option<String>> {
        waiting(self.deadline)
    }

    /// Nothing may change while an apply waits for its confirmation: what would a
    /// rollback go back to?
    ///
    /// # Errors
    ///
    /// One waits.
    pub fn refuse_while_waiting(&self) -> Result<()> {
        match self.waiting()? {
            Some(words) => Err(fault!(Failed, "{words}")),
            None => Ok(()),
        }
    }
}

/// What is to be known of a config with this deadline.
///
/// # Errors
///
/// The kernel's clock.
pub fn waiting(deadline: u64) -> Result<Option<String>> {
    if deadline == 0 {
        return Ok(None);
    }
    let now = uptime_milliseconds().context("ask for the time")?;
    Ok(Some(if now < deadline.saturating_add(SLACK) {
        format!(
            "the last apply waits to be confirmed and is rolled back in {} s: `dsrload confirm` keeps it, `dsrload rollback` gives it up now",
            deadline.saturating_sub(now).div_ceil(1000)
        )
    } else {
        format!(
            "the last apply was to be confirmed {} s ago, and its guard, which would have rolled it back, is gone: `dsrload rollback` gives it up, `dsrload confirm` keeps it",
            now.saturating_sub(deadline) / 1000
        )
    }))
}

/// Reads a text of the tables.
///
/// # Errors
///
/// It is of a version of dsrload that knows more.
pub fn parse(text: &str) -> Result<Document> {
    let (document, findings) = examine(text);
    let errors = check::errors(&findings);
    match errors.first() {
        None => Ok(document),
        Some(first) => Err(fault!(
            Failed,
            "the config of what is loaded is not one that this dsrload reads ({}): use the version that has loaded it",
            first.message
        )),
    }
}

/// What the tables say, with names made of addresses.
fn made_of(tables: &Tables) -> Result<Document> {
    let wanted = tables.wanted()?;
    let options = Options {
        flows: flows(tables),
        is_answering_echo: !wanted.is_mute,
        ..Options::default()
    };
    let config = said(&wanted);
    Ok(generate::document(&config, &options, &Document::default()))
}

/// Flows that the table holds, if those are not as many as usual.
fn flows(tables: &Tables) -> Option<u32> {
    let (_, flows) = tables.flow_count();
    let flows = u32::try_from(flows).ok();
    flows.filter(|&flows| flows != limits::FLOWS_DEFAULT)
}

/// What is wanted of tables, as it would be said.
#[must_use]
pub fn said(wanted: &Wanted) -> Config {
    let services = wanted.services.iter().map(|service| {
        let routes = || service.backends.iter().map(|b| b.route);
        let tunnels = routes().filter_map(|route| route.tunnel);
        let given = tunnels.filter(|tunnel| tunnel.is_source_given);
        let sources: BTreeSet<_> = given.map(|tunnel| tunnel.source).collect();
        Service {
            addresses: service.addresses.clone(),
            backends: service
                .backends
                .iter()
                .map(|backend| Backend {
                    address: backend.route.address,
                    mac: backend.route.is_mac_given.then(|| backend.route.mac()),
                    forward: Some(backend.route.forward()),
                    weight: backend.weight,
                    state: backend.state,
                })
                .collect(),
            manner: service.manner.clone(),
            forward: routes().next().map_or(Forward::L2, |r| r.forward()),
            sources: sources.into_iter().collect(),
        }
    });
    Config {
        services: services.collect(),
    }
}

/// What these tables have that no config says.
#[must_use]
pub fn base_of(tables: &Tables, services: &[PlacedService]) -> String {
    let control = tables.control();
    let keys = control.keys.iter().chain(&control.keys6);
    let keys: Vec<u64> = keys.map(|word| word.get()).collect();
    let slots = services.iter().filter_map(|service| {
        let first = service.addresses.iter().min()?;
        Some((*first, service.slots.end - service.slots.start))
    });
    base(&keys, &slots.collect::<Vec<_>>())
}

/// The digest of these tables, of which this is the config.
///
/// # Errors
///
/// As for [`Tables::placed_services`].
pub fn digest_of(tables: &Tables, document: &Document) -> Result<String> {
    let base = base_of(tables, &tables.placed_services()?);
    Ok(digest(&Balancer::new(document), &base))
}
