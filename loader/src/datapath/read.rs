//! What the tables say.

use super::tables::Tables;
use crate::model::placement::{
    Loaded, PlacedDestination, PlacedService, Route, Wanted, WantedBackend, WantedService,
    address_of, service_address,
};
use crate::model::{
    Affinity, Manner, OnDead, Policy, ServiceAddress, State, Tracking, TunnelKind, TunnelRoute,
};
use crate::sys::machine::uptime_seconds;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use xdp_prog::abi::state::{destination, index, service};
use xdp_prog::abi::{Destination, Outcome, Service, Tunnel};
use xdp_prog::track::entry::Entry;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
    /// TCP connections opened.
    pub connections: u64,
    /// Flows that found no room in the flow table.
    pub untracked: u64,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.connections = self.connections.wrapping_add(other.connections);
        self.untracked = self.untracked.wrapping_add(other.untracked);
    }
}

/// The number that stands for a state in the tables.
#[must_use]
pub fn state_number(state: State) -> u16 {
    match state {
        State::Ready => 0,
        State::Drain => 1,
        State::Maint => 2,
        State::Down => 3,
    }
}

fn state_of(number: u16) -> State {
    match number {
        1 => State::Drain,
        2 => State::Maint,
        3 => State::Down,
        _ => State::Ready,
    }
}

/// The number that stands for it in the tables.
#[must_use]
pub fn on_dead_number(on_dead: OnDead) -> u16 {
    match on_dead {
        OnDead::Rehash => 0,
        OnDead::Reset => 1,
        OnDead::Hold => 2,
    }
}

impl Tables {
    /// The copy of the service table that is in force.
    pub(super) fn entries(&self) -> &[Service] {
        let all = self.services.entries();
        let half = all.len() / 2;
        let copy = index::copy(self.control().index.get()) as usize;
        &all[copy * half..(copy + 1) * half]
    }

    /// The entries of VIPs.
    fn vip_entries(&self) -> impl Iterator<Item = (IpAddr, u16)> {
        self.entries()
            .iter()
            .filter(|e| e.key.get() != 0 && e.key.get() & 0x00ff_ffff == 0)
            .map(|e| {
                (
                    address_of([e.address[0].get(), e.address[1].get()]),
                    e.flags.get(),
                )
            })
    }

    /// The services in force, by address.
    ///
    /// # Errors
    ///
    /// The kernel does not give out the lists of sources.
    pub fn placed_services(&self) -> Result<Vec<PlacedService>> {
        let sources = self.sources().context("read the lists of sources")?;
        let mut services: BTreeMap<u16, PlacedService> = BTreeMap::new();
        for entry in self.entries() {
            let words = [entry.address[0].get(), entry.address[1].get()];
            let Some(address) = service_address(words, entry.key.get()) else {
                continue;
            };
            let first = entry.first_slot.get();
            let id = entry.id.get();
            let placed = services.entry(id).or_insert_with(|| {
                let list = entry.sources.get();
                let (allow, deny) = sources.get(&list).cloned().unwrap_or_default();
                PlacedService {
                    addresses: Vec::new(),
                    manner: Manner {
                        allow,
                        deny,
                        ..manner(entry)
                    },
                    id,
                    sources: list,
                    slots: first
                        ..first
                            .saturating_add(entry.slot_mask.get())
                            .saturating_add(1),
                    changed: entry.changed.get(),
                }
            });
            placed.addresses.push(address);
        }
        let mut services: Vec<PlacedService> = services.into_values().collect();
        for service in &mut services {
            service.addresses.sort();
        }
        services.sort_by(|a, b| a.addresses.cmp(&b.addresses));
        Ok(services)
    }

    /// The VIPs that were this host's own addresses when they were loaded.
    #[must_use]
    pub fn local_vips(&self) -> BTreeSet<IpAddr> {
        self.vip_entries()
            .filter(|(_, flags)| flags & service::LOCAL != 0)
            .map(|(vip, _)| vip)
            .collect()
    }

