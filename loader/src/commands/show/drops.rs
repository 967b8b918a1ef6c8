//! `dsrload show drops`

use super::interfaces;
use crate::commands::decap;
use crate::datapath::Balancer;
use crate::netlink::Netlink;
use crate::report::show::drops::{Dropped, Drops, DropsOf};
use anyhow::Result;
use xdp_prog::abi::Outcome;
use xdp_prog::abi::decap::Outcome as DecapOutcome;
use xdp_prog::abi::outcome::Verdict;

/// What was dropped by balancers, and where tunnels end.
///
/// # Errors
///
/// What the kernel says.
pub fn drops(
    netlink: &mut Netlink,
    balancers: &[Balancer],
    interface: Option<&str>,
) -> Result<Drops> {
    let decaps = decap::stats(netlink, interface)?.into_iter();
    Ok(Drops {
        balancers: balancers.iter().map(of_balancer).collect(),
        decaps: decaps
            .map(|stats| {
                let outcomes = DecapOutcome::ALL.iter();
                let drops = outcomes.filter(|outcome| outcome.verdict() == Verdict::Drop);
                let packets = |name| {
                    let found = stats.outcomes.iter().find(|counted| counted.name == name);
                    found.map_or(0, |counted| counted.packets)
                };
                DropsOf {
                    interfaces: vec![stats.interface.clone()],
                    drops: drops
                        .map(|outcome| Dropped {
                            name: outcome.name(),
                            packets: packets(outcome.name()),
                            packets_per_second: None,
                            help: outcome.help(),
                            remedy: outcome.remedy(),
                        })
                        .collect(),
                }
            })
            .collect(),
    })
}

fn of_balancer(balancer: &Balancer) -> DropsOf {
    let outcomes = balancer.tables.outcomes().into_iter();
    let drops = outcomes.filter(|(outcome, _)| outcome.verdict() == Verdict::Drop);
    let told = |(outcome, packets): (Outcome, u64)| Dropped {
        name: outcome.name(),
        packets,
        packets_per_second: None,
        help: outcome.help(),
        remedy: outcome.remedy(),
    };
    DropsOf {
        interfaces: interfaces(balancer),
        drops: drops.map(told).collect(),
    }
}
