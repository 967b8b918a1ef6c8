//! The services of the world, and its destinations.

use super::flow::Flow;
use super::world::{OTHER_PORT, PORT, low_bits};
use xdp_prog::abi::Service;
use xdp_prog::abi::state::{destination, mapped, service, slot};

/// Slots of each service that has a backend.
pub const SLOTS: u32 = 256;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A service. Its VIPs are 192.0.2.`host` and 2001:db8::`host`.
pub struct Site {
    /// The last byte of its VIPs.
    pub host: u8,
    /// Its port; 0 for any.
    pub port: u16,
    /// Its protocol.
    pub protocol: u8,
    /// Who has its slots.
    pub slots: Slots,
    /// Its flags.
    pub flags: u16,
    /// The flags of its VIPs.
    pub vip_flags: u16,
}

/// Who has a service's slots.
pub enum Slots {
    /// These, who share them; if it is nobody, there is no backend.
    Settled(&'static [u16]),
    /// All: the first; those established before: the second.
    Unsettled(u16, u16),
}

/// Prefixes of sources in the lists: service's host, IPv4 prefix, IPv6 prefix,
/// and whether they are allowed.
pub const SOURCES: [(u8, Prefix4, Prefix6, bool); 4] = [
    (24, ([203, 0, 113, 128], 25), (0x8000, 113), false),
    (24, ([203, 0, 113, 192], 26), (0xc000, 114), true),
    (25, ([203, 0, 113, 0], 25), (0x0000, 113), true),
    (25, ([203, 0, 113, 64], 26), (0x4000, 114), false),
];

/// An address, and how many bits of it count.
pub type Prefix4 = ([u8; 4], u8);
/// The last 16 bits of 2001:db8:c::, and how many bits of it count.
pub type Prefix6 = (u16, u8);

/// The flags of services that remember every flow, and spread new connections
/// at random.
const RANDOM: u16 = service::TRACK_ALL | service::RANDOM;

/// All services. A service's number is its place here, plus one.
pub const SITES: [Site; 38] = [
    site(1, 80, TCP, Slots::Settled(&[1]), RANDOM),
    site(1, 53, UDP, Slots::Settled(&[2]), RANDOM),
    site(3, 80, TCP, Slots::Settled(&[3, 4]), RANDOM),
    site(2, 80, TCP, Slots::Settled(&[]), RANDOM),
    site(4, 80, TCP, Slots::Settled(&[5]), RANDOM),
    site(5, 80, TCP, Slots::Settled(&[6]), RANDOM),
    site(6, 80, TCP, Slots::Settled(&[7]), RANDOM).vip(service::LOCAL),
    // Changes are tracked, and nothing else.
    site(16, 80, TCP, Slots::Settled(&[8, 9]), 0),
    site(17, 80, TCP, Slots::Unsettled(10, 11), 0),
    site(17, 53, UDP, Slots::Unsettled(12, 13), 0),
    site(18, 80, TCP, Slots::Unsettled(14, 15), 0),
    site(19, 80, TCP, Slots::Unsettled(16, 17), 0),
    site(20, 80, TCP, Slots::Unsettled(18, 19), 0),
    site(21, 80, TCP, Slots::Unsettled(20, 0), 0),
    site(22, 80, TCP, Slots::Unsettled(21, 22), service::TRACK_NONE),
    site(23, 80, TCP, Slots::Settled(&[23, 24]), service::CLIENT),
    site(23, 81, TCP, Slots::Unsettled(25, 26), service::CLIENT),
    site(24, 80, TCP, Slots::Settled(&[27]), service::SOURCES),
    site(25, 80, TCP, Slots::Settled(&[28]), CLOSED),
    site(26, 0, TCP, Slots::Settled(&[29]), 0).vip(service::ANY_TCP),
    site(26, 443, TCP, Slots::Settled(&[30]), 0),
    site(27, 0, UDP, Slots::Settled(&[31]), RANDOM).vip(service::ANY_UDP),
    site(28, 80, TCP, Slots::Settled(&[32]), 0).vip(service::NO_ECHO),
    // Behind tunnels, see `tunnel`.
    site(64, 80, TCP, Slots::Settled(&[64]), 0),
    site(65, 80, TCP, Slots::Settled(&[65]), 0),
    site(66, 80, TCP, Slots::Settled(&[66]), 0),
    site(67, 80, TCP, Slots::Settled(&[67]), 0),
    site(68, 80, TCP, Slots::Settled(&[68]), 0),
    site(69, 80, TCP, Slots::Settled(&[69]), 0),
    site(70, 80, TCP, Slots::Settled(&[70]), 0),
    site(71, 80, TCP, Slots::Settled(&[71]), service::CLIENT),
    site(64, 53, UDP, Slots::Settled(&[72]), 0),
    site(67, 53, UDP, Slots::Settled(&[73]), 0),
    site(74, 80, TCP, Slots::Unsettled(74, 75), 0),
    site(76, 80, TCP, Slots::Settled(&[76, 77]), RANDOM),
    site(70, 53, UDP, Slots::Settled(&[78]), 0),
    // This host is one of its own backends, and so holds the VIP.
    site(29, 80, TCP, Slots::Settled(&[33, 34]), 0).vip(service::LOCAL),
    site(29, 53, UDP, Slots::Unsettled(35, 36), 0).vip(service::LOCAL),
];

const CLOSED: u16 = service::SOURCES | service::SOURCES_CLOSED;

/// The highest number of a destination.
pub const LAST_DESTINATION: u16 = 78;

const fn site(host: u8, port: u16, protocol: u8, slots: Slots, flags: u16) -> Site {
    Site {
        host,
        port,
        protocol,
        slots,
        flags,
        vip_flags: 0,
    }
}

/// The VIP of this host as the table has it.
pub fn vips(host: u8) -> [[u64; 2]; 2] {
    let v6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0];
    [
        mapped(u32::from_le_bytes([192, 0, 2, host])),
        [u64::from_le_bytes(v6), u64::from(host) << 56],
    ]
}

