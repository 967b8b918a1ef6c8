//! What the balancers of a site are to do: services and backends, made up by
//! chance, and what the README says of their states.

use super::dice::Dice;
use super::segment::OUR_MAC;
use dsrload::model::placement::{Route, Wanted, WantedBackend, WantedService};
use dsrload::model::{Affinity, Manner, OnDead, Policy, Protocol, ServiceAddress, State, Tracking};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Backends that a service can have.
pub const BACKENDS: usize = 8;
/// Slots that a service is given: the fewest that the product gives.
pub const SLOTS: u32 = 256;

/// A backend of a service, by its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    pub number: u8,
    pub weight: u16,
    pub state: State,
}

impl Backend {
    /// It gets new connections.
    pub fn is_eligible(&self) -> bool {
        self.state == State::Ready && self.weight > 0
    }
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    pub number: u8,
    pub is_v6: bool,
    pub ports: Vec<(Protocol, u16)>,
    pub manner: Manner,
    pub backends: Vec<Backend>,
}

type Kind = (&'static [(Protocol, u16)], Policy, Affinity);

/// Kinds of services: protocols, whether new connections are spread at random,
/// and what flows have in common.
const KINDS: &[Kind] = &[
    (&[(Protocol::Tcp, 80)], Policy::Maglev, Affinity::Flow),
    (&[(Protocol::Tcp, 80)], Policy::Maglev, Affinity::Flow),
    (&[(Protocol::Udp, 53)], Policy::Maglev, Affinity::Flow),
    (
        &[(Protocol::Tcp, 443), (Protocol::Udp, 443)],
        Policy::Maglev,
        Affinity::Flow,
    ),
    (&[(Protocol::Tcp, 80)], Policy::Random, Affinity::Flow),
    (&[(Protocol::Tcp, 80)], Policy::Random, Affinity::Flow),
    (
        &[(Protocol::Tcp, 80), (Protocol::Tcp, 443)],
        Policy::Maglev,
        Affinity::Client(32, 128),
    ),
    (
        &[(Protocol::Udp, 53)],
        Policy::Maglev,
        Affinity::Client(24, 64),
    ),
];

impl Service {
    /// Any service.
    pub fn any(number: u8, dice: &mut Dice) -> Self {
        let (ports, policy, affinity) = dice.pick(KINDS);
        let tracks_all = policy == Policy::Random || dice.chance(25);
        let count = 2 + dice.below(5);
        Self {
            number,
            is_v6: dice.chance(40),
            ports: ports.to_vec(),
            manner: Manner {
                policy,
                tracking: if tracks_all {
                    Tracking::All
                } else {
                    Tracking::Changed
                },
                affinity,
                on_dead: dice.pick(&[OnDead::Rehash, OnDead::Reset, OnDead::Hold]),
                ..Manner::default()
            },
            backends: (0..)
                .take(count)
                .map(|number| Backend {
                    number,
                    weight: dice.pick(&[1, 1, 1, 2, 3]),
                    state: State::Ready,
                })
                .collect(),
        }
    }

    /// The backend of this number, if it is one of the service.
    pub fn backend(&self, number: u8) -> Option<&Backend> {
        self.backends.iter().find(|b| b.number == number)
    }

    /// Whether connections to this backend go on.
    pub fn keeps(&self, number: u8) -> bool {
        let holds = self.manner.on_dead == OnDead::Hold;
        self.backend(number).is_some_and(|b| match b.state {
            State::Ready | State::Drain => true,
            State::Down => holds,
            State::Maint => false,
        })
    }

    /// Whether anybody gets new connections.
    pub fn has_eligible(&self) -> bool {
        self.backends.iter().any(Backend::is_eligible)
    }

    /// Whether the first packet of a flow shows that it is the first.
    pub fn is_opened(&self, protocol: Protocol) -> bool {
        protocol == Protocol::Tcp && self.manner.affinity == Affinity::Flow
    }

    /// Whether silent flows are waited for by the window alone.
    pub fn has_window(&self) -> bool {
        let is_udp = self.ports.iter().all(|(p, _)| *p == Protocol::Udp);
        is_udp || self.manner.affinity != Affinity::Flow
    }

    /// Its virtual address.
    pub fn vip(&self) -> IpAddr {
        if self.is_v6 {
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10 + u16::from(self.number)).into()
        } else {
            Ipv4Addr::new(192, 0, 2, 0x10 + self.number).into()
        }
    }

    /// Its addresses, as the product writes them.
    pub fn addresses(&self) -> Vec<ServiceAddress> {
        let address = |&(protocol, port): &(Protocol, u16)| ServiceAddress {
            vip: self.vip(),
            port,
            protocol,
        };
        self.ports.iter().map(address).collect()
    }

    /// What the product is told. States are not said when a config is loaded
    /// again.
    pub fn wanted(&self, says_states: bool) -> WantedService {
        let backend = |b: &Backend| WantedBackend {
            route: self.route(b.number),
            weight: b.weight,
            state: says_states.then_some(b.state),
        };
        WantedService {
            addresses: self.addresses(),
            manner: self.manner.clone(),
            backends: self.backends.iter().map(backend).collect(),
            quorum: 0,
            sorry: None,
        }
    }

    fn route(&self, number: u8) -> Route {
        let [s0, s1, s2, s3, s4, s5] = OUR_MAC;
        let host = number + 1;
        Route {
            address: if self.is_v6 {
                Ipv6Addr::new(
                    0x2001,
                    0xdb8,
                    1,
                    u16::from(self.number),
                    0,
                    0,
                    0,
                    host.into(),
                )
                .into()
            } else {
                Ipv4Addr::new(10, 0, self.number, host).into()
            },
            macs: [2, 0xbe, 0, 0, self.number, number, s0, s1, s2, s3, s4, s5],
            is_mac_given: false,
            port: 0,
            tunnel: None,
        }
    }
}

/// All services of one site.
pub fn wanted(services: &[Service], says_states: bool) -> Wanted {
    Wanted {
        services: services.iter().map(|s| s.wanted(says_states)).collect(),
        slots: SLOTS,
        ..Wanted::default()
    }
}

/// Service and backend that a frame with this MAC is for.
pub fn receiver(mac: [u8; 6]) -> Option<(u8, u8)> {
    match mac {
        [2, 0xbe, 0, 0, service, backend] => Some((service, backend)),
        _ => None,
    }
}
