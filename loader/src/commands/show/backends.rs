//! `dsrload show backends`

use super::{Names, Time, interface_of, interfaces, traffic};
use crate::datapath::Balancer;
use crate::datapath::read::by_service;
use crate::model::flows::census;
use crate::model::{Tracking, Word, role};
use crate::report::show::backends::{Backend, Backends};
use anyhow::Result;
use std::time::Duration;
use xdp_prog::abi::state::slot;

/// The backends of a balancer.
///
/// # Errors
///
/// What the kernel says; the idle time is longer than epochs can tell.
pub fn backends(balancer: &Balancer, idle: Duration) -> Result<Backends> {
    let tables = &balancer.tables;
    let time = Time::read(balancer, idle)?;
    let counted = census(tables.flow_entries().map(|(_, entry)| entry), time.clock);
    let loaded = tables.loaded()?;
    let names = Names::of(balancer)?;
    let by_service = by_service(&loaded.destinations);
    let mut backends = Vec::new();
    for service in &loaded.services {
        let words = loaded.words.get(&service.id).map_or(&[][..], Vec::as_slice);
        for placed in by_service.get(&service.id).into_iter().flatten() {
            let owned = words.iter().filter(|&&w| slot::current(w) == placed.number);
            let untraced = match service.manner.tracking {
                Tracking::All => 0,
                Tracking::Changed => owned.clone().filter(|&&w| slot::is_settled(w)).count(),
                Tracking::None => owned.clone().count(),
            };
            let census = counted.get(usize::from(placed.number)).copied();
            let census = census.unwrap_or_default();
            let route = &placed.route;
            backends.push(Backend {
                service: names.name(&service.addresses),
                address: route.address,
                state: role::state(placed).word(),
                weight: placed.weight,
                slots: owned.count(),
                slots_of_service: words.len(),
                untraced_slots: untraced,
                forward: route.forward().to_string(),
                mac: (!route.is_here()).then(|| route.mac().to_string()),
                interface: interface_of(balancer, route.port),
                traffic: traffic(tables.count(placed.number)),
                flows: census.flows,
                live_flows: census.live,
                last_packet_seconds: census.youngest.map(|epochs| time.seconds(epochs)),
            });
        }
    }
    Ok(Backends {
        interfaces: interfaces(balancer),
        idle_seconds: idle.as_secs(),
        wrap_seconds: time.wrap_seconds(),
        backends,
    })
}
