//! The one world that all fixtures live in.
//!
//! The balancer has MAC 02:00:00:00:00:01 on port 0, where packets come in.
//! Port 1 is another interface (in the kernel: `lo`), port 2 is none.
//! Clients are in 203.0.113.0/24.
//!
//! | service          | destination | its MAC           | remark              |
//! |------------------|-------------|-------------------|---------------------|
//! | 192.0.2.1:80 tcp | 1           | 02:00:00:00:00:09 | real 198.51.100.9   |
//! | 192.0.2.1:53 udp | 2           | 02:00:00:00:00:0a |                     |
//! | 192.0.2.3:80 tcp | 3           | 02:00:00:00:00:0b | the half of all slots |
//! |                  | 4           | fe:dc:ba:98:76:54 | the other half      |
//! | 192.0.2.2:80 tcp | none        |                   | no backend          |
//! | 192.0.2.4:80 tcp | 5           | 02:00:00:00:00:0d | behind port 1       |
//! | 192.0.2.5:80 tcp | 6           | 02:00:00:00:00:0e | behind port 2       |
//! | 192.0.2.6:80 tcp | 7           | 02:00:00:00:00:0f | the VIP is the host's own, too |

use xdp_prog::abi::limits::{DISPLACEMENTS, SERVICE_PLACES};
use xdp_prog::abi::state::{destination, mapped, service, service_key, slot};
use xdp_prog::select::Flow;
use xdp_prog::select::index::{self, Index, Key};
use xdp_prog::tables::Tables;

/// The port that this program is attached to.
pub const PORT: u16 = 0;
/// Another port, whose interface packets can be sent out of.
pub const OTHER_PORT: u16 = 1;
/// A port without an interface.
const NO_PORT: u16 = 2;
/// Interface of ports 0 and 1: in every network namespace that of `lo`.
pub const INTERFACE: u32 = 1;

/// MAC of port 0.
pub const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A service of the world.
pub struct Site {
    /// Its VIP.
    pub address: [u8; 4],
    /// Its port.
    pub port: u16,
    /// Its protocol.
    pub protocol: u8,
    /// Its destinations, which share its slots.
    pub destinations: &'static [u16],
    flags: u16,
}

impl Site {
    const fn new(host: u8, port: u16, protocol: u8, destinations: &'static [u16]) -> Self {
        Self {
            address: [192, 0, 2, host],
            port,
            protocol,
            destinations,
            flags: 0,
        }
    }

    /// Who owns a slot. Two destinations alternate, but not in step with any
    /// bit of the index.
    fn owner(&self, slot: u32) -> u16 {
        let turn = (slot ^ slot >> 1 ^ slot >> 3 ^ slot >> 6) as usize;
        match self.destinations.len() {
            0 => 0,
            n => self.destinations[turn % n],
        }
    }
}

/// All services. A service's number is its place here, plus one.
pub const SITES: [Site; 7] = [
    Site::new(1, 80, TCP, &[1]),
    Site::new(1, 53, UDP, &[2]),
    Site::new(3, 80, TCP, &[3, 4]),
    Site::new(2, 80, TCP, &[]),
    Site::new(4, 80, TCP, &[5]),
    Site::new(5, 80, TCP, &[6]),
    Site {
        flags: service::LOCAL,
        ..Site::new(6, 80, TCP, &[7])
    },
];

/// MAC and port of each destination, from number 1 on.
const DESTINATIONS: [([u8; 6], u16); 7] = [
    ([2, 0, 0, 0, 0, 0x09], PORT),
    ([2, 0, 0, 0, 0, 0x0a], PORT),
    ([2, 0, 0, 0, 0, 0x0b], PORT),
    ([0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54], PORT),
    ([2, 0, 0, 0, 0, 0x0d], OTHER_PORT),
    ([2, 0, 0, 0, 0, 0x0e], NO_PORT),
    ([2, 0, 0, 0, 0, 0x0f], PORT),
];

/// Slots of each service that has a backend.
const SLOTS: u32 = 256;

/// The copy of the service table that is in force. Not the first one, and the
/// other one stays empty.
const COPY: u32 = 1;

/// Keys of the flow hash. Any would do; with these the fixtures' flows have
/// the slots that their sentences say.
const KEYS: [u64; 5] = [
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
    0x4528_21e6_38d0_1377,
];

/// The world, ready to be written into tables.
pub struct World {
    keys: Vec<Key>,
    index: Index,
}

impl World {
    /// Finds places for the services and their VIPs.
    pub fn new() -> Self {
        let mut keys: Vec<Key> = SITES
            .iter()
            .map(|site| Key {
                address: mapped(u32::from_le_bytes(site.address)),
                key: service_key(site.port.to_be_bytes(), site.protocol),
            })
            .collect();
        for site in &SITES {
            let vip = Key {
                address: mapped(u32::from_le_bytes(site.address)),
                key: service_key([0, 0], 0),
            };
            if !keys.contains(&vip) {
                keys.push(vip);
            }
        }
        let index = index::build(&keys).expect("a dozen keys fit");
        Self { keys, index }
    }

