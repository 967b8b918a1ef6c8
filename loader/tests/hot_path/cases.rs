//! The packets whose way is counted, in the world of the fixtures.

use super::pair::EPOCH;
use crate::packets::site::{SITES, SLOTS, Site};
use crate::packets::subject::{Host, Subject};
use crate::packets::world::{OUR_MAC, World};
use xdp_prog::abi::Outcome;
use xdp_prog::abi::state::slot;
use xdp_prog::tables::Tables;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A packet, and what becomes of it.
pub struct Case {
    /// What it is.
    pub name: String,
    /// It came before, too.
    pub is_known: bool,
    /// The frame.
    pub frame: Vec<u8>,
    /// How its way ends.
    pub outcome: Outcome,
    /// Nearly all packets are like it: one of a flow that is under way and goes
    /// to a backend in the same network.
    pub is_steady: bool,
}

/// What a packet holds.
#[derive(Clone, Copy)]
enum Kind {
    /// TCP with data, of a connection.
    Data,
    /// TCP that opens one.
    Syn,
    Datagram,
}

/// The world of the fixtures, and a service of UDP without tracking, which that
/// has not: 192.0.2.17 and 2001:db8::11, port 53.
pub fn world() -> Host {
    let host = Host::at_epoch(EPOCH);
    World::new().fill(&host);
    let is_it = |site: &Site| (site.host, site.port) == (0x11, 53);
    let place = SITES.iter().position(is_it).expect("a service of UDP");
    let first = u32::from(Site::number(place)) * SLOTS;
    let owner = SITES[place].destinations()[0];
    for index in first..first + SLOTS {
        host.tables().slot(index).set(slot::settled(owner));
    }
    host
}

/// All cases, IPv4 first.
pub fn all() -> Vec<Case> {
    let of_versions = [false, true].map(|is_v6| {
        let steady = steady(is_v6);
        let others = others(is_v6);
        steady.into_iter().chain(others)
    });
    of_versions.into_iter().flatten().collect()
}

fn steady(is_v6: bool) -> Vec<Case> {
    let of = |name, is_known, kind, (host, port)| Case {
        name: named(is_v6, name),
        is_known,
        frame: frame(is_v6, kind, 50_000, (host, port)),
        outcome: Outcome::Forwarded,
        is_steady: true,
    };
    use Kind::{Data, Datagram, Syn};
    vec![
        of("established, settled", false, Data, (0x10, 80)),
        of("SYN, settled", false, Syn, (0x10, 80)),
        of("UDP, settled", false, Datagram, (0x11, 53)),
        of("established, affinity", false, Data, (0x17, 80)),
        of("established, unsettled", true, Data, (0x11, 80)),
        of("established, tracked", true, Data, (0x01, 80)),
        of("UDP, tracked", true, Datagram, (0x01, 53)),
    ]
}

fn others(is_v6: bool) -> Vec<Case> {
    // Of another port, so of a flow that is not known yet.
    let of = |name, kind, (host, port), outcome| Case {
        name: named(is_v6, name),
        is_known: false,
        frame: frame(is_v6, kind, 50_001, (host, port)),
        outcome,
        is_steady: false,
    };
    use Kind::{Data, Datagram, Syn};
    use Outcome::{Forwarded, NoService, NotVip, OtherStation};
    let mut cases = vec![
        of("established, unsettled, first", Data, (0x11, 80), Forwarded),
        of("SYN, unsettled, first", Syn, (0x12, 80), Forwarded),
        of("SYN, at random, first", Syn, (0x03, 80), Forwarded),
        of("to no VIP", Data, (0xc8, 80), NotVip),
        of("to another station", Data, (0x10, 80), OtherStation),
        of("no service", Syn, (0x10, 81), NoService),
        of("in IPv4", Data, (0x40, 80), Forwarded),
        of("in IPv6", Data, (0x41, 80), Forwarded),
        of("in GUE over IPv4", Data, (0x42, 80), Forwarded),
        of("in GUE over IPv6", Data, (0x43, 80), Forwarded),
        of("UDP in IPv4", Datagram, (0x40, 53), Forwarded),
    ];
    let another = cases.iter_mut().filter(|case| case.outcome == OtherStation);
    another.for_each(|case| case.frame[5] ^= 1);
    cases
}

fn named(is_v6: bool, name: &str) -> String {
    let version = if is_v6 { "v6" } else { "v4" };
    format!("{version} {name}")
}

/// A frame from a port of a client, 203.0.113.7 or 2001:db8:c::7, to a VIP of the
/// world: the last byte of its address, and a port.
fn frame(is_v6: bool, kind: Kind, from: u16, (host, port): (u8, u16)) -> Vec<u8> {
    let (protocol, segment) = segment(kind, [from, port]);
    let length = u16::try_from(segment.len()).expect("a short packet");
    let packet = if is_v6 {
        let [high, low] = length.to_be_bytes();
        let of = |network: u8, host: u8| {
            let mut address = [
                0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host,
            ];
            address[5] = network;
            address
        };
        let fixed = [0x60, 0, 0, 0, high, low, protocol, 64];
        [&fixed[..], &of(0x0c, 7), &of(0, host), &segment].concat()
    } else {
        let [high, low] = (20 + length).to_be_bytes();
        let fixed = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
        let addresses = [203, 0, 113, 7, 192, 0, 2, host];
        [&fixed[..], &addresses, &segment].concat()
    };
    let ether_type = if is_v6 { [0x86, 0xdd] } else { [0x08, 0x00] };
    let sender = [0x0a, 0x55, 0x66, 0x77, 0x88, 0x99];
    [&OUR_MAC[..], &sender, &ether_type, &packet].concat()
}

/// The protocol, and what stands behind the IP header: enough for some cache
/// lines that nobody is to touch.
fn segment(kind: Kind, ports: [u16; 2]) -> (u8, Vec<u8>) {
    let ports = ports.map(u16::to_be_bytes).concat();
    let flags = match kind {
        Kind::Data => 0x18,
        Kind::Syn => 0x02,
        Kind::Datagram => {
            let rest = [0, 208, 0, 0];
            return (UDP, [&ports[..], &rest, &[0; 200]].concat());
        }
    };
    let rest = [0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    (TCP, [&ports[..], &rest, &[0; 200]].concat())
}
