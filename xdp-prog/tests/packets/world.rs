//! The one world that all fixtures live in.
//!
//! The balancer has MAC 02:00:00:00:00:01 on port 0, where packets come in.
//! Port 1 is another interface (in the kernel: `lo`), port 2 is none.
//! Clients are in 203.0.113.0/24 and in 2001:db8:c::/64. Destination N has MAC
//! 02:00:00:00:00:(8 + N), where nothing else is said. VIPs are 192.0.2.H and
//! 2001:db8::H, where H is, in hexadecimal:
//!
//! | H  | port    | destinations | remark                                     |
//! |----|---------|--------------|--------------------------------------------|
//! | 01 | 80 tcp  | 1            |                                            |
//! | 01 | 53 udp  | 2            |                                            |
//! | 03 | 80 tcp  | 3, 4         | half of the slots each; 4 is fe:dc:ba:98:76:54 |
//! | 02 | 80 tcp  | none         | no backend                                 |
//! | 04 | 80 tcp  | 5            | behind port 1                              |
//! | 05 | 80 tcp  | 6            | behind port 2                              |
//! | 06 | 80 tcp  | 7            | the VIP is the host's own, too             |
//!
//! These remember every flow, and spread new connections at random. The others
//! remember flows of slots that changed, where nothing else is said:
//!
//! | H  | port    | now, before  | remark                                     |
//! |----|---------|--------------|--------------------------------------------|
//! | 10 | 80 tcp  | 8, 9         | settled: half of the slots each            |
//! | 11 | 80 tcp  | 10, 11       |                                            |
//! | 11 | 53 udp  | 12, 13       |                                            |
//! | 12 | 80 tcp  | 14, 15       | 15 is out                                  |
//! | 13 | 80 tcp  | 16, 17       | 17 is out, and its clients are told        |
//! | 14 | 80 tcp  | 18, 19       | 19 is no backend any more                  |
//! | 15 | 80 tcp  | 20, none     |                                            |
//! | 16 | 80 tcp  | 21, 22       | remembers nothing                          |
//! | 17 | 80 tcp  | 23, 24       | settled, affinity of a /24 or a /120       |
//! | 17 | 81 tcp  | 25, 26       | the same, not settled                      |
//! | 18 | 80 tcp  | 27           | denies the upper half of 256 clients, but for the last quarter |
//! | 19 | 80 tcp  | 28           | allows the lower half, but for its second half |
//! | 1a | any tcp | 29           |                                            |
//! | 1a | 443 tcp | 30           |                                            |
//! | 1b | any udp | 31           | remembers every flow                       |
//! | 1c | 80 tcp  | 32           | pings are not answered                     |
//!
//! These are behind tunnels, whose outer addresses are 198.51.100.(8 + N) or
//! 2001:db8:1::(8 + N), and ours with a 1 at the end. Port 0 has an MTU of 1500,
//! and so have the ways, where nothing else is said:
//!
//! | H  | port    | destinations | remark                                     |
//! |----|---------|--------------|--------------------------------------------|
//! | 40 | 80 tcp  | 64           | IP in IPv4                                 |
//! | 40 | 53 udp  | 72           | IP in IPv4                                 |
//! | 41 | 80 tcp  | 65           | IP in IPv6                                 |
//! | 42 | 80 tcp  | 66           | GUE over IPv4                              |
//! | 43 | 80 tcp  | 67           | GUE over IPv6                              |
//! | 43 | 53 udp  | 73           | GUE over IPv6                              |
//! | 44 | 80 tcp  | 68           | IP in IPv4, behind port 1                  |
//! | 45 | 80 tcp  | 69           | IP in IPv4, behind port 2                  |
//! | 46 | 80 tcp  | 70           | IP in IPv4, and the way's MTU is 600       |
//! | 46 | 53 udp  | 78           | GUE over IPv4, and the way's MTU is 600    |
//! | 47 | 80 tcp  | 71           | IP in IPv6, affinity of a /24 or a /120    |
//! | 4a | 80 tcp  | 74, 75       | not settled: 74 has no tunnel, 75 IP in IPv4 |
//! | 4c | 80 tcp  | 76, 77       | at random: 76 has no tunnel, 77 IP in IPv4 |

