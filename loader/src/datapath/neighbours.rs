//! The kernel's neighbours on the way to backends: finding their MACs, and
//! having them kept current.

use crate::model::Mac;
use crate::netlink::{Neighbour, NeighbourState, Netlink, NetlinkError};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

/// The kernel asks three times, a second apart (`mcast_solicit`,
/// `retrans_time_ms`), before it says that a neighbour failed.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at the neighbour table.
const PAUSE: Duration = Duration::from_millis(2);

/// From so many on, the whole table is read: two system calls for each of
/// thousands take longer.
const MANY: usize = 32;

/// A neighbour: interface index and address.
pub type Key = (u32, IpAddr);

/// What the kernel knows of a neighbour.
#[derive(Debug)]
pub enum Look {
    /// Its MAC.
    Known(Mac),
    /// It has been asked, and has not answered yet.
    Pending,
    /// It does not answer.
    Failed,
    /// The kernel does not even ask.
    Refused(NetlinkError),
}

impl Look {
    /// Its MAC, if it is known.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        match self {
            Self::Known(mac) => Some(*mac),
            _ => None,
        }
    }
}

/// How the kernel is asked to resolve a neighbour.
pub type Ask = fn(&mut Netlink, u32, IpAddr) -> crate::netlink::Result<()>;

/// Finds the MACs of neighbours, waiting for this long for those that the kernel
/// has to ask first.
pub fn resolve(
    netlink: &mut Netlink,
    wanted: &BTreeSet<Key>,
    patience: Duration,
    ask: Ask,
) -> BTreeMap<Key, Look> {
    let table = Table::read(netlink, wanted);
    // All are asked for before the first is waited for.
    let mut found: BTreeMap<Key, Look> = wanted
        .iter()
        .map(|&key| {
            let mut known = judge(table.get(netlink, key));
            if matches!(known, Look::Failed | Look::Pending) {
                known = asked(netlink, key, ask);
            }
            (key, known)
        })
        .collect();
    let start = Instant::now();
    for (&key, known) in &mut found {
        while matches!(known, Look::Pending) {
            *known = judge(netlink.neighbour(key.0, key.1));
            // While our own IPv6 address is tentative the kernel asks nobody, and
            // says that all failed.
            let is_early = matches!(known, Look::Failed) && key.1.is_ipv6();
            if start.elapsed() >= patience {
                break;
            }
            if is_early {
                *known = asked(netlink, key, ask);
            }
            if matches!(known, Look::Pending) {
                thread::sleep(PAUSE);
            }
        }
    }
    found
}

fn asked(netlink: &mut Netlink, (index, address): Key, ask: Ask) -> Look {
    match ask(netlink, index, address) {
        Ok(()) => Look::Pending,
        Err(error) => Look::Refused(error),
    }
}

/// The kernel's neighbour table, as far as it is worth reading.
struct Table(Option<BTreeMap<Key, Neighbour>>);

impl Table {
    /// Reads it, if these are many.
    fn read(netlink: &mut Netlink, wanted: &BTreeSet<Key>) -> Self {
        if wanted.len() < MANY {
            return Self(None);
        }
        let interfaces: BTreeSet<u32> = wanted.iter().map(|&(index, _)| index).collect();
        let mut table = BTreeMap::new();
        for index in interfaces {
            // What cannot be listed is asked for one by one, with its own error.
            let Ok(found) = netlink.neighbours(index) else {
                return Self(None);
            };
            table.extend(
                found
                    .into_iter()
                    .map(|found| ((index, found.address), found)),
            );
        }
        Self(Some(table))
    }

    /// What it says of one.
    fn get(&self, netlink: &mut Netlink, key: Key) -> crate::netlink::Result<Option<Neighbour>> {
        match &self.0 {
            Some(table) => Ok(table.get(&key).copied()),
            None => netlink.neighbour(key.0, key.1),
        }
    }
}

/// What the neighbour table says of one.
fn judge(neighbour: crate::netlink::Result<Option<Neighbour>>) -> Look {
    let neighbour = match neighbour {
        Ok(neighbour) => neighbour,
        Err(error) => return Look::Refused(error),
    };
    match neighbour.map(|neighbour| (neighbour.state, neighbour.mac.map(Mac))) {
        Some((NeighbourState::Failed, _)) => Look::Failed,
        None | Some((NeighbourState::None | NeighbourState::Incomplete, _) | (_, None)) => {
            Look::Pending
        }
        Some((_, Some(mac))) if mac.is_station() => Look::Known(mac),
        Some((_, Some(_))) => Look::Pending,
    }
}

/// Has the kernel keep these neighbours resolved, whether there is traffic or
/// not, so that a new MAC is known soon. Those that an administrator has set
/// stay as they are.
///
/// # Errors
///
/// What the kernel says.
pub fn keep(netlink: &mut Netlink, neighbours: &BTreeSet<Key>) -> crate::netlink::Result<()> {
    let table = Table::read(netlink, neighbours);
    for &(index, address) in neighbours {
        let found = table.get(netlink, (index, address))?;
        let needs_no_care = found.is_some_and(|found| {
            let is_set = [NeighbourState::Permanent, NeighbourState::NoArp].contains(&found.state);
            is_set || found.is_managed
        });
        if !needs_no_care {
            netlink.manage(index, address)?;
        }
    }
    Ok(())
}

/// Leaves these neighbours to the kernel again, as far as it was asked to keep
/// them resolved.
///
/// # Errors
///
/// What the kernel says.
pub fn release(netlink: &mut Netlink, neighbours: &BTreeSet<Key>) -> crate::netlink::Result<()> {
    let table = Table::read(netlink, neighbours);
    for &(index, address) in neighbours {
        let found = table.get(netlink, (index, address))?;
        if found.is_some_and(|found| found.is_managed) {
            netlink.solicit(index, address)?;
        }
    }
    Ok(())
}
