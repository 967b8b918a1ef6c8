//! Writes the reference's world into the tables of the program, as the
//! documentation of the tables says.

use crate::packets::subject::Subject;
use crate::packets::world::{INTERFACE, OTHER_PORT, PORT};
use crate::reference::flows::Bucket;
use crate::reference::world::{
    FragmentId, Listener, Service, Sources, State, Tracking, Vip, Way, World,
};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use xdp_prog::abi::key::source;
use xdp_prog::abi::state::{destination, service, service_key, slot};
use xdp_prog::abi::{self, FragmentKey, SourceKey};
use xdp_prog::select::index::{self, Index, Key};
use xdp_prog::tables::Tables;

/// The copy of the service table that is in force.
const COPY: u32 = 0;

/// Where everything stands in the tables.
pub struct Mirror {
    entries: Vec<(Key, Entry)>,
    index: Index,
    first_slots: BTreeMap<u16, u32>,
}

/// What an entry of the service table is about.
enum Entry {
    Vip(IpAddr),
    Service(IpAddr, u16),
}

/// An address as the tables have it.
pub fn words(address: IpAddr) -> [u64; 2] {
    let octets = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let (halves, _) = octets.as_chunks::<8>();
    [halves[0], halves[1]].map(u64::from_le_bytes)
}

/// The key of a fragmented packet.
pub fn fragment_key(id: &FragmentId) -> FragmentKey {
    // IPv4's two bytes stand in the low half, as on the wire.
    let identification = match (id.source, u16::try_from(id.identification)) {
        (IpAddr::V4(_), Ok(short)) => short.swap_bytes().into(),
        _ => id.identification.swap_bytes(),
    };
    FragmentKey {
        source: words(id.source),
        destination: words(id.destination),
        identification,
        protocol: id.protocol.into(),
    }
}

/// A bucket as the table has it.
pub fn bucket_words(bucket: &Bucket) -> [u64; 8] {
    bucket.map(|entry| {
        entry.map_or(0, |entry| {
            entry.tag << 24 | u64::from(entry.epoch) << 16 | u64::from(entry.destination)
        })
    })
}

impl Mirror {
    /// Finds places for services, VIPs and slots.
    pub fn new(world: &World) -> Self {
        let mut vips: Vec<&IpAddr> = world.vips.keys().collect();
        vips.sort();
        let mut listeners: Vec<(&Listener, &u16)> = world.listeners.iter().collect();
        listeners.sort();
        let key = |vip: &IpAddr, port: u16, protocol| Key {
            address: words(*vip),
            key: service_key(words(*vip), port.to_be_bytes(), protocol),
        };
        let of_vip = |vip: &&IpAddr| (key(vip, 0, 0), Entry::Vip(**vip));
        let of_service = |(at, id): &(&Listener, &u16)| {
            let key = key(&at.vip, at.port.unwrap_or(0), at.protocol);
            (key, Entry::Service(at.vip, **id))
        };
        let entries: Vec<(Key, Entry)> = vips
            .iter()
            .map(of_vip)
            .chain(listeners.iter().map(of_service))
            .collect();
        let keys: Vec<Key> = entries.iter().map(|(key, _)| *key).collect();
        let mut first_slots = BTreeMap::new();
        let mut next = 0;
        for (id, service) in &world.services {
            first_slots.insert(*id, next);
            next += u32::try_from(service.slots.len()).expect("a few slots");
        }
        Self {
            index: index::build(&keys, COPY).expect("a hundred keys fit"),
            entries,
            first_slots,
        }
    }

    /// Writes everything into the tables of `subject`, counters included.
    pub fn fill(&self, world: &World, subject: &impl Subject) {
        let tables = subject.tables();
        self.control(world, tables);
        for ((key, entry), &place) in self.entries.iter().zip(&self.index.places) {
            let to = tables.service(COPY, place);
            self.entry(world, entry, to);
            to.address[0].set(key.address[0]);
            to.address[1].set(key.address[1]);
            to.key.set(key.key);
        }
        for (id, service) in &world.services {
            self.slots(world, *id, tables);
            sources(subject, *id, &service.sources);
        }
        for number in world.destinations.keys() {
            backend(world, *number, tables);
            counters(world, *number, tables);
        }
        for number in 0..world.flows.buckets {
            bucket(world, number, tables);
        }
        budget(world, tables);
    }

    fn control(&self, world: &World, tables: &impl Tables) {
        let control = tables.control();
        control.trace.set(0);
        control.index.set(self.index.seed);
        control.vips.set(u64::MAX);
        for (word, key) in control.keys.iter().zip(world.keys.0) {
            word.set(key);
        }
        for (word, key) in control.keys6.iter().zip(world.keys.1) {
            word.set(key);
        }
        tables.port().mac.set(mac_word(world.station));
        tables.port().interface.set(INTERFACE);
        tables
            .port()
            .mtu
            .set(u32::try_from(world.mtu).expect("an MTU"));
        for (n, displacement) in (0..).zip(&self.index.displacements) {
            tables.displacement(COPY, n).set(*displacement);
        }
    }

