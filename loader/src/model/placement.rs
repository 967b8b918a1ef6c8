//! Where services, slots and destinations go in the tables.
//!
//! From what is loaded and what is wanted, a pure function decides what to
//! write. Nothing that is in force is overwritten: changed services get slots
//! of their own, new backends get numbers that nothing names, and the new
//! service table goes into the copy that is not in force. So everything can be
//! written at leisure, and one word makes it visible.

use super::{Protocol, ServiceAddress, rendezvous};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::ops::Range;
use xdp_prog::abi::limits;
use xdp_prog::abi::state::{mapped, service_key, slot};
use xdp_prog::select::index::{self, Index, Key};

/// What the tables hold now.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Services in force.
    pub services: Vec<PlacedService>,
    /// Destinations that are live.
    pub destinations: Vec<PlacedDestination>,
    /// Numbers that entries of the flow table name.
    pub named: BTreeSet<u16>,
}

/// What they are to hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Services, each address once.
    pub services: Vec<WantedService>,
    /// VIPs that are addresses of this host, too.
    pub local: BTreeSet<Ipv4Addr>,
}

/// A service with resolved backends.
#[derive(Clone, Debug)]
pub struct WantedService {
    /// Where clients turn to.
    pub address: ServiceAddress,
    /// How each backend is reached.
    pub backends: Vec<Route>,
}

/// How a backend is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its own address.
    pub address: Ipv4Addr,
    /// The first twelve bytes of a frame to it: its MAC, then ours.
    pub macs: [u8; 12],
    /// The port (interface) it is reached through.
    pub port: u16,
}

/// A service in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedService {
    /// Where clients turn to.
    pub address: ServiceAddress,
    /// Its number.
    pub id: u16,
    /// Its slots.
    pub slots: Range<u32>,
}

/// A destination in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedDestination {
    /// Its number, not 0.
    pub number: u16,
    /// Number of its service.
    pub service: u16,
    /// How it is reached.
    pub route: Route,
}

/// An entry of the service table: a service, or a VIP of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is found by.
    pub key: Key,
    /// The service; `None` for a VIP's own entry.
    pub service: Option<PlacedService>,
    /// The VIP is this host's address, too.
    pub local: bool,
}

/// Everything that is to be written.
#[derive(Clone, Debug)]
pub struct Placement {
    /// All destinations that are wanted. Those with a number that is loaded
    /// keep it, and at most their route differs.
    pub destinations: Vec<PlacedDestination>,
    /// Slots to write: the first, and what it and the following ones hold.
    pub slots: Vec<(u32, Vec<u32>)>,
    /// The new service table.
    pub entries: Vec<Entry>,
    /// Where its entries go.
    pub index: Index,
    /// Destinations that are not wanted any more.
    pub retired: Vec<u16>,
}

/// Decides where everything goes.
///
/// # Errors
///
/// A sentence: there is no room for the slots or the destinations.
pub fn place(loaded: &Loaded, wanted: &Wanted) -> Result<Placement, String> {
    let mut placing = Placing::new(loaded, wanted.services.len());
    for service in &wanted.services {
        placing.place(service)?;
    }
    let entries = entries(&placing.services, &wanted.local);
    let keys: Vec<Key> = entries.iter().map(|e| e.key).collect();
    let index = index::build(&keys).ok_or("the services do not fit the service table")?;
    let kept: BTreeSet<u16> = placing.destinations.iter().map(|d| d.number).collect();
    Ok(Placement {
        retired: loaded
            .destinations
            .iter()
            .map(|d| d.number)
            .filter(|number| !kept.contains(number))
            .collect(),
        destinations: placing.destinations,
        slots: placing.slots,
        entries,
        index,
    })
}

/// One entry for each service, and one for each VIP.
fn entries(services: &[PlacedService], local: &BTreeSet<Ipv4Addr>) -> Vec<Entry> {
    let vips: BTreeSet<Ipv4Addr> = services.iter().map(|s| s.address.vip).collect();
    let of_vips = vips.into_iter().map(|vip| Entry {
        key: Key {
            address: address_words(vip),
            key: service_key([0, 0], 0),
        },
        service: None,
        local: local.contains(&vip),
    });
    let of_services = services.iter().map(|service| Entry {
        key: Key {
            address: address_words(service.address.vip),
            key: service_key(
                service.address.port.to_be_bytes(),
                service.address.protocol.number(),
            ),
        },
        service: Some(service.clone()),
        local: false,
    });
    of_services.chain(of_vips).collect()
}

/// An address as the tables hold it.
#[must_use]
pub fn address_words(address: Ipv4Addr) -> [u64; 2] {
    mapped(u32::from_le_bytes(address.octets()))
}

/// The address that the tables hold.
#[must_use]
pub fn address_of(words: [u64; 2]) -> Ipv4Addr {
    let [_, _, _, _, a, b, c, d] = words[1].to_le_bytes();
    Ipv4Addr::new(a, b, c, d)
}

