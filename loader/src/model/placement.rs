//! Where services, slots and destinations go in the tables.
//!
//! From what is loaded and what is wanted, a pure function decides what to
//! write. Nothing that is in force is overwritten: changed services get slots
//! of their own, new backends get numbers that nothing names, and the new
//! service table goes into the copy that is not in force. So everything can be
//! written at leisure, and one word makes it visible.

use super::Mac;
use super::forward::{Forward, TunnelKind, TunnelRoute};
use super::placing::Placing;
pub use super::placing::share;
use super::prefix::words;
use super::service::{Manner, OnDead, Protocol, ServiceAddress};
use super::slots::{Fate, State};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use xdp_prog::abi::limits;
use xdp_prog::abi::state::{destination, service, service_key};
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
    /// Number of all slots.
    pub slots: u32,
    /// The copy of the service table that is in force: 0 or 1.
    pub copy: u32,
    /// What the slots of the services hold, by service.
    pub words: BTreeMap<u16, Vec<u32>>,
    /// Seconds since the machine started.
    pub now: u64,
}

/// What they are to hold.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Services, each address once.
    pub services: Vec<WantedService>,
    /// VIPs that are addresses of this host, too.
    pub local: BTreeSet<IpAddr>,
    /// Echo requests to VIPs are not answered.
    pub is_mute: bool,
    /// Slots of a new service, if there is room: a power of two.
    pub slots: u32,
    /// What is known of the health of backends now, by the lowest address of their
    /// service and their own: whether they fail. Others keep what they have.
    pub failing: Failing,
}

/// Whether backends fail, by the lowest address of their service and their own.
pub type Failing = BTreeMap<(ServiceAddress, IpAddr), bool>;

/// A service with resolved backends.
#[derive(Clone, Debug)]
pub struct WantedService {
    /// Where clients turn to.
    pub addresses: Vec<ServiceAddress>,
    /// How it treats its flows.
    pub manner: Manner,
    /// Who answers.
    pub backends: Vec<WantedBackend>,
    /// With fewer of them in rotation, all new flows go to the sorry backend.
    pub quorum: u32,
    /// Which of them that is, if one is.
    pub sorry: Option<IpAddr>,
}

/// A backend that is to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedBackend {
    /// How it is reached.
    pub route: Route,
    /// Its share of new flows.
    pub weight: u16,
    /// What it is to do; `None` leaves it as it is.
    pub state: Option<State>,
}

/// How a backend is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its own address.
    pub address: IpAddr,
    /// The first twelve bytes of a frame to it: its MAC, or that of the next hop
    /// of a tunnel, then ours.
    pub macs: [u8; 12],
    /// The operator gave that MAC: it does not follow the neighbour table.
    pub is_mac_given: bool,
    /// The port (interface) it is reached through, or [`destination::HERE`].
    pub port: u16,
    /// The tunnel, if packets are wrapped up.
    pub tunnel: Option<TunnelRoute>,
}

/// Bits of [`destination`] that say how it is reached, and not in what state it
/// is.
pub const ROUTE_FLAGS: u16 =
    destination::TUNNEL | destination::GUE | destination::MAC_GIVEN | destination::SOURCE_GIVEN;

impl Route {
    /// What the datapath is told of it: of [`ROUTE_FLAGS`].
    #[must_use]
    pub fn flags(&self) -> u16 {
        let mut flags = 0;
        if self.is_mac_given {
            flags |= destination::MAC_GIVEN;
        }
        if let Some(tunnel) = &self.tunnel {
            flags |= destination::TUNNEL;
            if matches!(tunnel.kind, TunnelKind::Gue(_)) {
                flags |= destination::GUE;
            }
            if tunnel.is_source_given {
                flags |= destination::SOURCE_GIVEN;
            }
        }
        flags
    }

    /// The MAC that frames to it are addressed to.
    #[must_use]
    pub fn mac(&self) -> Mac {
        let [a, b, c, d, e, f, ..] = self.macs;
        Mac([a, b, c, d, e, f])
    }

    /// The MAC that frames to it come from: that of our interface.
    #[must_use]
    pub fn own_mac(&self) -> Mac {
        let [.., a, b, c, d, e, f] = self.macs;
        Mac([a, b, c, d, e, f])
    }

    /// How packets get to it.
    #[must_use]
    pub fn forward(&self) -> Forward {
        self.tunnel
            .map_or(Forward::L2, |tunnel| Forward::Tunnel(tunnel.kind))
    }
}

impl Route {
    /// The way to this host itself, by one of its addresses.
    #[must_use]
    pub fn here(address: IpAddr) -> Self {
        Self {
            address,
            macs: [0; 12],
            is_mac_given: false,
            port: destination::HERE,
            tunnel: None,
        }
    }

    /// Whether the backend is this host itself.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.port == destination::HERE
    }
}

/// A service in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedService {
    /// Where clients turn to.
    pub addresses: Vec<ServiceAddress>,
    /// How it treats its flows.
    pub manner: Manner,
    /// Its number.
    pub id: u16,
    /// The number of its list of clients; 0 if it has none.
    pub sources: u16,
    /// Its slots.
    pub slots: Range<u32>,
    /// When one of them last changed: seconds since the machine started.
    pub changed: u64,
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
    /// Its share of new flows.
    pub weight: u16,
    /// What it is to do, by the operator's word.
    pub state: State,
    /// Whether its checks fail.
    pub is_failing: bool,
    /// Bits of [`destination`].
    pub flags: u16,
}