    /// The destinations that are live, by number.
    #[must_use]
    pub fn placed_destinations(&self) -> Vec<PlacedDestination> {
        (0u16..)
            .zip(
                self.destinations
                    .entries()
                    .iter()
                    .zip(self.tunnels.entries()),
            )
            .filter(|(_, (entry, _))| entry.flags.get() & destination::LIVE != 0)
            .map(|(number, (entry, tunnel))| placed(number, entry, tunnel))
            .collect()
    }

    /// The addresses of the services in force, by number.
    #[must_use]
    pub fn service_addresses(&self) -> BTreeMap<u16, Vec<ServiceAddress>> {
        let mut services: BTreeMap<u16, Vec<ServiceAddress>> = BTreeMap::new();
        for entry in self.entries() {
            let words = [entry.address[0].get(), entry.address[1].get()];
            if let Some(address) = service_address(words, entry.key.get()) {
                services.entry(entry.id.get()).or_default().push(address);
            }
        }
        services.values_mut().for_each(|addresses| addresses.sort());
        services
    }

    /// All of that, what the slots hold, and which destinations the flow table
    /// names.
    ///
    /// # Errors
    ///
    /// As [`placed_services`](Self::placed_services); the kernel's clock.
    pub fn loaded(&self) -> Result<Loaded> {
        let services = self.placed_services()?;
        let slots = self.slots.entries();
        let words = services
            .iter()
            .map(|s| {
                let range = s.slots.start as usize..(s.slots.end as usize).min(slots.len());
                let words = slots.get(range).unwrap_or_default();
                (s.id, words.iter().map(|slot| slot.get()).collect())
            })
            .collect();
        Ok(Loaded {
            services,
            destinations: self.placed_destinations(),
            named: self
                .flows
                .entries()
                .iter()
                .flat_map(|bucket| &bucket.0)
                .map(|word| Entry(word.get()))
                .filter(|entry| !entry.is_free())
                .map(Entry::destination)
                .collect(),
            slots: u32::try_from(slots.len()).unwrap_or(u32::MAX),
            copy: index::copy(self.control().index.get()),
            words,
            now: uptime_seconds().context("ask for the time")?,
        })
    }

    /// What is loaded, as something to be wanted: where every change begins.
    ///
    /// # Errors
    ///
    /// As [`placed_services`](Self::placed_services).
    pub fn wanted(&self) -> Result<Wanted> {
        let destinations = self.placed_destinations();
        let by_service = by_service(&destinations);
        let services = self.placed_services()?.into_iter().map(|service| {
            let of_service = by_service.get(&service.id).into_iter().flatten();
            WantedService {
                backends: of_service
                    .map(|d| WantedBackend {
                        route: d.route,
                        weight: d.weight,
                        state: Some(d.state),
                    })
                    .collect(),
                addresses: service.addresses,
                manner: service.manner,
                quorum: 0,
                sorry: None,
            }
        });
        Ok(Wanted {
            services: services.collect(),
            local: self.local_vips(),
            is_mute: self
                .vip_entries()
                .any(|(_, flags)| flags & service::NO_ECHO != 0),
            slots: xdp_prog::abi::limits::SLOTS_PER_SERVICE,
            failing: BTreeMap::new(),
        })
    }

    /// What was sent to a destination, by all CPUs.
    #[must_use]
    pub fn count(&self, destination: u16) -> Count {
        let row = self.destinations.entries().len();
        let mut sum = Count::default();
        for counter in self
            .counters
            .entries()
            .chunks_exact(row)
            .filter_map(|row| row.get(usize::from(destination)))
        {
            sum += Count {
                packets: counter.packets.get(),
                bytes: counter.bytes.get(),
                connections: counter.connections.get(),
                untracked: counter.untracked.get(),
            };
        }
        sum
    }

