//! `dsrload show flows`: entries of the flow table.

use super::{Time, interfaces, name};
use crate::cli::FlowsArgs;
use crate::datapath::Balancer;
use crate::datapath::flows::bucket_of;
use crate::fault;
use crate::model::flows::Ground;
use crate::model::placement::{Loaded, PlacedDestination, PlacedService};
use crate::model::sweep::slot_of;
use crate::model::{Policy, Tracking};
use crate::report::show::Balancers;
use crate::report::show::flows::{Flow, Flows};
use anyhow::Result;
use std::collections::BTreeMap;
use xdp_prog::abi::state::service;
use xdp_prog::track::entry::Entry;

/// The flows that the arguments ask for.
///
/// # Errors
///
/// There is no such service or backend; what the kernel says; the idle time is
/// longer than epochs can tell.
pub fn flows(balancers: &[Balancer], arguments: &FlowsArgs) -> Result<Balancers<Flows>> {
    let mut found = Vec::new();
    let mut is_known = balancers.is_empty();
    for balancer in balancers {
        let loaded = balancer.tables.loaded()?;
        let wanted = Wanted::new(&loaded, arguments);
        is_known |= wanted.is_known(arguments);
        found.push(of_balancer(balancer, &loaded, &wanted, arguments)?);
    }
    if !is_known {
        return Err(unknown(arguments));
    }
    Ok(Balancers { balancers: found })
}

fn unknown(arguments: &FlowsArgs) -> anyhow::Error {
    let service = arguments.service.map(|service| service.to_string());
    let what = match (service, arguments.backend) {
        (Some(service), Some(backend)) => format!("service {service} with backend {backend}"),
        (Some(service), None) => format!("service {service}"),
        (None, Some(backend)) => format!("backend {backend}"),
        (None, None) => "service".to_owned(),
    };
    fault!(
        Failed,
        "there is no {what}; `dsrload show backends` lists those there are"
    )
}

/// Destinations whose flows are asked for, by number.
struct Wanted<'a> {
    destinations: BTreeMap<u16, (&'a PlacedDestination, &'a PlacedService)>,
}

impl<'a> Wanted<'a> {
    fn new(loaded: &'a Loaded, arguments: &FlowsArgs) -> Self {
        let services: BTreeMap<u16, _> = loaded.services.iter().map(|s| (s.id, s)).collect();
        let is_wanted = |placed: &PlacedDestination, of: &PlacedService| {
            let backend = arguments.backend;
            let service = arguments.service;
            backend.is_none_or(|backend| placed.route.address == backend)
                && service.is_none_or(|service| of.addresses.contains(&service))
        };
        let destinations = loaded.destinations.iter().filter_map(|placed| {
            let service = *services.get(&placed.service)?;
            is_wanted(placed, service).then_some((placed.number, (placed, service)))
        });
        Self {
            destinations: destinations.collect(),
        }
    }

    /// Whether there is what was named.
    fn is_known(&self, arguments: &FlowsArgs) -> bool {
        let is_named = arguments.service.is_some() || arguments.backend.is_some();
        !is_named || !self.destinations.is_empty()
    }
}

fn of_balancer(
    balancer: &Balancer,
    loaded: &Loaded,
    wanted: &Wanted<'_>,
    arguments: &FlowsArgs,
) -> Result<Flows> {
    let tables = &balancer.tables;
    let idle = arguments.idle.idle;
    let time = Time::read(balancer, idle)?;
    let takes_all = arguments.service.is_none() && arguments.backend.is_none();
    let (mut in_table, mut matched) = (0, 0);
    let mut flows = Vec::new();
    for (place, entry) in tables.flow_entries() {
        in_table += 1;
        let owner = wanted.destinations.get(&entry.destination()).copied();
        if owner.is_none() && !takes_all {
            continue;
        }
        matched += 1;
        if flows.len() < arguments.limit {
            let slot = owner.and_then(|(_, service)| slot(loaded, service, entry));
            flows.push(Flow {
                service: owner.map(|(_, service)| name(&service.addresses)),
                backend: owner.map(|(placed, _)| placed.route.address),
                bucket: bucket_of(place),
                tag: format!("{:010x}", entry.tag()),
                slot: slot.map(|(slot, _)| slot),
                is_traced: slot.is_some_and(|(_, ground)| ground.is_traced()),
                idle_seconds: time.seconds(time.clock.age(entry)),
                is_live: time.clock.is_live(entry),
            });
        }
    }
    Ok(Flows {
        interfaces: interfaces(balancer),
        idle_seconds: idle.as_secs(),
        wrap_seconds: time.wrap_seconds(),
        capacity: tables.flow_count().1,
        in_table,
        matched,
        flows,
    })
}

/// The slot of an entry's flow, and what decides there.
fn slot(loaded: &Loaded, of: &PlacedService, entry: Entry) -> Option<(usize, Ground)> {
    let words = loaded.words.get(&of.id)?;
    let slot = slot_of(entry, words.len());
    let flags = match (of.manner.tracking, of.manner.policy) {
        (Tracking::None, _) => service::TRACK_NONE,
        (Tracking::All, _) | (_, Policy::Random) => service::TRACK_ALL,
        (Tracking::Changed, Policy::Maglev) => 0,
    };
    let ground = Ground {
        slot: *words.get(slot)?,
        flags,
        entry: Some(entry.destination()),
    };
    Some((slot, ground))
}
