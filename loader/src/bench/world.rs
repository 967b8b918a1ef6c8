//! Balancers of our own that nobody's traffic reaches: the program with tables
//! that the usual control plane has filled.

use super::original::{Original, copied};
use crate::datapath::Tables;
use crate::datapath::program::{Loaded, Maker};
use crate::datapath::tables::Capacity;
use crate::model::placement::{Route, Wanted, WantedBackend, WantedService, place};
use crate::model::{Manner, Protocol, ServiceAddress, Tracking, TunnelKind, TunnelRoute};
use crate::object::Spec;
use crate::sys::bpf::ProgramFd;
use anyhow::{Result, anyhow};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xdp_prog::abi::limits;
use xdp_prog::abi::state::slot;

/// The MAC of the interface that the packets come to: locally administered.
pub const OWN_MAC: [u8; 6] = [2, 0x64, 0x73, 0x72, 0, 0];

/// The port that all services have.
const PORT: u16 = 80;

/// What there is to balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Services: each has a VIP of its own; VIPs follow each other.
    pub services: u16,
    /// Backends of each service.
    pub backends: u16,
    /// How packets get to them: as they are, or in a tunnel to an address of
    /// the given version.
    pub tunnel: Option<(TunnelKind, Version)>,
}

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// In what state a balancer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As many of a hundred slots are unsettled.
    Unsettled(u8),
    /// It remembers every flow.
    TracksAll,
}

impl Site {
    /// 100 backends on the same segment.
    pub const USUAL: Self = Self {
        services: 1,
        backends: 100,
        tunnel: None,
    };

    /// The first service's address.
    #[must_use]
    pub fn address(version: Version, protocol: Protocol) -> ServiceAddress {
        let vip = match version {
            // Of RFC 2544 and RFC 5180, as the clients are.
            Version::V4 => IpAddr::V4(Ipv4Addr::new(198, 19, 0, 0)),
            Version::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 1, 0, 0, 0, 0)),
        };
        ServiceAddress {
            vip,
            port: PORT,
            protocol,
        }
    }

    fn wanted(self, state: State, at: ServiceAddress) -> Wanted {
        let tracking = match state {
            State::Unsettled(_) => Tracking::Changed,
            State::TracksAll => Tracking::All,
        };
        let service = |number| WantedService {
            addresses: vec![nth(number, at)],
            manner: Manner {
                tracking,
                ..Manner::default()
            },
            backends: (0..self.backends).map(|n| self.backend(n)).collect(),
            quorum: 0,
            sorry: None,
        };
        Wanted {
            services: (0..self.services).map(service).collect(),
            slots: limits::SLOTS_PER_SERVICE,
            ..Wanted::default()
        }
    }

    fn backend(self, number: u16) -> WantedBackend {
        let [high, low] = number.to_be_bytes();
        let version = self.tunnel.map_or(Version::V4, |(_, version)| version);
        let address = match version {
            Version::V4 => IpAddr::V4(Ipv4Addr::new(10, 0, high, low)),
            Version::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 2, 0, 0, 0, number)),
        };
        let source = match version {
            Version::V4 => IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1)),
            Version::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 2, 0, 3, 0, 0, 0, 1)),
        };
        let mut macs = [0; 12];
        macs[..6].copy_from_slice(&mac_of(number));
        macs[6..].copy_from_slice(&OWN_MAC);
        WantedBackend {
            route: Route {
                address,
                macs,
                is_mac_given: true,
                port: 0,
                tunnel: self.tunnel.map(|(kind, _)| TunnelRoute {
                    kind,
                    source,
                    is_source_given: true,
                    mtu: TunnelRoute::inner_mtu(kind, address, 1600),
                }),
            },
            weight: 1,
            state: None,
        }
    }
}

/// The address of service `number`, if this is the first one's: they follow each
/// other as in [`Drive`](xdp_prog::abi::bench::Drive).
#[must_use]
pub fn nth(number: u16, first: ServiceAddress) -> ServiceAddress {
    let vip = match first.vip {
        IpAddr::V4(vip) => {
            let [a, b, c, d] = vip.octets();
            let [c, d] = u16::from_be_bytes([c, d])
                .wrapping_add(number)
                .to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(vip) => {
            let mut segments = vip.segments();
            segments[7] = segments[7].wrapping_add(number);
            IpAddr::V6(segments.into())
        }
    };
    ServiceAddress { vip, ..first }
}

/// The MAC of a backend.
#[must_use]
pub fn mac_of(backend: u16) -> [u8; 6] {
    let [high, low] = backend.to_be_bytes();
    [2, 0x64, 0x73, 0x72, 0x80 | high, low]
}

/// A balancer that nobody's traffic reaches.
pub struct World {
    loaded: Loaded,
    /// They live as long as the program.
    _tables: Tables,
}

impl World {
    /// Makes one, whose first service is at this address.
    ///
    /// # Errors
    ///
    /// What the kernel says; there is no room for so much.
    pub fn new(
        spec: &Spec,
        site: Site,
        state: State,
        at: ServiceAddress,
        flows: u32,
    ) -> Result<Self> {
        let capacity = Capacity {
            flows,
            ..Capacity::default()
        };
        let tables = Tables::create(spec, capacity)?;
        let control = tables.control();
        for (n, key) in (1u64..).zip(control.keys.iter().chain(&control.keys6)) {
            // Any will do, as long as they are the same in every run.
            key.set(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        let [a, b, c, d, e, f] = OWN_MAC;
        if let Some(port) = tables.ports.entries().first() {
            port.mac.set(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]));
        }
        let wanted = site.wanted(state, at);
        let placement = place(&tables.loaded()?, &wanted).map_err(|e| anyhow!(e))?;
        tables.prepare(&placement)?;
        tables.commit(&placement)?;
        if let State::Unsettled(percent) = state {
            unsettle(&tables, percent);
        }
        let loaded = Maker::new(spec, &tables)?.make(0)?;
        Ok(Self {
            loaded,
            _tables: tables,
        })
    }

    /// Makes a copy of one that is loaded.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn copy(spec: &Spec, original: Original<'_>) -> Result<Self> {
        let tables = copied(spec, original.tables)?;
        let loaded = Maker::new(spec, &tables)?.make(original.port)?;
        Ok(Self {
            loaded,
            _tables: tables,
        })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &ProgramFd {
        &self.loaded.program
    }
}

/// Gives so many of a hundred slots a former owner: that of the slot beside it.
fn unsettle(tables: &Tables, percent: u8) {
    let slots = tables.slots.entries();
    for (n, pair) in slots.windows(2).enumerate() {
        let current = slot::current(pair[0].get());
        let former = slot::current(pair[1].get());
        if n % 100 < usize::from(percent) && current != 0 && former != 0 {
            pair[0].set(slot::unsettled(current, former));
        }
    }
}