use super::site::{LAST_DESTINATION, SITES, SLOTS, SOURCES, Site, destination, real, tunnel, vips};
use super::subject::Subject;
use xdp_prog::abi::SourceKey;
use xdp_prog::abi::key::source;
use xdp_prog::abi::limits::DESTINATIONS;
use xdp_prog::abi::state::{mapped, service_key, vip_bit};
use xdp_prog::select::index::{self, Index, Key};
use xdp_prog::tables::Tables;

/// The port that this program is attached to.
pub const PORT: u16 = 0;
/// Another port, whose interface packets can be sent out of.
pub const OTHER_PORT: u16 = 1;
/// Interface of ports 0 and 1: in every network namespace that of `lo`.
pub const INTERFACE: u32 = 1;

/// MTU of port 0.
const MTU: u32 = 1500;

/// MAC of port 0.
pub const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// The copy of the service table that is in force. Not the first one, and the
/// other one stays empty.
const COPY: u32 = 1;

/// Keys of the flow hash. Any would do; with these the fixtures' flows have
/// the slots that their sentences say.
pub const KEYS: [u64; 5] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
];
/// And those that IPv6 takes in addition.
pub const KEYS6: [u64; 4] = [
    0xbe54_66cf_34e9_0c6c,
    0xc0ac_29b7_c97c_50dd,
    0x3f84_d5b5_b547_0917,
    0x9216_d5d9_8979_fb1b,
];

/// The world, ready to be written into tables.
pub struct World {
    entries: Vec<Entry>,
    index: Index,
}

/// What an entry of the service table is about.
struct Entry {
    key: Key,
    /// Of [`SITES`]; none for a VIP's own entry.
    place: Option<usize>,
    vip_flags: u16,
}

impl World {
    /// Finds places for the services and their VIPs.
    pub fn new() -> Self {
        let mut entries = Vec::new();
        for (place, site) in SITES.iter().enumerate() {
            for address in vips(site.host) {
                entries.push(Entry {
                    key: Key {
                        address,
                        key: service_key(address, site.port.to_be_bytes(), site.protocol),
                    },
                    place: Some(place),
                    vip_flags: 0,
                });
            }
            let is_first = SITES[..place].iter().all(|other| other.host != site.host);
            for address in vips(site.host).into_iter().filter(|_| is_first) {
                let same = SITES.iter().filter(|other| other.host == site.host);
                entries.push(Entry {
                    key: Key {
                        address,
                        key: service_key(address, [0, 0], 0),
                    },
                    place: None,
                    vip_flags: same.fold(0, |all, other| all | other.vip_flags),
                });
            }
        }
        let keys: Vec<Key> = entries.iter().map(|entry| entry.key).collect();
        let index = index::build(&keys, COPY).expect("a few dozen keys fit");
        Self { entries, index }
    }

    /// Writes the world into the tables of `subject`, which forget all flows,
    /// counters and fragments.
    pub fn fill(&self, subject: &impl Subject) {
        let tables = subject.tables();
        let settings = tables.settings();
        assert_eq!(settings.port.get(), u32::from(PORT));

        let control = tables.control();
        control.trace.set(0);
        control.index.set(self.index.seed);
        let bits = self.entries.iter().map(|entry| vip_bit(entry.key.address));
        control.vips.set(bits.fold(0, |all, bit| all | 1 << bit));
        for (word, key) in control.keys.iter().zip(KEYS) {
            word.set(key);
        }
        for (word, key) in control.keys6.iter().zip(KEYS6) {
            word.set(key);
        }
        let [m0, m1, m2, m3, m4, m5] = OUR_MAC;
        tables
            .port()
            .mac
            .set(u64::from_le_bytes([m0, m1, m2, m3, m4, m5, 0, 0]));
        tables.port().interface.set(INTERFACE);
        tables.port().mtu.set(MTU);
        self.fill_services(tables);
        fill_slots(tables);
        fill_destinations(tables);
        forget(tables);
        fill_sources(subject);
    }