    /// Writes the world into `tables`, which forget all flows and counters.
    pub fn fill(&self, tables: &impl Tables) {
        let settings = tables.settings();
        assert_eq!(settings.port.get(), u32::from(PORT));
        assert_eq!(settings.service_mask.get(), SERVICE_PLACES - 1);
        assert_eq!(settings.displacement_mask.get(), DISPLACEMENTS - 1);

        let control = tables.control();
        control.active.set(COPY);
        control.trace.set(0);
        control.seeds[COPY as usize].set(self.index.seed);
        for (word, key) in control.keys.iter().zip(KEYS) {
            word.set(key);
        }
        let [m0, m1, m2, m3, m4, m5] = OUR_MAC;
        tables
            .port()
            .mac
            .set(u64::from_le_bytes([m0, m1, m2, m3, m4, m5, 0, 0]));
        tables.port().interface.set(INTERFACE);
        self.fill_services(tables);
        fill_destinations(tables);
        forget(tables);
    }

    fn fill_services(&self, tables: &impl Tables) {
        for (index, &displacement) in (0..).zip(&self.index.displacements) {
            tables.displacement(COPY, index).set(displacement);
        }
        for (n, (key, &place)) in self.keys.iter().zip(&self.index.places).enumerate() {
            let entry = tables.service(COPY, place);
            let site = SITES.get(n);
            let vip_flags = || {
                let same = |site: &&Site| mapped(u32::from_le_bytes(site.address)) == key.address;
                SITES.iter().filter(same).fold(0, |all, s| all | s.flags)
            };
            entry.address[0].set(key.address[0]);
            entry.address[1].set(key.address[1]);
            entry.key.set(key.key);
            entry
                .flags
                .set(if site.is_some() { 0 } else { vip_flags() });
            entry.id.set(site.map_or(0, |_| number(n)));
            let Some(site) = site else { continue };
            let first = u32::from(number(n)) * SLOTS;
            entry.first_slot.set(first);
            entry.slot_mask.set(SLOTS - 1);
            for index in 0..SLOTS {
                let owner = site.owner(index);
                tables.slot(first + index).set(slot::settled(owner));
            }
        }
    }

    /// The service that a flow is for.
    pub fn site(&self, flow: &Flow) -> Option<&'static Site> {
        SITES.iter().find(|site| {
            site.address == flow.destination.to_le_bytes()
                && site.port.to_be_bytes() == flow.port()
                && site.protocol == flow.protocol
        })
    }
}

impl Site {
    /// The owner of the slot of a hash: the flow's own, or its roll.
    pub fn owner_of(&self, hash: u64) -> u16 {
        self.owner(low_bits(hash >> 40, SLOTS - 1))
    }
}

/// The bits of `hash` that are in `mask`.
pub fn low_bits(hash: u64, mask: u32) -> u32 {
    u32::try_from(hash & u64::from(mask)).expect("masked")
}

/// The number of the service at a place of [`SITES`].
fn number(place: usize) -> u16 {
    u16::try_from(place + 1).expect("a few services")
}

fn fill_destinations(tables: &impl Tables) {
    for (number, (mac, port)) in (1..).zip(DESTINATIONS) {
        let [d0, d1, d2, d3, d4, d5] = mac;
        let [s0, s1, s2, s3, s4, s5] = OUR_MAC;
        let serves = |site: &Site| site.destinations.contains(&number);
        let site = SITES.iter().position(serves).expect("it serves one");
        let entry = tables.destination(number);
        entry
            .macs_low
            .set(u64::from_le_bytes([d0, d1, d2, d3, d4, d5, s0, s1]));
        entry.macs_high.set(u32::from_le_bytes([s2, s3, s4, s5]));
        entry.port.set(port);
        entry.flags.set(destination::LIVE);
        let real = [198, 51, 100, 8 + u8::try_from(number).expect("a few")];
        let real = mapped(u32::from_le_bytes(real));
        entry.address[0].set(real[0]);
        entry.address[1].set(real[1]);
        entry.service.set(self::number(site));
    }
}

/// Empties the flow table and sets all counters to zero.
fn forget(tables: &impl Tables) {
    for index in 0..=tables.settings().bucket_mask.get() {
        for entry in &tables.bucket(index).0 {
            entry.set(0);
        }
    }
    for number in 0..=destination_mask(tables) {
        let counter = tables.counter(number);
        counter.packets.set(0);
        counter.bytes.set(0);
        counter.connections.set(0);
    }
    for outcome in &tables.outcomes().0 {
        outcome.set(0);
    }
    tables.control().retired.set(0);
}

/// The highest number that a destination can have.
pub fn destination_mask(tables: &impl Tables) -> u16 {
    let count = 1_u32 << tables.settings().destination_bits.get();
    u16::try_from(count - 1).expect("its number has 16 bits")
}
