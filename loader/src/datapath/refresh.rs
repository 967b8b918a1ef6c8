//! Keeping the ways to backends current: what the kernel's routes, neighbours and
//! interfaces say now, against what is loaded.

use super::find::{Attached, Balancer};
use super::neighbours::{self, Key};
use super::resolve::{Aim, Here, hop, route};
use super::tables::Tables;
use super::way::{Way, local_addresses};
use crate::model::Mac;
use crate::model::placement::{PlacedDestination, Route};
use crate::model::refresh::{Change, changes};
use crate::netlink::{Link, Netlink};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// What has changed since it was loaded.
#[derive(Debug, Default)]
pub struct Look {
    /// Destinations that are reached in another way.
    pub changes: Vec<Change>,
    /// Interfaces with another MAC or MTU.
    pub ports: Vec<PortChange>,
    /// Backends that no way was found for, a sentence each. They keep what they
    /// have.
    pub faults: BTreeSet<String>,
    /// The destinations that these are about, by number.
    pub lost: BTreeMap<u16, String>,
    /// The neighbours on the ways, and their MACs as far as they answer.
    pub neighbours: BTreeMap<Key, Option<Mac>>,
}

/// An interface that has changed.
#[derive(Clone, Debug)]
pub struct PortChange {
    /// Its number in the tables.
    pub port: u32,
    /// MAC and MTU that are loaded.
    pub before: (Mac, u32),
    /// The interface as it is now.
    pub now: Link,
}

impl Look {
    /// Whether there is anything to write.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty() || !self.ports.is_empty()
    }
}

/// Looks at everything that is on the way to a backend of this balancer, waiting
/// for this long for neighbours that do not answer at once, and has the kernel
/// keep them resolved.
///
/// # Errors
///
/// What the kernel says, but for single routes and neighbours.
pub fn look(netlink: &mut Netlink, balancer: &Balancer, patience: Duration) -> Result<Look> {
    let tables = &balancer.tables;
    let ground = Ground::survey(netlink, &balancer.attached)?;
    let here = ground.here();
    let placed = tables.placed_destinations();
    let mut look = Look {
        ports: ports(tables, &balancer.attached),
        ..Look::default()
    };

    let aims = aims(tables, &placed);
    let hops: Vec<_> = aims.iter().map(|aim| hop(netlink, aim, &here)).collect();
    let unknown = aims.iter().zip(&hops).filter(|(aim, _)| aim.mac.is_none());
    let keys: BTreeSet<Key> = unknown
        .filter_map(|(_, hop)| Some(hop.as_ref().ok()?.as_ref()?.key()))
        .collect();
    let known = neighbours::resolve(netlink, &keys, patience, Netlink::manage);
    let answered = known.iter().filter(|(_, known)| known.mac().is_some());
    // An interface that has just gone away is heard of by itself.
    let _ = neighbours::keep(netlink, &answered.map(|(&key, _)| key).collect());
    let mut found: Vec<Option<Route>> = Vec::new();
    for ((aim, hop), placed) in aims.iter().zip(hops).zip(&placed) {
        let way = hop.and_then(|hop| route(aim, hop.as_ref(), &known));
        found.push(match way {
            Ok(way) => Some(way),
            Err(error) => {
                look.lost.insert(placed.number, format!("{error:#}"));
                look.faults.insert(format!("{error:#}"));
                None
            }
        });
    }
    look.changes = changes(&placed, &found).collect();
    look.neighbours = known
        .iter()
        .map(|(&key, known)| (key, known.mac()))
        .collect();
    Ok(look)
}

/// The neighbours on the ways to the backends of this balancer, as routes lead now.
///
/// # Errors
///
/// What the kernel says, but for single routes.
pub fn neighbours(
    netlink: &mut Netlink,
    attached: &[Attached],
    tables: &Tables,
) -> Result<BTreeSet<Key>> {
    let ground = Ground::survey(netlink, attached)?;
    let aims = aims(tables, &tables.placed_destinations());
    let asked = aims.iter().filter(|aim| aim.mac.is_none());
    let hops = asked.filter_map(|aim| hop(netlink, aim, &ground.here()).ok().flatten());
    Ok(hops.map(|hop| hop.key()).collect())
}

/// The interfaces and addresses that ways start from.
pub(super) struct Ground {
    ways: Vec<Way>,
    local: BTreeSet<IpAddr>,
}

impl Ground {
    pub(super) fn survey(netlink: &mut Netlink, attached: &[Attached]) -> Result<Self> {
        let ways = attached
            .iter()
            .map(|attached| Way::new(netlink, &attached.link, attached.port))
            .collect::<Result<_>>()?;
        let local = local_addresses(netlink)?;
        Ok(Self { ways, local })
    }

    pub(super) fn here(&self) -> Here<'_> {
        Here {
            ways: &self.ways,
            local: &self.local,
        }
    }
}

/// What is known of destinations before the kernel is asked.
pub(super) fn aims(tables: &Tables, placed: &[PlacedDestination]) -> Vec<Aim> {
    let services = tables.service_addresses();
    let aim = |placed: &PlacedDestination| {
        let addresses = services.get(&placed.service);
        let vips = addresses.into_iter().flatten().map(|address| address.vip);
        Aim::again(&placed.route, vips)
    };
    placed.iter().map(aim).collect()
}

fn ports(tables: &Tables, attached: &[Attached]) -> Vec<PortChange> {
    attached
        .iter()
        .filter_map(|attached| {
            let link = &attached.link;
            let before = tables.port(attached.port)?;
            (before != (Mac(link.mac), link.mtu)).then(|| PortChange {
                port: attached.port,
                before,
                now: link.clone(),
            })
        })
        .collect()
}

/// Writes what has changed.
///
/// # Errors
///
/// The kernel refuses an interface.
pub fn apply(tables: &Tables, look: &Look) -> Result<()> {
    for changed in &look.ports {
        tables.enter_port(changed.port, &changed.now)?;
    }
    tables.reroute(look.changes.iter().map(|c| (c.number, c.now)));
    Ok(())
}