    fn fill_services(&self, tables: &impl Tables) {
        for (index, &displacement) in (0..).zip(&self.index.displacements) {
            tables.displacement(COPY, index).set(displacement);
        }
        for (from, &place) in self.entries.iter().zip(&self.index.places) {
            let entry = tables.service(COPY, place);
            entry.address[0].set(from.key.address[0]);
            entry.address[1].set(from.key.address[1]);
            entry.key.set(from.key.key);
            entry.flags.set(from.vip_flags);
            entry.id.set(0);
            entry.sources.set(0);
            let Some(site) = from.place else { continue };
            let hashed = Site::hashed(site);
            entry.flags.set(hashed.flags.get());
            entry.id.set(hashed.id.get());
            entry.sources.set(Site::list(site));
            entry.client_mask[0].set(hashed.client_mask[0].get());
            entry.client_mask[1].set(hashed.client_mask[1].get());
            entry.first_slot.set(first_slot(site));
            entry.slot_mask.set(SLOTS - 1);
        }
    }
}

/// The bits of `hash` that are in `mask`.
pub fn low_bits(hash: u64, mask: u32) -> u32 {
    u32::try_from(hash & u64::from(mask)).expect("masked")
}

fn first_slot(place: usize) -> u32 {
    u32::from(Site::number(place)) * SLOTS
}

fn fill_slots(tables: &impl Tables) {
    for (place, site) in SITES.iter().enumerate() {
        for index in 0..SLOTS {
            tables.slot(first_slot(place) + index).set(site.word(index));
        }
    }
}

fn fill_destinations(tables: &impl Tables) {
    for number in 1..=LAST_DESTINATION {
        let serves = |site: &Site| site.destinations().contains(&number);
        let Some(site) = SITES.iter().position(serves) else {
            continue;
        };
        let (mac, port, flags) = destination(number);
        let [d0, d1, d2, d3, d4, d5] = mac;
        let [s0, s1, s2, s3, s4, s5] = OUR_MAC;
        let entry = tables.destination(number);
        entry
            .macs_low
            .set(u64::from_le_bytes([d0, d1, d2, d3, d4, d5, s0, s1]));
        entry.macs_high.set(u32::from_le_bytes([s2, s3, s4, s5]));
        entry.port.set(port);
        entry.flags.set(flags);
        let [high, low] = real(number);
        entry.address[0].set(high);
        entry.address[1].set(low);
        entry.service.set(Site::number(site));
        let through = tunnel(number);
        let entry = tables.tunnel(number);
        entry.source[0].set(through.source[0]);
        entry.source[1].set(through.source[1]);
        entry.mtu.set(through.mtu);
        entry.port.set(through.port.to_be());
    }
}

fn fill_sources(subject: &impl Subject) {
    for (host, (v4, bits4), (v6, bits6), is_allowed) in SOURCES {
        let place = SITES.iter().position(|site| site.host == host);
        let list = Site::list(place.expect("it has a service"));
        let value = if is_allowed {
            source::ALLOWED
        } else {
            source::DENIED
        };
        let v4 = mapped(u32::from_le_bytes(v4));
        subject.set_source(&SourceKey::new(list, v4, 96 + bits4), value);
        let v6 = [
            u64::from_le_bytes([0x20, 0x01, 0x0d, 0xb8, 0, 0x0c, 0, 0]),
            u64::from(v6.swap_bytes()) << 48,
        ];
        subject.set_source(&SourceKey::new(list, v6, bits6), value);
    }
}

/// Empties the flow table and sets all counters to zero.
pub fn forget(tables: &impl Tables) {
    forget_up_to(LAST_NUMBER, tables);
}

/// The same, of destinations up to this number.
pub fn forget_up_to(last: u16, tables: &impl Tables) {
    for index in 0..=tables.settings().bucket_mask.get() {
        for entry in &tables.bucket(index).0 {
            entry.set(0);
        }
    }
    for number in 0..=last {
        let counter = tables.counter(number);
        counter.packets.set(0);
        counter.bytes.set(0);
        counter.connections.set(0);
        counter.untracked.set(0);
    }
    for outcome in &tables.outcomes().0 {
        outcome.set(0);
    }
    tables.budget().epoch.set(0);
    tables.budget().resets.set(0);
    tables.budget().errors.set(0);
    tables.control().retired.set(0);
}

/// The highest number that a destination can have.
pub const LAST_NUMBER: u16 = 8191;
const _: () = assert!(LAST_NUMBER as u32 == DESTINATIONS - 1);