    fn entry(&self, world: &World, entry: &Entry, to: &abi::Service) {
        match entry {
            Entry::Vip(vip) => to.flags.set(vip_flags(world, *vip, world.vips[vip])),
            Entry::Service(vip, id) => {
                let from = &world.services[id];
                to.id.set(*id);
                to.sources.set(list(*id));
                to.flags.set(service_flags(from));
                to.first_slot.set(self.first_slots[id]);
                let slots = u32::try_from(from.slots.len()).expect("a few slots");
                to.slot_mask.set(slots - 1);
                let (v4, v6) = from.affinity.unwrap_or_default();
                let bits = if vip.is_ipv4() { 96 + v4 } else { v6 };
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                let [high, low] = words(Ipv6Addr::from_bits(mask).into());
                to.client_mask[0].set(high);
                to.client_mask[1].set(low);
            }
        }
    }

    /// Writes the slots of a service.
    pub fn slots(&self, world: &World, id: u16, tables: &impl Tables) {
        for (n, from) in (self.first_slots[&id]..).zip(&world.services[&id].slots) {
            let [current, previous] = [from.current, from.previous].map(Option::unwrap_or_default);
            tables.slot(n).set(if from.unsettled {
                slot::unsettled(current, previous)
            } else {
                slot::settled(current)
            });
        }
    }
}

/// The number of a service's list of sources, which is not its own.
fn list(id: u16) -> u16 {
    id + 1000
}

fn mac_word([m0, m1, m2, m3, m4, m5]: [u8; 6]) -> u64 {
    u64::from_le_bytes([m0, m1, m2, m3, m4, m5, 0, 0])
}

fn vip_flags(world: &World, address: IpAddr, vip: Vip) -> u16 {
    let takes_any = |protocol| {
        world.listeners.contains_key(&Listener {
            vip: address,
            protocol,
            port: None,
        })
    };
    let flags = [
        (vip.is_local, service::LOCAL),
        (!vip.answers_echo, service::NO_ECHO),
        (takes_any(6), service::ANY_TCP),
        (takes_any(17), service::ANY_UDP),
    ];
    all_of(&flags)
}

fn service_flags(from: &Service) -> u16 {
    let has_list = from.sources.is_closed || !from.sources.prefixes.is_empty();
    all_of(&[
        (from.tracking == Tracking::All, service::TRACK_ALL),
        (from.tracking == Tracking::None, service::TRACK_NONE),
        (from.is_random, service::RANDOM),
        (from.affinity.is_some(), service::CLIENT),
        (has_list, service::SOURCES),
        (from.sources.is_closed, service::SOURCES_CLOSED),
    ])
}

fn all_of(flags: &[(bool, u16)]) -> u16 {
    let set = flags.iter().filter(|(is_set, _)| *is_set);
    set.fold(0, |all, (_, flag)| all | flag)
}

fn sources(subject: &impl Subject, id: u16, sources: &Sources) {
    for (prefix, bits, is_served) in &sources.prefixes {
        let value = if *is_served {
            source::ALLOWED
        } else {
            source::DENIED
        };
        let bits = if prefix.is_ipv4() { 96 + bits } else { *bits };
        subject.set_source(&SourceKey::new(list(id), words(*prefix), bits), value);
    }
}

/// Writes a destination, but not its counters.
pub fn backend(world: &World, number: u16, tables: &impl Tables) {
    let from = &world.destinations[&number];
    let to = tables.destination(number);
    let [d0, d1, d2, d3, d4, d5] = from.mac;
    let [s0, s1, s2, s3, s4, s5] = from.from;
    to.macs_low
        .set(u64::from_le_bytes([d0, d1, d2, d3, d4, d5, s0, s1]));
    to.macs_high.set(u32::from_le_bytes([s2, s3, s4, s5]));
    to.port.set(match from.way {
        Way::Back => PORT,
        Way::Other => OTHER_PORT,
        Way::Gone => OTHER_PORT + 1,
        Way::Here => destination::HERE,
    });
    let of_state = match from.state {
        State::Live => destination::LIVE,
        State::Out => destination::LIVE | destination::OUT,
        State::OutTold => destination::LIVE | destination::OUT | destination::RESET,
        State::GivenUp => 0,
    };
    let is_gue = from.tunnel.is_some_and(|tunnel| tunnel.gue.is_some());
    let of_way = all_of(&[
        (from.tunnel.is_some(), destination::TUNNEL),
        (is_gue, destination::GUE),
    ]);
    to.flags.set(of_state | of_way);
    to.service.set(from.service);
    let [high, low] = words(from.address);
    to.address[0].set(high);
    to.address[1].set(low);
    if let Some(tunnel) = &from.tunnel {
        let to = tables.tunnel(number);
        let [high, low] = words(tunnel.source);
        to.source[0].set(high);
        to.source[1].set(low);
        to.mtu.set(tunnel.mtu);
        to.port.set(tunnel.gue.unwrap_or(0).to_be());
    }
}

fn counters(world: &World, number: u16, tables: &impl Tables) {
    let (from, to) = (world.destinations[&number].count, tables.counter(number));
    to.packets.set(from.packets);
    to.bytes.set(from.bytes);
    to.connections.set(from.connections);
    to.untracked.set(from.untracked);
}

/// Writes a bucket of the flow table.
pub fn bucket(world: &World, number: u32, tables: &impl Tables) {
    let words = bucket_words(&world.flows.bucket(number));
    for (to, word) in tables.bucket(number).0.iter().zip(words) {
        to.set(word);
    }
}

/// Writes how many resets and errors were sent.
pub fn budget(world: &World, tables: &impl Tables) {
    tables.budget().epoch.set(0);
    tables.budget().resets.set(world.resets);
    tables.budget().errors.set(world.errors);
}