impl Site {
    const fn vip(self, vip_flags: u16) -> Self {
        Self { vip_flags, ..self }
    }

    /// The number of the service at a place of [`SITES`].
    pub fn number(place: usize) -> u16 {
        u16::try_from(place + 1).expect("a few services")
    }

    /// The number of its list of sources, which is not that of the service.
    pub fn list(place: usize) -> u16 {
        Self::number(place) + 100
    }

    /// The service that a flow is for.
    pub fn of(flow: &Flow) -> Option<(usize, &'static Self)> {
        let is_at = |site: &Self, port: u16| {
            vips(site.host).contains(&flow.vip())
                && site.port == port
                && site.protocol == flow.protocol()
        };
        let find = |port| SITES.iter().enumerate().find(|(_, site)| is_at(site, port));
        find(flow.port()).or_else(|| find(0))
    }

    /// What the hash of flows wants to know of a service.
    pub fn hashed(place: usize) -> Service {
        let service = Service::default();
        service.id.set(Self::number(place));
        service.flags.set(SITES[place].flags);
        let [high, low] = CLIENT_MASK;
        service.client_mask[0].set(high);
        service.client_mask[1].set(low);
        service
    }

    /// Its destinations.
    pub fn destinations(&self) -> Vec<u16> {
        match self.slots {
            Slots::Settled(all) => all.to_vec(),
            Slots::Unsettled(current, previous) => vec![current, previous],
        }
    }

    /// What one of its slots holds. Two destinations that share them alternate,
    /// but not in step with any bit of the index.
    pub fn word(&self, index: u32) -> u32 {
        let turn = (index ^ index >> 1 ^ index >> 3 ^ index >> 6) as usize;
        match self.slots {
            Slots::Settled([]) => slot::settled(0),
            Slots::Settled(all) => slot::settled(all[turn % all.len()]),
            Slots::Unsettled(current, previous) => slot::unsettled(current, previous),
        }
    }

