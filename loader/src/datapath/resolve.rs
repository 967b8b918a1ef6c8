//! How each backend is reached: through which interface, to which MAC.

use crate::fault;
use crate::model::placement::{Route, Wanted, WantedService};
use crate::model::{Backend, Config, Mac};
use crate::netlink::{Address, Link, NeighbourState, Netlink};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

/// The kernel asks three times, a second apart (`mcast_solicit`,
/// `retrans_time_ms`), before it says that a neighbour failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at the neighbour table.
const PAUSE: Duration = Duration::from_millis(2);

/// An interface that backends can be reached through.
#[derive(Debug)]
pub struct Way {
    /// The interface.
    pub link: Link,
    /// Its number in the tables.
    pub port: u16,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

impl Way {
    /// Whether `address` is in one of its subnets.
    fn reaches(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| contains(own, address))
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses
            .iter()
            .any(|own| own.address == IpAddr::V4(address))
    }

    fn subnets(&self) -> String {
        let subnets: Vec<String> = self
            .addresses
            .iter()
            .filter(|own| own.address.is_ipv4())
            .map(|own| format!("{}/{}", own.address, own.prefix_len))
            .collect();
        match subnets.as_slice() {
            [] => format!("{} (no IPv4 address)", self.link.name),
            _ => format!("{} ({})", self.link.name, subnets.join(", ")),
        }
    }
}

/// Whether `address` is in the subnet of an interface's address.
fn contains(own: &Address, address: Ipv4Addr) -> bool {
    let IpAddr::V4(base) = own.address else {
        return false;
    };
    let mask = u32::MAX
        .checked_shl(32 - u32::from(own.prefix_len.min(32)))
        .unwrap_or(0);
    own.prefix_len < 32 && (base.to_bits() ^ address.to_bits()) & mask == 0
}

/// Finds the way to each backend of `config`, asking the kernel for MACs that
/// are not given.
///
/// # Errors
///
/// `Invalid`: a backend that is in no subnet of these interfaces, or is this
/// host. `Failed`: one that does not answer.
pub fn resolve(netlink: &mut Netlink, config: &Config, ways: &[Way]) -> Result<Wanted> {
    let local = local_addresses(netlink)?;
    let mut unknown = BTreeMap::new();
    for backend in config.services.iter().flat_map(|s| &s.backends) {
        let way = way(backend, ways, &local)?;
        if backend.mac.is_none() {
            unknown.insert((way.link.index, backend.address), &way.link);
        }
    }
    let known = macs(netlink, &unknown)?;

    let mut wanted = Wanted::default();
    for service in &config.services {
        if local.contains(&service.address.vip) {
            wanted.local.insert(service.address.vip);
        }
        let mut backends = Vec::new();
        for backend in &service.backends {
            let way = way(backend, ways, &local)?;
            let found = known.get(&(way.link.index, backend.address)).copied();
            let mac = backend
                .mac
                .or(found)
                .with_context(|| format!("backend {} has no MAC", backend.address))?;
            backends.push(route(backend, mac, way));
        }
        wanted.services.push(WantedService {
            address: service.address,
            backends,
        });
    }
    Ok(wanted)
}

fn route(backend: &Backend, mac: Mac, way: &Way) -> Route {
    let mut macs = [0; 12];
    macs[..6].copy_from_slice(&mac.0);
    macs[6..].copy_from_slice(&way.link.mac);
    Route {
        address: backend.address,
        macs,
        port: way.port,
    }
}

/// The first interface whose subnet a backend is in.
fn way<'a>(backend: &Backend, ways: &'a [Way], local: &BTreeSet<Ipv4Addr>) -> Result<&'a Way> {
    let address = backend.address;
    if local.contains(&address) || ways.iter().any(|way| way.has(address)) {
        return Err(fault!(
            Invalid,
            "backend {address} is this host's own address; a backend is another host"
        ));
    }
    ways.iter().find(|way| way.reaches(address)).ok_or_else(|| {
        let subnets: Vec<String> = ways.iter().map(Way::subnets).collect();
        fault!(
            Invalid,
            "backend {address} is in no subnet of {}: frames reach it by its MAC alone, so it must be on the same segment",
            subnets.join(", ")
        )
    })
}

/// All IPv4 addresses of this host.
fn local_addresses(netlink: &mut Netlink) -> Result<BTreeSet<Ipv4Addr>> {
    let mut local = BTreeSet::new();
    for link in netlink.links().context("list interfaces")? {
        for own in netlink.addresses(link.index).context("list addresses")? {
            if let IpAddr::V4(address) = own.address {
                local.insert(address);
            }
        }
    }
    Ok(local)
}

/// The MACs of neighbours, by interface index and address.
fn macs(
    netlink: &mut Netlink,
    unknown: &BTreeMap<(u32, Ipv4Addr), &Link>,
) -> Result<BTreeMap<(u32, Ipv4Addr), Mac>> {
    let mut known = BTreeMap::new();
    // All are asked for before the first is waited for.
    for &(index, address) in unknown.keys() {
        match usable(netlink, index, address)? {
            Look::Known(mac) => {
                known.insert((index, address), mac);
            }
            Look::Failed | Look::Pending => netlink
                .solicit(index, IpAddr::V4(address))
                .with_context(|| format!("resolve backend {address}"))?,
        }
    }
    let start = Instant::now();
    for (&(index, address), link) in unknown {
        while !known.contains_key(&(index, address)) {
            match usable(netlink, index, address)? {
                Look::Known(mac) => {
                    known.insert((index, address), mac);
                }
                Look::Pending if start.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Look::Pending | Look::Failed => {
                    return Err(fault!(
                        Failed,
                        "backend {address} did not answer ARP on {}: is it up, with this address? Or give its MAC: -r {address}=MAC",
                        link.name
                    ));
                }
            }
        }
    }
    Ok(known)
}

/// What the neighbour table says.
enum Look {
    Known(Mac),
    Pending,
    Failed,
}

fn usable(netlink: &mut Netlink, index: u32, address: Ipv4Addr) -> Result<Look> {
    let neighbour = netlink
        .neighbour(index, IpAddr::V4(address))
        .with_context(|| format!("look up backend {address}"))?;
    Ok(match neighbour {
        None => Look::Pending,
        Some(neighbour) => match (neighbour.state, neighbour.mac.map(Mac)) {
            (NeighbourState::Failed, _) => Look::Failed,
            (NeighbourState::None | NeighbourState::Incomplete, _) | (_, None) => Look::Pending,
            (_, Some(mac)) if mac.is_station() => Look::Known(mac),
            (_, Some(_)) => Look::Pending,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(prefix_len: u8) -> Address {
        Address {
            address: IpAddr::V4(Ipv4Addr::new(172, 17, 0, 2)),
            prefix_len,
        }
    }

    #[test]
    fn a_subnet_holds_the_addresses_with_its_prefix() {
        assert!(contains(&own(16), Ipv4Addr::new(172, 17, 255, 3)));
        assert!(!contains(&own(24), Ipv4Addr::new(172, 17, 1, 3)));
        assert!(contains(&own(31), Ipv4Addr::new(172, 17, 0, 3)));
        assert!(contains(&own(0), Ipv4Addr::new(8, 8, 8, 8)));
    }

    #[test]
    fn a_host_address_has_no_neighbours() {
        assert!(!contains(&own(32), Ipv4Addr::new(172, 17, 0, 2)));
    }
}
