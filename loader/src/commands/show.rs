//! `dsrload show services|backends|flows|drops|neigh`

mod backends;
mod client;
mod drops;
mod flows;
mod neigh;
mod services;
mod watch;

use super::Output;
use super::in_force::InForce;
use super::privilege::{CLOCK, LOOK};
use crate::cli::Show;
use crate::config::generate::free_name;
use crate::datapath::read::Count;
use crate::datapath::{Balancer, clock};
use crate::model::ServiceAddress;
use crate::model::sweep::Clock;
use crate::report::show::{Balancers, Part, Traffic};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use watch::{told, watch};

/// Runs the command.
///
/// # Errors
///
/// The interface, service or backend does not exist; what the kernel says.
pub fn run(show: &Show, output: &mut Output<'_>) -> Result<()> {
    match show {
        Show::Services(look) => {
            let mut told = told(|_, balancers| each(balancers, services::services));
            watch(look, LOOK, output, &mut told)
        }
        Show::Backends(arguments) => {
            let idle = arguments.idle.idle;
            let of = |balancer: &Balancer| backends::backends(balancer, idle);
            let mut told = told(|_, balancers| each(balancers, of));
            watch(&arguments.look, CLOCK, output, &mut told)
        }
        Show::Flows(arguments) => match arguments.client {
            None => {
                let mut told = told(|_, balancers| flows::flows(balancers, arguments));
                watch(&arguments.look, CLOCK, output, &mut told)
            }
            Some(client) => {
                let mut told = told(|_, balancers| client::lookups(balancers, client, arguments));
                watch(&arguments.look, CLOCK, output, &mut told)
            }
        },
        Show::Drops(look) => {
            let interface = look.interface.as_deref();
            let mut told = told(|netlink, balancers| drops::drops(netlink, balancers, interface));
            watch(look, LOOK, output, &mut told)
        }
        Show::Neigh(look) => {
            let mut told =
                told(|netlink, balancers| each(balancers, |b| neigh::neighbours(netlink, b)));
            watch(look, LOOK, output, &mut told)
        }
    }
}

/// The same of each balancer.
fn each<P: Part>(
    balancers: &[Balancer],
    tell: impl FnMut(&Balancer) -> Result<P>,
) -> Result<Balancers<P>> {
    Ok(Balancers {
        balancers: balancers.iter().map(tell).collect::<Result<_>>()?,
    })
}

fn interfaces(balancer: &Balancer) -> Vec<String> {
    let attached = balancer.attached.iter();
    attached.map(|a| a.link.name.clone()).collect()
}

/// The name of the interface with this number in the tables.
fn interface_of(balancer: &Balancer, port: u16) -> Option<String> {
    let mut attached = balancer.attached.iter();
    let found = attached.find(|a| a.port == u32::from(port));
    found.map(|a| a.link.name.clone())
}

/// What services are called in the config in force, by each of their addresses:
/// not those that are named after their addresses.
struct Names(BTreeMap<ServiceAddress, String>);

impl Names {
    fn of(balancer: &Balancer) -> Result<Self> {
        let document = InForce::of(&balancer.tables)?.document;
        let mut names = BTreeMap::new();
        for table in &document.services {
            let addresses: Vec<_> = table.addresses().map(|at| at.value).collect();
            let is_given = addresses.iter().all(|address| {
                free_name(&address.to_string(), &mut BTreeSet::new()) != table.name.value
            });
            if is_given {
                let named = addresses.into_iter().map(|a| (a, table.name.value.clone()));
                names.extend(named);
            }
        }
        Ok(Self(names))
    }

    fn name(&self, addresses: &[ServiceAddress]) -> String {
        let given = addresses.first().and_then(|first| self.0.get(first));
        given.cloned().unwrap_or_else(|| name(addresses))
    }
}

/// What a service is called without a name: its first address.
fn name(addresses: &[ServiceAddress]) -> String {
    addresses
        .first()
        .map_or_else(String::new, ToString::to_string)
}

fn traffic(count: Count) -> Traffic {
    Traffic {
        packets: count.packets,
        bytes: count.bytes,
        connections: count.connections,
        untracked: count.untracked,
        rates: None,
    }
}

/// The time of the flow table.
struct Time {
    clock: Clock,
    /// Milliseconds in an epoch.
    epoch: u64,
}

impl Time {
    /// The time now, and the idle time in epochs.
    fn read(balancer: &Balancer, idle: Duration) -> Result<Self> {
        let shift = balancer.attached.first().map_or(0, |a| a.epoch_shift);
        Ok(Self {
            clock: Clock {
                now: clock::epoch(shift)?,
                idle: super::settle::epochs(idle.as_secs(), shift)?,
            },
            epoch: clock::epoch_length(shift)?,
        })
    }

    /// As many epochs in seconds.
    fn seconds(&self, epochs: u8) -> u64 {
        u64::from(epochs) * self.epoch / 1_000
    }

    /// After which ages of entries begin anew.
    fn wrap_seconds(&self) -> u64 {
        256 * self.epoch / 1_000
    }
}