    /// The owner of the slot of a hash: the flow's own, or its roll.
    pub fn owner_of(&self, hash: u64) -> u16 {
        slot::current(self.word(low_bits(hash >> 40, SLOTS - 1)))
    }

    /// Whether its flows are entered in the flow table.
    pub fn remembers(&self) -> bool {
        let is_unsettled = matches!(self.slots, Slots::Unsettled(..));
        self.flags & service::TRACK_ALL != 0
            || is_unsettled && self.flags & service::TRACK_NONE == 0
    }
}

/// Clients are alike whose addresses differ in the last byte only.
const CLIENT_MASK: [u64; 2] = [
    u64::MAX,
    u64::from_le_bytes([255, 255, 255, 255, 255, 255, 255, 0]),
];

/// A destination's MAC, port and flags.
pub fn destination(number: u16) -> ([u8; 6], u16, u16) {
    let last = u8::try_from(8 + number).expect("a few destinations");
    let live = destination::LIVE;
    let out = live | destination::OUT;
    let plain = ([2, 0, 0, 0, 0, last], PORT, live);
    let (mac, port, flags) = plain;
    match number {
        4 => ([0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54], port, flags),
        // Behind another interface, and behind none.
        5 => (mac, OTHER_PORT, flags),
        // This host itself.
        33 | 36 => (mac, destination::HERE, flags),
        6 => (mac, OTHER_PORT + 1, flags),
        // Down; down, and its clients are told; given up.
        15 => (mac, port, out),
        17 => (mac, port, out | destination::RESET),
        19 => (mac, port, 0),
        // Behind tunnels; over other interfaces, too.
        64 | 65 | 70 | 71 | 72 | 75 | 77 => (mac, port, flags | destination::TUNNEL),
        66 | 67 | 73 | 78 => (mac, port, flags | GUE),
        68 => (mac, OTHER_PORT, flags | destination::TUNNEL),
        69 => (mac, OTHER_PORT + 1, flags | destination::TUNNEL),
        _ => plain,
    }
}

const GUE: u16 = destination::TUNNEL | destination::GUE;

/// The tunnel to a destination, if it is behind one.
pub struct Through {
    /// Our own address, in the form of the table.
    pub source: [u64; 2],
    /// The longest packet that fits inside.
    pub mtu: u16,
    /// GUE's port.
    pub port: u16,
}

/// The port of GUE.
const GUE_PORT: u16 = 6080;

/// The address of a destination, in the form of the table: 198.51.100.(8 + N),
/// or 2001:db8:1::(8 + N).
pub fn real(number: u16) -> [u64; 2] {
    let last = u8::try_from(8 + number).expect("a few destinations");
    if is_over_v6(number) {
        over_v6(last)
    } else {
        mapped(u32::from_le_bytes([198, 51, 100, last]))
    }
}

/// Whether the tunnel to a destination is one of IPv6.
fn is_over_v6(number: u16) -> bool {
    matches!(number, 65 | 67 | 71 | 73)
}

fn over_v6(last: u8) -> [u64; 2] {
    let high = [0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0];
    [u64::from_le_bytes(high), u64::from(last) << 56]
}

/// The tunnel to a destination. Destinations without one have one, too: nobody
/// may use it.
pub fn tunnel(number: u16) -> Through {
    let (_, _, flags) = destination(number);
    let outer = if is_over_v6(number) { 40 } else { 20 };
    let udp = if flags & destination::GUE != 0 { 8 } else { 0 };
    Through {
        source: if is_over_v6(number) {
            over_v6(1)
        } else {
            mapped(u32::from_le_bytes([198, 51, 100, 1]))
        },
        // The path to these is narrow.
        mtu: match number {
            70 | 78 => 600 - outer - udp,
            _ => 1500 - outer - udp,
        },
        port: GUE_PORT,
    }
}
