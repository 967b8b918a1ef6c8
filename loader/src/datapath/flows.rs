//! The flow table as it is read: by entry, and by flow.

use super::tables::Tables;
use crate::model::ServiceAddress;
use crate::model::placement::address_words;
use std::net::IpAddr;
use xdp_prog::abi::limits::FLOWS_PER_BUCKET;
use xdp_prog::abi::state::{service_key, unmapped};
use xdp_prog::abi::{Control, Service};
use xdp_prog::select::{Flow, V4, V6};
use xdp_prog::track::entry::Entry;

/// Where a flow stands, or would stand.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Number of its service.
    pub service: u16,
    /// Bits of [`service`](xdp_prog::abi::state::service).
    pub flags: u16,
    /// Its bucket in the flow table.
    pub bucket: usize,
    /// What tells it from others there: 40 bits.
    pub tag: u64,
    /// Which of its service's slots, counted from 0.
    pub slot: u32,
    /// What that holds.
    pub word: u32,
    /// Its entry.
    pub entry: Option<Entry>,
}

impl Tables {
    /// All entries of the flow table, each with its place. A bucket is
    /// [`FLOWS_PER_BUCKET`] places.
    pub fn flow_entries(&self) -> impl Iterator<Item = (usize, Entry)> {
        let words = self.flows.entries().iter().flat_map(|bucket| &bucket.0);
        let entries = words.map(|word| Entry(word.get())).enumerate();
        entries.filter(|(_, entry)| !entry.is_free())
    }

    /// The flow from this client and port (0 where the service has affinity by
    /// client) to this address. `None` if no service takes that.
    #[must_use]
    pub fn flow(&self, client: (IpAddr, u16), to: ServiceAddress) -> Option<Found> {
        let exact = self.service_entry(to, to.port);
        let service = exact.or_else(|| self.service_entry(to, 0))?;
        let hash = hash(self.control(), service, client, to)?;
        let [bucket, slot] = [hash, hash >> 40].map(|word| usize::try_from(word).unwrap_or(0));
        let buckets = self.flows.entries();
        let bucket = bucket & buckets.len().saturating_sub(1);
        let tag = hash >> 24;
        let mut entries = buckets.get(bucket)?.0.iter().map(|word| Entry(word.get()));
        let slot = u32::try_from(slot).unwrap_or(0) & service.slot_mask.get();
        let index = service.first_slot.get().wrapping_add(slot) as usize;
        Some(Found {
            service: service.id.get(),
            flags: service.flags.get(),
            bucket,
            tag,
            slot,
            word: self.slots.entries().get(index)?.get(),
            entry: entries.find(|entry| entry.tag() == tag && !entry.is_free()),
        })
    }

    /// The entry in force of the service at this VIP and protocol, at this port;
    /// port 0 for that of any port.
    fn service_entry(&self, address: ServiceAddress, port: u16) -> Option<&Service> {
        let words = address_words(address.vip);
        let key = service_key(words, port.to_be_bytes(), address.protocol.number());
        let mut entries = self.entries().iter();
        entries.find(|entry| {
            entry.key.get() == key && [entry.address[0].get(), entry.address[1].get()] == words
        })
    }
}

/// The hash of a flow, as the program computes it. `None` if its addresses are of
/// two IP versions.
fn hash(
    control: &Control,
    service: &Service,
    (client, port): (IpAddr, u16),
    to: ServiceAddress,
) -> Option<u64> {
    let [source, destination] = [client, to.vip].map(address_words);
    let [a, b] = port.to_be_bytes();
    let [c, d] = to.port.to_be_bytes();
    let (ports, protocol) = (u32::from_le_bytes([a, b, c, d]), to.protocol.number());
    match (unmapped(source), unmapped(destination)) {
        (Some(source), Some(destination)) => {
            let addresses = V4 {
                source,
                destination,
            };
            Some(flow(addresses, ports, protocol).hash(control, service))
        }
        (None, None) => {
            let addresses = V6 {
                source,
                destination,
            };
            Some(flow(addresses, ports, protocol).hash(control, service))
        }
        _ => None,
    }
}

/// What its hash depends on; the rest is of single packets.
fn flow<A>(addresses: A, ports: u32, protocol: u8) -> Flow<A> {
    Flow {
        addresses,
        ports,
        protocol,
        tcp_flags: 0,
        length: 0,
    }
}

/// The bucket of a place in the flow table.
#[must_use]
pub fn bucket_of(place: usize) -> usize {
    place / FLOWS_PER_BUCKET
}