    /// How often each outcome came up, on all CPUs.
    #[must_use]
    pub fn outcomes(&self) -> Vec<(Outcome, u64)> {
        let counted = |outcome| -> u64 {
            let rows = self.outcomes.entries().iter();
            rows.map(|row| row.of(outcome).get())
                .fold(0, u64::wrapping_add)
        };
        // Forwarded packets are counted by destination alone: one counter
        // less to touch for nearly every packet.
        let forwarded = self
            .counters
            .entries()
            .iter()
            .map(|counter| counter.packets.get())
            .fold(self.control().retired.get(), u64::wrapping_add);
        Outcome::ALL
            .iter()
            .map(|&outcome| match outcome {
                Outcome::Forwarded => (outcome, forwarded),
                _ => (outcome, counted(outcome)),
            })
            .collect()
    }

    /// Flows in the flow table, and how many it can hold.
    #[must_use]
    pub fn flow_count(&self) -> (usize, usize) {
        let words = || self.flows.entries().iter().flat_map(|bucket| &bucket.0);
        let used = words().filter(|word| !Entry(word.get()).is_free()).count();
        (used, words().count())
    }
}

/// The destinations of each service, in their order.
#[must_use]
pub fn by_service(destinations: &[PlacedDestination]) -> BTreeMap<u16, Vec<&PlacedDestination>> {
    let mut services: BTreeMap<u16, Vec<&PlacedDestination>> = BTreeMap::new();
    for destination in destinations {
        services
            .entry(destination.service)
            .or_default()
            .push(destination);
    }
    services
}

/// How a service treats its flows, but for the lists of sources.
fn manner(entry: &Service) -> Manner {
    let flags = entry.flags.get();
    let [v4, v6, ..] = entry.client_bits.get().to_le_bytes();
    Manner {
        policy: match flags & service::RANDOM {
            0 => Policy::Maglev,
            _ => Policy::Random,
        },
        tracking: match (flags & service::TRACK_ALL, flags & service::TRACK_NONE) {
            (0, 0) => Tracking::Changed,
            (0, _) => Tracking::None,
            _ => Tracking::All,
        },
        affinity: match flags & service::CLIENT {
            0 => Affinity::Flow,
            _ => Affinity::Client(v4, v6),
        },
        on_dead: match entry.on_dead.get() {
            1 => OnDead::Reset,
            2 => OnDead::Hold,
            _ => OnDead::Rehash,
        },
        allow: Vec::new(),
        deny: Vec::new(),
    }
}

fn placed(number: u16, entry: &Destination, tunnel: &Tunnel) -> PlacedDestination {
    PlacedDestination {
        number,
        service: entry.service.get(),
        route: placed_route(entry, tunnel),
        weight: entry.weight.get(),
        state: state_of(entry.state.get()),
        is_failing: entry.health.get() != 0,
        flags: entry.flags.get(),
    }
}

/// How a destination is reached.
pub(super) fn placed_route(entry: &Destination, tunnel: &Tunnel) -> Route {
    let flags = entry.flags.get();
    let mut macs = [0; 12];
    macs[..8].copy_from_slice(&entry.macs_low.get().to_le_bytes());
    macs[8..].copy_from_slice(&entry.macs_high.get().to_le_bytes());
    Route {
        address: address_of([entry.address[0].get(), entry.address[1].get()]),
        macs,
        is_mac_given: flags & destination::MAC_GIVEN != 0,
        port: entry.port.get(),
        tunnel: (flags & destination::TUNNEL != 0).then(|| TunnelRoute {
            kind: match flags & destination::GUE {
                0 => TunnelKind::Ipip,
                _ => TunnelKind::Gue(u16::from_be_bytes(tunnel.port.get().to_le_bytes())),
            },
            source: address_of([tunnel.source[0].get(), tunnel.source[1].get()]),
            is_source_given: flags & destination::SOURCE_GIVEN != 0,
            mtu: tunnel.mtu.get(),
        }),
    }
}