/// An entry of the service table: a service, or a VIP of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is found by.
    pub key: Key,
    /// The service; `None` for a VIP's own entry.
    pub service: Option<PlacedService>,
    /// Bits of [`service`] for a VIP's own entry.
    pub vip_flags: u16,
    /// Whether the VIP is an IPv6 address.
    pub is_v6: bool,
}

/// Everything that is to be written.
#[derive(Clone, Debug)]
pub struct Placement {
    /// All services.
    pub services: Vec<PlacedService>,
    /// All destinations that are wanted. Those with a number that is loaded
    /// keep it.
    pub destinations: Vec<PlacedDestination>,
    /// Slots to write: the first, and what it and the following ones hold.
    pub slots: Vec<(u32, Vec<u32>)>,
    /// Slots that get another owner, by service.
    pub moved: BTreeMap<u16, usize>,
    /// The new service table.
    pub entries: Vec<Entry>,
    /// Where its entries go.
    pub index: Index,
    /// Destinations that are not wanted any more.
    pub retired: Vec<u16>,
    /// Services whose flows are to be forgotten before anything else is written:
    /// the flow table has not been asked until now, and may be wrong.
    pub forgotten: BTreeSet<u16>,
}

/// Decides where everything goes.
///
/// # Errors
///
/// A sentence: there is no room for the slots or the destinations.
pub fn place(loaded: &Loaded, wanted: &Wanted) -> Result<Placement, String> {
    // Number 0 names none.
    let limit = limits::DESTINATIONS - 1;
    let backends: usize = wanted.services.iter().map(|s| s.backends.len()).sum();
    if backends > limit as usize {
        return Err(format!("{backends} backends: one balancer holds {limit}"));
    }
    let mut placing = Placing::new(loaded, wanted);
    // In an order of their own: where two want the same number, the same one
    // gets it whatever the order of the config.
    let mut services: Vec<&WantedService> = wanted.services.iter().collect();
    services.sort_by_key(|service| service.addresses.iter().min());
    for service in services {
        placing.place(service)?;
    }
    let entries = entries(&placing.services, wanted);
    let keys: Vec<Key> = entries.iter().map(|e| e.key).collect();
    let index = index::build(&keys, 1 - loaded.copy.min(1))
        .ok_or("the services do not fit the service table")?;
    let kept: BTreeSet<u16> = placing.destinations.iter().map(|d| d.number).collect();
    Ok(Placement {
        retired: loaded
            .destinations
            .iter()
            .map(|d| d.number)
            .filter(|number| !kept.contains(number))
            .collect(),
        services: placing.services,
        destinations: placing.destinations,
        slots: placing.slots,
        moved: placing.moved,
        forgotten: placing.forgotten,
        entries,
        index,
    })
}

/// One entry for each address of each service, and one for each VIP.
fn entries(services: &[PlacedService], wanted: &Wanted) -> Vec<Entry> {
    let mut vips: BTreeMap<IpAddr, u16> = BTreeMap::new();
    let mut entries = Vec::new();
    for service in services {
        for address in &service.addresses {
            let flags = vips.entry(address.vip).or_default();
            if address.port == 0 {
                *flags |= match address.protocol {
                    Protocol::Tcp => service::ANY_TCP,
                    Protocol::Udp => service::ANY_UDP,
                };
            }
            entries.push(Entry {
                key: Key {
                    address: address_words(address.vip),
                    key: service_key(
                        address_words(address.vip),
                        address.port.to_be_bytes(),
                        address.protocol.number(),
                    ),
                },
                service: Some(service.clone()),
                vip_flags: 0,
                is_v6: address.vip.is_ipv6(),
            });
        }
    }
    let of_vips = vips.into_iter().map(|(vip, mut flags)| {
        if wanted.local.contains(&vip) {
            flags |= service::LOCAL;
        }
        if wanted.is_mute {
            flags |= service::NO_ECHO;
        }
        Entry {
            key: Key {
                address: address_words(vip),
                key: service_key(address_words(vip), [0, 0], 0),
            },
            service: None,
            vip_flags: flags,
            is_v6: vip.is_ipv6(),
        }
    });
    entries.into_iter().chain(of_vips).collect()
}

/// An address as the tables hold it.
#[must_use]
pub fn address_words(address: IpAddr) -> [u64; 2] {
    words(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    })
}

/// The address that the tables hold.
#[must_use]
pub fn address_of(words: [u64; 2]) -> IpAddr {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&words[0].to_le_bytes());
    bytes[8..].copy_from_slice(&words[1].to_le_bytes());
    Ipv6Addr::from(bytes).to_canonical()
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

/// What the datapath is told of the state of a backend.
#[must_use]
pub fn flags(state: State, on_dead: OnDead) -> u16 {
    let out = match (state, on_dead) {
        (State::Ready | State::Drain, _) | (State::Down, OnDead::Hold) => 0,
        (State::Maint | State::Down, OnDead::Reset) => destination::OUT | destination::RESET,
        (State::Maint | State::Down, _) => destination::OUT,
    };
    destination::LIVE | out
}

/// What becomes of the flows of a destination with these flags.
#[must_use]
pub fn fate(flags: u16) -> Fate {
    if flags & destination::OUT == 0 {
        Fate::Stays
    } else if flags & destination::RESET != 0 {
        Fate::Told
    } else {
        Fate::Gone
    }
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "placement_health_tests.rs"]
mod health_tests;

#[cfg(test)]
#[path = "placement_manner_tests.rs"]
mod manner_tests;

#[cfg(test)]
#[path = "placement_route_tests.rs"]
mod route_tests;
