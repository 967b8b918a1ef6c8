//! The world of the comparison: that of the fixtures, and services of all
//! manners besides.

use crate::packets::site::{self, SITES, Site, Slots};
use crate::packets::world::{KEYS, KEYS6, OTHER_PORT, OUR_MAC, PORT};
use crate::reference::flows::FlowTable;
use crate::reference::generator::Target;
use crate::reference::wire::{TCP, UDP};
use crate::reference::world::{
    Count, Destination, Listener, Service, Slot, Sources, State, Tracking, Vip, Way, World,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xdp_prog::abi::state::{destination, service, slot};

/// Buckets of the flow table, which has the usual size.
const BUCKETS: u32 = 1 << 14;

/// A service that the fixtures do not have.
struct Extra {
    host: u8,
    ports: &'static [(u8, Option<u16>)],
    is_random: bool,
    tracking: Tracking,
    affinity: Option<(u8, u8)>,
    slots: usize,
    destinations: u16,
}

const fn extra(
    host: u8,
    ports: &'static [(u8, Option<u16>)],
    tracking: Tracking,
    affinity: Option<(u8, u8)>,
    slots: usize,
    destinations: u16,
) -> Extra {
    Extra {
        host,
        ports,
        is_random: false,
        tracking,
        affinity,
        slots,
        destinations,
    }
}

const HTTP: (u8, Option<u16>) = (TCP, Some(80));
const DNS: (u8, Option<u16>) = (UDP, Some(53));
const ANY: &[(u8, Option<u16>)] = &[(TCP, None), (UDP, None), (TCP, Some(443))];

const EXTRAS: [Extra; 10] = [
    extra(0x40, &[HTTP, DNS], Tracking::Changed, None, 256, 5),
    extra(0x41, &[HTTP], Tracking::All, None, 512, 4),
    Extra {
        is_random: true,
        ..extra(0x42, &[HTTP, DNS], Tracking::All, None, 256, 4)
    },
    extra(
        0x43,
        &[HTTP, DNS],
        Tracking::Changed,
        Some((24, 64)),
        256,
        4,
    ),
    extra(0x44, &[HTTP], Tracking::All, Some((32, 128)), 1024, 3),
    extra(0x45, &[HTTP, DNS], Tracking::None, None, 256, 3),
    extra(0x46, &[HTTP], Tracking::Changed, Some((27, 120)), 256, 3),
    extra(0x47, ANY, Tracking::Changed, None, 256, 4),
    extra(0x48, ANY, Tracking::All, None, 256, 3),
    extra(0x49, &[HTTP, DNS], Tracking::None, Some((0, 0)), 256, 2),
];

/// Hosts whose VIPs are the balancing host's own, too; that do not answer
/// pings; whose services have lists of sources: open, closed.
const LOCAL: [u8; 2] = [0x41, 0x47];
const MUTE: [u8; 2] = [0x43, 0x48];
const OPEN: [u8; 2] = [0x40, 0x47];
const CLOSED: [u8; 2] = [0x42, 0x44];

/// The whole world.
pub fn world() -> World {
    let mut world = World {
        station: OUR_MAC,
        keys: (KEYS, KEYS6),
        flows: FlowTable {
            buckets: BUCKETS,
            ..FlowTable::default()
        },
        ..World::default()
    };
    for (place, site) in SITES.iter().enumerate() {
        add_site(&mut world, place, site);
    }
    let mut number = site::LAST_DESTINATION;
    for (id, extra) in (100..).zip(&EXTRAS) {
        let owners: Vec<u16> = (number + 1..=number + extra.destinations).collect();
        number += extra.destinations;
        add_extra(&mut world, id, extra, &owners);
    }
    world
}

/// What packets are sent to: all services.
pub fn targets(world: &World) -> Vec<Target> {
    let mut listeners: Vec<&Listener> = world.listeners.keys().collect();
    listeners.sort();
    let target = |listener: &&Listener| Target {
        vip: listener.vip,
        protocol: listener.protocol,
        port: listener.port,
    };
    listeners.iter().map(target).collect()
}

fn vips(host: u8) -> [IpAddr; 2] {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into());
    [Ipv4Addr::new(192, 0, 2, host).into(), v6.into()]
}

