//! `dsrload stats [IFACE]`

use super::change::mention_waiting;
use super::privilege::{self, require};
use super::{Output, decap, mention_others};
use crate::cli::ReportArgs;
use crate::datapath::read::{Count, by_service};
use crate::datapath::{Balancer, find};
use crate::netlink::Netlink;
use crate::report::stats::{BackendStats, BalancerStats, OutcomeStats, ServiceStats, Stats};
use anyhow::{Context, Result};

/// Runs the command.
///
/// # Errors
///
/// The interface does not exist; what the kernel says.
pub fn run(arguments: &ReportArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::LOOK)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let (balancers, others) = find::balancers(&mut netlink, arguments.interface.as_deref(), false)?;
    mention_others(&others, output)?;
    mention_waiting(balancers.iter().map(|b| &b.tables), output)?;
    let stats = Stats {
        balancers: balancers.iter().map(balancer).collect::<Result<_>>()?,
        decaps: decap::stats(&mut netlink, arguments.interface.as_deref())?,
    };
    if arguments.json {
        crate::report::json(output.answers, &stats)?;
    } else {
        stats.write(output.answers)?;
    }
    Ok(())
}

fn balancer(balancer: &Balancer) -> Result<BalancerStats> {
    let tables = &balancer.tables;
    let destinations = tables.placed_destinations();
    let by_service = by_service(&destinations);
    let services = tables.placed_services()?.into_iter().map(|service| {
        let mut total = Count::default();
        let mut backends = Vec::new();
        for destination in by_service.get(&service.id).into_iter().flatten() {
            let count = tables.count(destination.number);
            total += count;
            backends.push(BackendStats {
                address: destination.route.address,
                packets: count.packets,
                bytes: count.bytes,
                connections: count.connections,
                untracked: count.untracked,
            });
        }
        ServiceStats {
            addresses: service.addresses.iter().map(ToString::to_string).collect(),
            vip: service.addresses.first().map(|a| a.vip),
            port: service.addresses.first().map_or(0, |a| a.port),
            protocol: service.addresses.first().map_or("", |a| a.protocol.name()),
            packets: total.packets,
            bytes: total.bytes,
            connections: total.connections,
            untracked: total.untracked,
            backends,
        }
    });
    Ok(BalancerStats {
        interfaces: balancer
            .attached
            .iter()
            .map(|a| a.link.name.clone())
            .collect(),
        services: services.collect(),
        outcomes: tables
            .outcomes()
            .into_iter()
            .map(|(outcome, packets)| OutcomeStats {
                name: outcome.name(),
                verdict: outcome.verdict().name(),
                packets,
                help: outcome.help(),
            })
            .collect(),
    })
}
