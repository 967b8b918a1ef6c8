//! `dsrload show services`

use super::{Names, interfaces, traffic};
use crate::datapath::Balancer;
use crate::datapath::read::{Count, by_service};
use crate::model::flows::census;
use crate::model::sweep::Clock;
use crate::model::{State, Word, role};
use crate::report::show::services::{Service, Services};
use anyhow::Result;
use xdp_prog::abi::state::slot;

/// The services of a balancer.
///
/// # Errors
///
/// What the kernel says.
pub fn services(balancer: &Balancer) -> Result<Services> {
    let tables = &balancer.tables;
    let loaded = tables.loaded()?;
    let names = Names::of(balancer)?;
    let by_service = by_service(&loaded.destinations);
    // Entries are counted whatever their ages.
    let clock = Clock { now: 0, idle: 0 };
    let counted = census(tables.flow_entries().map(|(_, entry)| entry), clock);
    let services = loaded.services.iter().map(|service| {
        let backends = by_service.get(&service.id).map_or(&[][..], Vec::as_slice);
        let words = loaded.words.get(&service.id).map_or(&[][..], Vec::as_slice);
        let mut total = Count::default();
        let mut flows = 0;
        for backend in backends {
            total += tables.count(backend.number);
            let census = counted.get(usize::from(backend.number));
            flows += census.map_or(0, |census| census.flows);
        }
        let in_rotation = backends
            .iter()
            .filter(|b| role::state(b) == State::Ready && b.weight > 0);
        Service {
            name: names.name(&service.addresses),
            addresses: service.addresses.iter().map(ToString::to_string).collect(),
            policy: service.manner.policy.word(),
            tracking: service.manner.tracking.word(),
            affinity: service.manner.affinity.to_string(),
            slots: words.len(),
            unsettled: words.iter().filter(|&&w| !slot::is_settled(w)).count(),
            in_rotation: in_rotation.count(),
            backends: backends.len(),
            traffic: traffic(total),
            flows,
        }
    });
    Ok(Services {
        interfaces: interfaces(balancer),
        services: services.collect(),
    })
}
