//! The world of the comparison: that of the fixtures, and services of all
//! manners besides.

use crate::packets::site::{self, SITES, Site, Slots};
use crate::packets::world::{KEYS, KEYS6, OTHER_PORT, OUR_MAC, PORT};
use crate::reference::flows::FlowTable;
use crate::reference::generator::Target;
use crate::reference::wire::{TCP, UDP};
use crate::reference::world::{
    Count, Destination, Listener, Service, Slot, Sources, State, Tracking, Tunnel, Vip, Way, World,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xdp_prog::abi::state::{destination, service, slot};

/// MTU of the interface that packets come in by.
const MTU: u64 = 1500;

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
    extra(0x80, &[HTTP, DNS], Tracking::Changed, None, 256, 5),
    extra(0x81, &[HTTP], Tracking::All, None, 512, 4),
    Extra {
        is_random: true,
        ..extra(0x82, &[HTTP, DNS], Tracking::All, None, 256, 4)
    },
    extra(
        0x83,
        &[HTTP, DNS],
        Tracking::Changed,
        Some((24, 64)),
        256,
        4,
    ),
    extra(0x84, &[HTTP], Tracking::All, Some((32, 128)), 1024, 3),
    extra(0x85, &[HTTP, DNS], Tracking::None, None, 256, 3),
    extra(0x86, &[HTTP], Tracking::Changed, Some((27, 120)), 256, 3),
    extra(0x87, ANY, Tracking::Changed, None, 256, 4),
    extra(0x88, ANY, Tracking::All, None, 256, 3),
    extra(0x89, &[HTTP, DNS], Tracking::None, Some((0, 0)), 256, 2),
];

/// Hosts whose VIPs are the balancing host's own, too; that do not answer
/// pings; whose services have lists of sources: open, closed.
const LOCAL: [u8; 2] = [0x81, 0x87];
const MUTE: [u8; 2] = [0x83, 0x88];
const OPEN: [u8; 2] = [0x80, 0x87];
const CLOSED: [u8; 2] = [0x82, 0x84];

/// The whole world.
pub fn world() -> World {
    let mut world = World {
        station: OUR_MAC,
        mtu: MTU,
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
        world.destinations.insert(number, site_backend(id, number));
    }
}

/// A destination of the fixtures.
fn site_backend(service: u16, number: u16) -> Destination {
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
        destination::HERE => Way::Here,
        _ => Way::Gone,
    };
    let through = site::tunnel(number);
    let tunnel = Tunnel {
        source: address(through.source),
        mtu: through.mtu,
        gue: (flags & destination::GUE != 0).then_some(through.port),
    };
    Destination {
        address: address(site::real(number)),
        tunnel: (flags & destination::TUNNEL != 0).then_some(tunnel),
        ..backend(service, mac, way, state)
    }
}

/// An address that stands in the form of the tables.
fn address(words: [u64; 2]) -> IpAddr {
    let octets = words.map(u64::to_le_bytes).concat();
    let octets: [u8; 16] = octets.try_into().expect("sixteen bytes");
    IpAddr::V6(octets.into()).to_canonical()
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
        address: Ipv4Addr::UNSPECIFIED.into(),
        tunnel: None,
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
        let mut one = backend(id, mac, way, State::Live);
        // And some behind tunnels, of all four manners in turn.
        if (number - owners[0]) % 2 == 1 {
            let manner = usize::from(number / 2 % 4);
            (one.address, one.tunnel) = (vips(low)[manner % 2], Some(tunnel(manner)));
        }
        world.destinations.insert(number, one);
    }
}

/// A tunnel over IPv4 or IPv6, IP in IP or GUE.
fn tunnel(manner: usize) -> Tunnel {
    Tunnel {
        source: vips(0xfe)[manner % 2],
        mtu: [1480, 1460, 1392, 1372][manner],
        gue: (manner >= 2).then_some(6080),
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
