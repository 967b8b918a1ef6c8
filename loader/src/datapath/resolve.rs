//! How each backend is reached: through which interface, to which MAC.

use crate::fault;
use crate::model::placement::{Route, WantedBackend};
use crate::model::{Backend, Mac};
use crate::netlink::{Address, Link, NeighbourState, Netlink};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
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
    fn reaches(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| contains(own, address))
    }

    fn subnets(&self) -> String {
        let subnets: Vec<String> = self
            .addresses
            .iter()
            .map(|own| format!("{}/{}", own.address, own.prefix_len))
            .collect();
        match subnets.as_slice() {
            [] => format!("{} (no address)", self.link.name),
            _ => format!("{} ({})", self.link.name, subnets.join(", ")),
        }
    }
}

/// Whether `address` is in the subnet of an interface's address.
fn contains(own: &Address, address: IpAddr) -> bool {
    let (base, address, bits) = match (own.address, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (
            u128::from(base.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let host_bits = bits - u32::from(own.prefix_len).min(bits);
    host_bits > 0 && (base ^ address).checked_shr(host_bits).unwrap_or(0) == 0
}

/// Finds the way to each backend, asking the kernel for MACs that are not
/// given.
///
/// # Errors
///
/// `Invalid`: a backend that is in no subnet of these interfaces, or is this
/// host. `Failed`: one that does not answer.
pub fn resolve(
    netlink: &mut Netlink,
    backends: &[Backend],
    ways: &[Way],
    local: &BTreeSet<IpAddr>,
) -> Result<Vec<WantedBackend>> {
    let mut unknown = BTreeMap::new();
    for backend in backends {
        let way = way(backend, ways, local)?;
        if backend.mac.is_none() {
            unknown.insert((way.link.index, backend.address), &way.link);
        }
    }
    let known = macs(netlink, &unknown)?;
    backends
        .iter()
        .map(|backend| {
            let way = way(backend, ways, local)?;
            let found = known.get(&(way.link.index, backend.address)).copied();
            let mac = backend
                .mac
                .or(found)
                .with_context(|| format!("backend {} has no MAC", backend.address))?;
            Ok(WantedBackend {
                route: route(backend, mac, way),
                weight: backend.weight,
                state: backend.state,
            })
        })
        .collect()
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
fn way<'a>(backend: &Backend, ways: &'a [Way], local: &BTreeSet<IpAddr>) -> Result<&'a Way> {
    let address = backend.address;
    if local.contains(&address) {
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

/// All addresses of this host.
///
/// # Errors
///
/// What the kernel says.
pub fn local_addresses(netlink: &mut Netlink) -> Result<BTreeSet<IpAddr>> {
    let mut local = BTreeSet::new();
    for link in netlink.links().context("list interfaces")? {
        for own in netlink.addresses(link.index).context("list addresses")? {
            local.insert(own.address);
        }
    }
    Ok(local)
}

/// The MACs of neighbours, by interface index and address.
fn macs(
    netlink: &mut Netlink,
    unknown: &BTreeMap<(u32, IpAddr), &Link>,
) -> Result<BTreeMap<(u32, IpAddr), Mac>> {
    let mut known = BTreeMap::new();
    // All are asked for before the first is waited for.
    for &(index, address) in unknown.keys() {
        match usable(netlink, index, address)? {
            Look::Known(mac) => {
                known.insert((index, address), mac);
            }
            Look::Failed | Look::Pending => netlink
                .solicit(index, address)
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
                // While our own IPv6 address is tentative the kernel asks
                // nobody, and says that all failed.
                Look::Failed if address.is_ipv6() && start.elapsed() < PATIENCE => {
                    netlink
                        .solicit(index, address)
                        .with_context(|| format!("resolve backend {address}"))?;
                    thread::sleep(PAUSE);
                }
                Look::Pending | Look::Failed => {
                    return Err(fault!(
                        Failed,
                        "backend {address} did not answer on {}: is it up, with this address? Or give its MAC: -r {address}=MAC",
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

fn usable(netlink: &mut Netlink, index: u32, address: IpAddr) -> Result<Look> {
    let neighbour = netlink
        .neighbour(index, address)
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

    fn own(address: &str, prefix_len: u8) -> Address {
        Address {
            address: address.parse().expect(address),
            prefix_len,
        }
    }

    fn contains_text(own: &Address, address: &str) -> bool {
        contains(own, address.parse().expect(address))
    }

    #[test]
    fn a_subnet_holds_the_addresses_with_its_prefix() {
        assert!(contains_text(&own("172.17.0.2", 16), "172.17.255.3"));
        assert!(!contains_text(&own("172.17.0.2", 24), "172.17.1.3"));
        assert!(contains_text(&own("172.17.0.2", 31), "172.17.0.3"));
        assert!(contains_text(&own("172.17.0.2", 0), "8.8.8.8"));
        assert!(contains_text(&own("2001:db8::2", 64), "2001:db8::3"));
        assert!(!contains_text(&own("2001:db8::2", 64), "2001:db8:0:1::3"));
    }

    #[test]
    fn a_host_address_has_no_neighbours() {
        assert!(!contains_text(&own("172.17.0.2", 32), "172.17.0.2"));
        assert!(!contains_text(&own("2001:db8::2", 128), "2001:db8::2"));
    }

    #[test]
    fn a_subnet_of_one_ip_version_holds_none_of_the_other() {
        assert!(!contains_text(&own("0.0.0.0", 0), "2001:db8::3"));
    }
}