fn add_site(world: &mut World, place: usize, site: &Site) {
    let id = Site::number(place);
    let has = |flag| site.flags & flag != 0;
    for vip in vips(site.host) {
        let place = world.vips.entry(vip).or_insert(Vip {
            is_local: false,
            answers_echo: true,
        });
        place.is_local |= site.vip_flags & service::LOCAL != 0;
        place.answers_echo &= site.vip_flags & service::NO_ECHO == 0;
        let listener = Listener {
            vip,
            protocol: site.protocol,
            port: (site.port != 0).then_some(site.port),
        };
        world.listeners.insert(listener, id);
    }
    let tracking = match site.flags {
        flags if flags & service::TRACK_ALL != 0 => Tracking::All,
        flags if flags & service::TRACK_NONE != 0 => Tracking::None,
        _ => Tracking::Changed,
    };
    let mut sources = Sources {
        prefixes: Vec::new(),
        is_closed: has(service::SOURCES_CLOSED),
    };
    for (host, (v4, bits4), (v6, bits6), is_served) in site::SOURCES {
        if host == site.host {
            let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, v6);
            sources
                .prefixes
                .push((Ipv4Addr::from(v4).into(), bits4, is_served));
            sources.prefixes.push((v6.into(), bits6, is_served));
        }
    }
    let slots = (0..site::SLOTS).map(|index| slot_of(site.word(index)));
    let of_site = Service {
        is_random: has(service::RANDOM),
        tracking,
        affinity: has(service::CLIENT).then_some((24, 120)),
        sources,
        slots: slots.collect(),
    };
    world.services.insert(id, of_site);
    if matches!(site.slots, Slots::Settled([])) {
        return;
    }
    for number in site.destinations().into_iter().filter(|n| *n != 0) {
        let (mac, port, flags) = site::destination(number);
        let state = match flags {
            flags if flags & destination::LIVE == 0 => State::GivenUp,
            flags if flags & destination::RESET != 0 => State::OutTold,
            flags if flags & destination::OUT != 0 => State::Out,
            _ => State::Live,
        };
        let way = match port {
            PORT => Way::Back,
            OTHER_PORT => Way::Other,
            _ => Way::Gone,
        };
        world
            .destinations
            .insert(number, backend(id, mac, way, state));
    }
}

fn slot_of(word: u32) -> Slot {
    let some = |number| (number != 0).then_some(number);
    if slot::is_settled(word) {
        return Slot::settled(some(slot::current(word)));
    }
    Slot {
        current: some(slot::current(word)),
        unsettled: true,
        previous: some(slot::previous(word)),
    }
}

fn backend(service: u16, mac: [u8; 6], way: Way, state: State) -> Destination {
    Destination {
        service,
        mac,
        from: OUR_MAC,
        way,
        state,
        count: Count::default(),
    }
}

fn add_extra(world: &mut World, id: u16, extra: &Extra, owners: &[u16]) {
    for vip in vips(extra.host) {
        let of_vip = Vip {
            is_local: LOCAL.contains(&extra.host),
            answers_echo: !MUTE.contains(&extra.host),
        };
        world.vips.insert(vip, of_vip);
        for &(protocol, port) in extra.ports {
            let listener = Listener {
                vip,
                protocol,
                port,
            };
            world.listeners.insert(listener, id);
        }
    }
    let is_closed = CLOSED.contains(&extra.host);
    let mut sources = Sources {
        prefixes: Vec::new(),
        is_closed,
    };
    if is_closed || OPEN.contains(&extra.host) {
        sources.prefixes = nested(is_closed);
    }
    let owner = |n: usize| Slot::settled(Some(owners[(n ^ n >> 3 ^ n >> 5) % owners.len()]));
    let service = Service {
        is_random: extra.is_random,
        tracking: extra.tracking,
        affinity: extra.affinity,
        sources,
        slots: (0..extra.slots).map(owner).collect(),
    };
    world.services.insert(id, service);
    for &number in owners {
        let [high, low] = number.to_be_bytes();
        // Each service has one behind the other interface, some one behind none.
        let way = match number - owners[0] {
            1 => Way::Other,
            2 if extra.host.is_multiple_of(4) => Way::Gone,
            _ => Way::Back,
        };
        let mac = [0x06, extra.host, 0xa5, 0x5a, high, low];
        world
            .destinations
            .insert(number, backend(id, mac, way, State::Live));
    }
}

/// Prefixes in prefixes, of clients that are served or not in turn.
fn nested(outer: bool) -> Vec<(IpAddr, u8, bool)> {
    let v4 = [(0, 24), (0, 25), (16, 28), (17, 32), (128, 26)];
    let v4 = v4.into_iter().zip([outer, !outer, outer, !outer, !outer]);
    let v6 = [
        (0_u16, 64),
        (0, 113),
        (0x1000, 116),
        (0x1111, 128),
        (0x8000, 114),
    ];
    let v6 = v6.into_iter().zip([outer, !outer, outer, !outer, !outer]);
    let v4 = v4.map(|((last, bits), is_served)| {
        let prefix = Ipv4Addr::new(203, 0, 113, last);
        (prefix.into(), bits, is_served)
    });
    let v6 = v6.map(|((last, bits), is_served)| {
        let prefix = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, last);
        (prefix.into(), bits, is_served)
    });
    v4.chain(v6).collect()
}
