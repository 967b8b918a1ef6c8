//! What the tables say.

use super::tables::Tables;
use crate::model::placement::{
    Loaded, PlacedDestination, PlacedService, Route, address_of, service_address,
};
use std::net::Ipv4Addr;
use xdp_prog::abi::state::{destination, service};
use xdp_prog::abi::{Outcome, Service};
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
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.packets = self.packets.wrapping_add(other.packets);
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.connections = self.connections.wrapping_add(other.connections);
    }
}

impl Tables {
    /// The copy of the service table that is in force.
    fn entries(&self) -> &[Service] {
        let all = self.services.entries();
        let half = all.len() / 2;
        let copy = self.control().active.get() as usize & 1;
        &all[copy * half..(copy + 1) * half]
    }

    /// The services in force, by address.
    #[must_use]
    pub fn placed_services(&self) -> Vec<PlacedService> {
        let mut services: Vec<PlacedService> = self
            .entries()
            .iter()
            .filter_map(|entry| {
                let address = service_address(
                    [entry.address[0].get(), entry.address[1].get()],
                    entry.key.get(),
                )?;
                let first = entry.first_slot.get();
                Some(PlacedService {
                    address,
                    id: entry.id.get(),
                    slots: first
                        ..first
                            .saturating_add(entry.slot_mask.get())
                            .saturating_add(1),
                })
            })
            .collect();
        services.sort_by_key(|s| s.address);
        services
    }

    /// The VIPs that were this host's own addresses when they were loaded.
    #[must_use]
    pub fn local_vips(&self) -> Vec<Ipv4Addr> {
        self.entries()
            .iter()
            .filter(|entry| entry.key.get() != 0 && entry.flags.get() & service::LOCAL != 0)
            .map(|entry| address_of([entry.address[0].get(), entry.address[1].get()]))
            .collect()
    }

    /// The destinations that are live, by number.
    #[must_use]
    pub fn placed_destinations(&self) -> Vec<PlacedDestination> {
        (0u16..)
            .zip(self.destinations.entries())
            .filter(|(_, entry)| entry.flags.get() & destination::LIVE != 0)
            .map(|(number, entry)| {
                let mut macs = [0; 12];
                macs[..8].copy_from_slice(&entry.macs_low.get().to_le_bytes());
                macs[8..].copy_from_slice(&entry.macs_high.get().to_le_bytes());
                PlacedDestination {
                    number,
                    service: entry.service.get(),
                    route: Route {
                        address: address_of([entry.address[0].get(), entry.address[1].get()]),
                        macs,
                        port: entry.port.get(),
                    },
                }
            })
            .collect()
    }

    /// All of that, and which destinations the flow table names.
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        Loaded {
            services: self.placed_services(),
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
        }
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
