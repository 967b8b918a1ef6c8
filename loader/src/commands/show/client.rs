//! `dsrload show flows --client ADDR:PORT`: the flow of one client.

use super::{Time, interfaces, name};
use crate::cli::{Client, FlowsArgs};
use crate::datapath::flows::Found;
use crate::datapath::{Balancer, Tables};
use crate::fault;
use crate::model::flows::{Ground, Standing};
use crate::model::placement::PlacedService;
use crate::model::{Affinity, Policy, Protocol, ServiceAddress};
use crate::report::show::Balancers;
use crate::report::show::flows::{Lookup, Lookups};
use anyhow::Result;
use std::collections::BTreeMap;
use std::net::IpAddr;
use xdp_prog::abi::state::{destination, slot};

/// The flow of a client to the service that was named, or to all.
///
/// # Errors
///
/// `Usage`: a port is missing without which there is no flow. `Failed`: no such
/// service takes it. What the kernel says.
pub fn lookups(
    balancers: &[Balancer],
    client: Client,
    arguments: &FlowsArgs,
) -> Result<Balancers<Lookups>> {
    let mut found = Vec::new();
    let (mut lacks_port, mut is_any) = (false, balancers.is_empty());
    for balancer in balancers {
        let tables = &balancer.tables;
        let time = Time::read(balancer, arguments.idle.idle)?;
        let mut lookups = Vec::new();
        let services = tables.placed_services()?;
        for (address, service) in addresses(&services, arguments.service) {
            let is_flow = service.manner.affinity == Affinity::Flow;
            if is_flow && (client.port.is_none() || address.port == 0) {
                lacks_port = true;
                continue;
            }
            let from = (client.address, client.port.unwrap_or(0));
            if let Some(found) = tables.flow(from, address) {
                lookups.push(lookup(tables, &time, client, (address, service), &found));
            }
        }
        is_any |= !lookups.is_empty();
        found.push(Lookups {
            interfaces: interfaces(balancer),
            idle_seconds: arguments.idle.idle.as_secs(),
            wrap_seconds: time.wrap_seconds(),
            lookups,
        });
    }
    if is_any {
        return Ok(Balancers { balancers: found });
    }
    Err(if lacks_port {
        fault!(
            Usage,
            "a flow is told by both ports, and the flow table holds its hash alone: name the client by ADDR:PORT, and a service of any port by --service VIP:PORT"
        )
    } else {
        let service = arguments.service.map(|service| format!(" {service}"));
        fault!(
            Failed,
            "there is no service{} that {} can turn to; `dsrload show services` lists those there are",
            service.unwrap_or_default(),
            client.address
        )
    })
}

/// Where the client may turn to: each address with its service. Of a port that is
/// named, the service of that port goes before one of any port.
fn addresses(
    services: &[PlacedService],
    wanted: Option<ServiceAddress>,
) -> Vec<(ServiceAddress, &PlacedService)> {
    let all = || {
        let of = |service: &'_ PlacedService| service.addresses.clone();
        services
            .iter()
            .flat_map(move |s| of(s).into_iter().map(move |own| (own, s)))
    };
    let Some(wanted) = wanted else {
        return all().collect();
    };
    let any = ServiceAddress { port: 0, ..wanted };
    let found = [wanted, any]
        .into_iter()
        .find_map(|sought| all().find(|(own, _)| *own == sought));
    found
        .into_iter()
        .map(|(_, service)| (wanted, service))
        .collect()
}

fn lookup(
    tables: &Tables,
    time: &Time,
    client: Client,
    (address, service): (ServiceAddress, &PlacedService),
    found: &Found,
) -> Lookup {
    let backends: BTreeMap<u16, IpAddr> = tables
        .placed_destinations()
        .iter()
        .map(|placed| (placed.number, placed.route.address))
        .collect();
    let backend = |number: u16| backends.get(&number).copied();
    let ground = Ground {
        slot: found.word,
        flags: found.flags,
        entry: found.entry.map(|entry| entry.destination()),
    };
    let (goes_to, reason) = ground.course(|number| standing(tables, found.service, number));
    let manner = &service.manner;
    let former = slot::previous(found.word);
    let is_settled = slot::is_settled(found.word);
    Lookup {
        client: match (client.port, client.address) {
            (None, address) => address.to_string(),
            (Some(port), IpAddr::V4(address)) => format!("{address}:{port}"),
            (Some(port), IpAddr::V6(address)) => format!("[{address}]:{port}"),
        },
        address: address.to_string(),
        service: name(&service.addresses),
        bucket: found.bucket,
        tag: format!("{:010x}", found.tag),
        slot: found.slot,
        is_settled,
        owner: backend(slot::current(found.word)),
        former_owner: backend(former).filter(|_| !is_settled),
        entry_backend: ground.entry.and_then(backend),
        entry_idle_seconds: found.entry.map(|e| time.seconds(time.clock.age(e))),
        goes_to: backend(goes_to),
        reason: reason.word(),
        is_random: manner.policy == Policy::Random
            && manner.affinity == Affinity::Flow
            && address.protocol == Protocol::Tcp,
    }
}

/// What a destination is to flows of this service, as the program decides it.
fn standing(tables: &Tables, service: u16, number: u16) -> Standing {
    const BITS: u16 = destination::LIVE | destination::OUT;
    let entry = tables.destinations.entries().get(usize::from(number));
    match entry {
        Some(entry) if entry.service.get() == service => {
            if entry.flags.get() & BITS == destination::LIVE {
                Standing::In
            } else {
                Standing::Out
            }
        }
        _ => Standing::Foreign,
    }
}