/// Reads what the table holds as a [service key](service_key) back. `None`
/// for a VIP's own entry and for an empty place.
#[must_use]
pub fn service_address(words: [u64; 2], key: u32) -> Option<ServiceAddress> {
    let [high, low, protocol, _] = key.to_le_bytes();
    Some(ServiceAddress {
        vip: address_of(words),
        port: u16::from_be_bytes([high, low]),
        protocol: Protocol::from_number(protocol)?,
    })
}

/// The work in progress.
struct Placing<'a> {
    loaded: &'a Loaded,
    /// Slots that a new service is given.
    share: u32,
    ids: BTreeSet<u16>,
    numbers: BTreeSet<u16>,
    taken: BTreeMap<u32, u32>,
    services: Vec<PlacedService>,
    destinations: Vec<PlacedDestination>,
    slots: Vec<(u32, Vec<u32>)>,
}

impl<'a> Placing<'a> {
    fn new(loaded: &'a Loaded, services: usize) -> Self {
        // Half of all slots for all services together: the other half is for
        // the next change, which needs new ones beside those in force.
        let share = u32::try_from(services.max(1))
            .map_or(0, |n| limits::SLOTS / 2 / n)
            .clamp(limits::SLOTS_PER_SERVICE_MIN, limits::SLOTS_PER_SERVICE);
        Self {
            loaded,
            share: 1 << share.ilog2(),
            ids: loaded.services.iter().map(|s| s.id).collect(),
            numbers: loaded
                .destinations
                .iter()
                .map(|d| d.number)
                .chain(loaded.named.iter().copied())
                .collect(),
            taken: loaded
                .services
                .iter()
                .map(|s| (s.slots.start, s.slots.end))
                .collect(),
            services: Vec::new(),
            destinations: Vec::new(),
            slots: Vec::new(),
        }
    }

    fn place(&mut self, wanted: &WantedService) -> Result<(), String> {
        let before = self
            .loaded
            .services
            .iter()
            .find(|s| s.address == wanted.address);
        let id = match before {
            Some(before) => before.id,
            None => free(&mut self.ids, 1..=u16::MAX).ok_or("too many services")?,
        };
        let mut old: BTreeMap<Ipv4Addr, u16> = self
            .loaded
            .destinations
            .iter()
            .filter(|d| d.service == id)
            .map(|d| (d.route.address, d.number))
            .collect();
        let mut same = old.len() == wanted.backends.len();
        let mut numbers = Vec::new();
        for &route in &wanted.backends {
            let number = match old.remove(&route.address) {
                Some(number) => number,
                None => {
                    same = false;
                    let last = u16::try_from(limits::DESTINATIONS - 1).unwrap_or(u16::MAX);
                    free(&mut self.numbers, 1..=last).ok_or_else(|| {
                        format!(
                            "no number is free for backend {}: old connections still name all",
                            route.address
                        )
                    })?
                }
            };
            numbers.push(number);
            self.destinations.push(PlacedDestination {
                number,
                service: id,
                route,
            });
        }
        let slots = match before {
            Some(before) if same => before.slots.clone(),
            _ => {
                let count = before.map_or(self.share, |b| b.slots.end - b.slots.start);
                self.fill(wanted, &numbers, count)?
            }
        };
        self.services.push(PlacedService {
            address: wanted.address,
            id,
            slots,
        });
        Ok(())
    }

    /// Finds and fills slots.
    fn fill(
        &mut self,
        wanted: &WantedService,
        numbers: &[u16],
        mut count: u32,
    ) -> Result<Range<u32>, String> {
        let first = loop {
            if let Some(first) = self.gap(count) {
                break first;
            }
            count /= 2;
            if count < limits::SLOTS_PER_SERVICE_MIN {
                return Err(format!(
                    "no slots are left for service {}: unload and load anew",
                    wanted.address
                ));
            }
        };
        self.taken.insert(first, first + count);
        let addresses: Vec<Ipv4Addr> = wanted.backends.iter().map(|b| b.address).collect();
        let mut values: Vec<u32> = rendezvous::owners(wanted.address, &addresses, count)
            .into_iter()
            .map(|owner| slot::settled(numbers[owner]))
            .collect();
        values.resize(count as usize, slot::settled(0));
        self.slots.push((first, values));
        Ok(first..first + count)
    }

    /// The first gap of `count` slots.
    fn gap(&self, count: u32) -> Option<u32> {
        let mut start = 0;
        for (&first, &end) in &self.taken {
            if first.saturating_sub(start) >= count {
                break;
            }
            start = start.max(end);
        }
        (start + count <= limits::SLOTS).then_some(start)
    }
}

/// Takes the lowest number that is not taken.
fn free(taken: &mut BTreeSet<u16>, mut range: std::ops::RangeInclusive<u16>) -> Option<u16> {
    let number = range.find(|n| !taken.contains(n))?;
    taken.insert(number);
    Some(number)
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
