//! The balancer's world: what an operator has configured, and what has become
//! of it.

use super::fault::Fault;
use super::flows::FlowTable;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// TCP resets that one CPU sends in one epoch.
pub const RESETS: u32 = 10_000;

/// ICMP errors that one CPU sends in one epoch.
pub const ERRORS: u32 = 1_000;

/// The reference balancer, with one interface that packets come in by.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The MAC of that interface.
    pub station: [u8; 6],
    /// Its MTU. What is longer the kernel has put together.
    pub mtu: u64,
    /// Virtual addresses.
    pub vips: HashMap<IpAddr, Vip>,
    /// Which service listens where.
    pub listeners: HashMap<Listener, u16>,
    /// Services by their numbers.
    pub services: BTreeMap<u16, Service>,
    /// Destinations by their numbers.
    pub destinations: BTreeMap<u16, Destination>,
    /// Keys of the flow hash: five, and four that IPv6 and clients take.
    pub keys: ([u64; 5], [u64; 4]),
    /// The flow table.
    pub flows: FlowTable,
    /// Where first fragments went.
    pub fragments: HashMap<FragmentId, u16>,
    /// Resets sent in this epoch.
    pub resets: u32,
    /// ICMP errors sent in this epoch.
    pub errors: u32,
    /// What is done wrong.
    pub fault: Option<Fault>,
}

/// A virtual address.
#[derive(Clone, Copy, Debug)]
pub struct Vip {
    /// It is an address of the balancer's host, too.
    pub is_local: bool,
    /// Echo requests are answered.
    pub answers_echo: bool,
}

/// Where a service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener {
    /// At this address,
    pub vip: IpAddr,
    /// for this protocol,
    pub protocol: u8,
    /// at this port, or at any that no other service has.
    pub port: Option<u16>,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// New connections go to random backends.
    pub is_random: bool,
    /// Which flows are remembered.
    pub tracking: Tracking,
    /// Bits of a client's address (IPv4, IPv6) that its flows have in common, if
    /// all of them go to one backend.
    pub affinity: Option<(u8, u8)>,
    /// Who is served.
    pub sources: Sources,
    /// Its slots: a power of two of them.
    pub slots: Vec<Slot>,
}

/// Which flows are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Those of unsettled slots.
    Changed,
    /// All.
    All,
    /// None.
    None,
}

/// Which clients a service serves.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Prefixes, their lengths, and whether their clients are served.
    pub prefixes: Vec<(IpAddr, u8, bool)>,
    /// Clients of no prefix are not served.
    pub is_closed: bool,
}

/// A slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Who gets new flows.
    pub current: Option<u16>,
    /// Unsettled: there may be flows of others.
    pub unsettled: bool,
    /// Then: who has the flows that were established before and are unknown.
    pub previous: Option<u16>,
}

/// One backend of one service.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its service.
    pub service: u16,
    /// Its MAC.
    pub mac: [u8; 6],
    /// Ours, as it sees it.
    pub from: [u8; 6],
    /// How it is reached.
    pub way: Way,
    /// Its own address.
    pub address: IpAddr,
    /// What packets to it are wrapped up in, if they are.
    pub tunnel: Option<Tunnel>,
    /// What it is.
    pub state: State,
    /// What was sent to it.
    pub count: Count,
}

/// How a destination is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the interface that packets come in by.
    Back,
    /// By another one.
    Other,
    /// By one that is gone.
    Gone,
    /// It is the balancer's own host.
    Here,
}

/// What packets to a destination are wrapped up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The outer source.
    pub source: IpAddr,
    /// The longest packet that fits inside.
    pub mtu: u16,
    /// The port of GUE; without one it is IP in IP.
    pub gue: Option<u16>,
}

/// What a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A backend that flows may go to.
    Live,
    /// A backend that is out at once.
    Out,
    /// The same, and clients of its connections are told.
    OutTold,
    /// No backend any more.
    GivenUp,
}

/// What was sent to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of IP.
    pub bytes: u64,
    /// TCP connections opened.
    pub connections: u64,
    /// Flows that found no room.
    pub untracked: u64,
}

/// What the fragments of one packet have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentId {
    /// Where they come from.
    pub source: IpAddr,
    /// Where they go.
    pub destination: IpAddr,
    /// IPv4's protocol, or what the fragment header names.
    pub protocol: u8,
    /// Their number; IPv4's has 16 bits.
    pub identification: u32,
}

impl Slot {
    /// A slot that all flows agree about.
    pub fn settled(owner: Option<u16>) -> Self {
        Self {
            current: owner,
            unsettled: false,
            previous: None,
        }
    }
}

impl World {
    /// Whether this mistake is to be made.
    pub fn errs(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// The service that takes a packet: the one of this port, else the one of
    /// any.
    pub fn service_at(&self, vip: IpAddr, protocol: u8, port: u16) -> Option<u16> {
        let mut ports = [Some(port), None];
        if self.errs(Fault::AnyPortFirst) {
            ports.reverse();
        }
        let at = |port| {
            self.listeners.get(&Listener {
                vip,
                protocol,
                port,
            })
        };
        ports.into_iter().find_map(at).copied()
    }

    /// Whether a service serves a client: of the prefixes that it is in, the
    /// longest decides.
    pub fn serves(&self, sources: &Sources, client: IpAddr) -> bool {
        let matching = sources
            .prefixes
            .iter()
            .filter(|(prefix, bits, _)| is_in(client, *prefix, *bits));
        let decisive = if self.errs(Fault::ShortestPrefixDecides) {
            matching.min_by_key(|(_, bits, _)| *bits)
        } else {
            matching.max_by_key(|(_, bits, _)| *bits)
        };
        decisive.map_or(!sources.is_closed, |(_, _, is_served)| *is_served)
    }

    /// What this destination is.
    pub fn state(&self, destination: u16) -> State {
        let state = self.destinations[&destination].state;
        match state {
            State::Out | State::OutTold if self.errs(Fault::OutIsIgnored) => State::Live,
            State::GivenUp if self.errs(Fault::GivenUpIsIgnored) => State::Live,
            state => state,
        }
    }
}

/// Whether an address is in a prefix of this many bits.
fn is_in(address: IpAddr, prefix: IpAddr, bits: u8) -> bool {
    let equal_bits = |a: &[u8], b: &[u8]| {
        (0..usize::from(bits)).all(|n| (a[n / 8] ^ b[n / 8]) & (0x80 >> (n % 8)) == 0)
    };
    // A mapped address is the one that it maps.
    match (address.to_canonical(), prefix) {
        (IpAddr::V4(address), IpAddr::V4(prefix)) => {
            equal_bits(&address.octets(), &prefix.octets())
        }
        (IpAddr::V6(address), IpAddr::V6(prefix)) => {
            equal_bits(&address.octets(), &prefix.octets())
        }
        _ => false,
    }
}
