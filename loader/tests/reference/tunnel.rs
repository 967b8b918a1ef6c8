//! Into a tunnel: what does not go in, what is sent instead (RFC 792, RFC 1191,
//! RFC 1812, RFC 4443), and how a packet is wrapped up (RFC 2003, RFC 2473,
//! draft-ietf-intarea-gue).

use super::answer::{self, HOPS, adjusted, put, sum};
use super::fault::Fault;
use super::hash::Hash;
use super::outcome::Outcome;
use super::wire::{Content, ICMP, ICMPV6, Packet, UDP, number};
use super::world::{ERRORS, Tunnel, Way, World};
use std::net::IpAddr;

/// IP in IP.
const IPV4: u8 = 4;
const IPV6: u8 = 41;

/// Errors are no longer than what each way takes, so that they arrive.
const ERROR: usize = 576;
const ERROR_V6: usize = 1280;

/// No client of IPv6 may be told less.
const LEAST_V6: u16 = 1280;

/// What keeps a packet from going to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no interface to send it by.
    NoWay,
    /// No hop is left.
    Expired,
    /// This much fits the tunnel, and the packet does not.
    TooLong(u16),
    /// No length field could say how long it would be outside.
    Endless,
}

impl World {
    /// What keeps a packet from going to a destination.
    pub fn obstacle(&self, packet: &Packet, number: u16) -> Option<Obstacle> {
        let destination = &self.destinations[&number];
        let no_way = (destination.way == Way::Gone).then_some(Obstacle::NoWay);
        let Some(tunnel) = &destination.tunnel else {
            return no_way;
        };
        let too_long = self.too_long(packet, destination.address, tunnel);
        if packet.hops > 1 || self.errs(Fault::LengthBeforeHops) && too_long.is_some() {
            return match too_long {
                Some(Obstacle::Endless) => no_way.or(too_long),
                _ => too_long.or(no_way),
            };
        }
        Some(Obstacle::Expired)
    }

    fn too_long(&self, packet: &Packet, to: IpAddr, tunnel: &Tunnel) -> Option<Obstacle> {
        // The kernel takes a super-frame apart again, so it may be longer than
        // the way takes.
        if packet.length > self.mtu && !self.errs(Fault::SuperFrameIsTooLong) {
            // IPv6 does not count its own header.
            let header = if to.is_ipv4() { 20 } else { 0 };
            let udp = if tunnel.gue.is_some() { 8 } else { 0 };
            let outer = header + udp + packet.length;
            return (outer > u64::from(u16::MAX)).then_some(Obstacle::Endless);
        }
        let more = u64::from(self.errs(Fault::RoomIsOneMore));
        let is_too_long = packet.length > u64::from(tunnel.mtu) + more;
        is_too_long.then_some(Obstacle::TooLong(tunnel.mtu))
    }

    /// What becomes of a packet that cannot go; the client may be told.
    pub fn refuse(&mut self, frame: &mut Vec<u8>, packet: &Packet, obstacle: Obstacle) -> Outcome {
        let (answered, dropped, room) = match obstacle {
            Obstacle::NoWay => return Outcome::NoWayOut,
            Obstacle::Endless => return Outcome::TooBig,
            Obstacle::TooLong(room) => (Outcome::TooBigAnswered, Outcome::TooBig, Some(room)),
            Obstacle::Expired => (Outcome::TtlAnswered, Outcome::TtlExpired, None),
        };
        let is_due = match packet.content {
            Content::Tcp(_) | Content::Udp(_) => true,
            Content::Later => self.errs(Fault::FragmentIsAnswered),
            Content::Icmp(_) | Content::Nothing(_) => self.errs(Fault::ErrorIsAnswered),
        };
        let is_somebody = is_one_station(packet.source) || self.errs(Fault::AnyoneIsAnswered);
        let budget = ERRORS + u32::from(self.errs(Fault::OneErrorMore));
        if !is_due || !is_somebody || self.errors >= budget {
            return dropped;
        }
        self.errors += 1;
        *frame = error(frame, packet, room, self.fault);
        answered
    }
}

/// Whether an answer to this address can reach one station that sent the
/// packet: it is no group, nobody, or the host itself.
fn is_one_station(source: IpAddr) -> bool {
    let is_nobody = match source {
        // Class E, too, which is nobody's (RFC 1122, 3.2.2).
        IpAddr::V4(v4) => matches!(v4.octets()[0], 0 | 240..),
        IpAddr::V6(v6) => v6.is_unspecified(),
    };
    !is_nobody && !source.is_multicast() && !source.is_loopback()
}

/// Time exceeded, or how much fits: fragmentation needed, packet too big.
fn error(frame: &[u8], packet: &Packet, room: Option<u16>, fault: Option<Fault>) -> Vec<u8> {
    let is_v4 = packet.destination.is_ipv4();
    let (longest, protocol) = if is_v4 {
        (ERROR - 28, ICMP)
    } else {
        (ERROR_V6 - 48, ICMPV6)
    };
    let there = &frame[packet.at..packet.end];
    // Whole words.
    let quoted = there.len().min(longest) / 4 * 4;
    let mut quote = there[..quoted].to_vec();
    if fault == Some(Fault::QuoteIsChanged) {
        take_hop(&mut quote, is_v4, fault);
    }
    let kind_and_code = match (is_v4, room.is_some()) {
        (true, true) => [3, 4],
        (true, false) => [11, 0],
        (false, true) => [2, 0],
        (false, false) => [3, 0],
    };
    let told = match room {
        None => 0,
        Some(room) if is_v4 => room,
        Some(room) if fault == Some(Fault::NarrowIsTold) => room,
        Some(room) => room.max(LEAST_V6),
    };
    let mut message = kind_and_code.to_vec();
    message.extend([0, 0, 0, 0]);
    message.extend(told.to_be_bytes());
    message.extend(quote);
    answer::from_vip(frame, packet, protocol, (message, 2), fault)
}

/// Counts a hop in an IP header.
fn take_hop(header: &mut [u8], is_v4: bool, fault: Option<Fault>) {
    if !is_v4 {
        header[7] = header[7].wrapping_sub(1);
        return;
    }
    let before = number(header, 8).expect("a whole header");
    header[8] = header[8].wrapping_sub(1);
    let after = number(header, 8).expect("a whole header");
    if fault == Some(Fault::ChecksumStays) {
        return;
    }
    let checksum = number(header, 10).expect("a whole header");
    let checksum = adjusted(checksum, before, after, fault);
    put(header, 10, &checksum.to_be_bytes());
}

/// The frame with its packet inside another one, to this address through this
/// tunnel. Of the hash, routers see some bits.
pub fn wrapped(
    frame: &[u8],
    packet: &Packet,
    (to, tunnel): (IpAddr, &Tunnel),
    hash: Hash,
    fault: Option<Fault>,
) -> Vec<u8> {
    let is_v4 = packet.source.is_ipv4();
    let mut inner = frame[packet.at..].to_vec();
    if fault != Some(Fault::HopIsNotTaken) {
        take_hop(&mut inner, is_v4, fault);
    }
    let udp = tunnel.gue.map(|port| datagram(port, packet.length, hash));
    let protocol = match (&udp, is_v4) {
        (Some(_), _) => UDP,
        (None, true) => IPV4,
        (None, false) => IPV6,
    };
    let udp = udp.unwrap_or_default();
    let payload = packet.length + udp.len() as u64;
    let class = if fault == Some(Fault::ClassIsNotCopied) {
        0
    } else {
        packet.class
    };
    let (outer, ether_type) = match (tunnel.source, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let do_not_fragment = if fault == Some(Fault::OuterIsFragmented) {
                0
            } else {
                0x40
            };
            let mut header = vec![0x45, class];
            header.extend(short(20 + payload));
            header.extend([0, 0, do_not_fragment, 0, HOPS, protocol, 0, 0]);
            header.extend([from.octets(), to.octets()].concat());
            let checksum = !sum(&header, fault);
            put(&mut header, 10, &checksum.to_be_bytes());
            (header, [0x08, 0x00])
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            // A label of zero says that there is none.
            let label = ((hash.0 >> 12) & 0xf_ffff).max(1);
            let first = 6 << 28 | u64::from(class) << 20 | label;
            let mut header = first.to_be_bytes()[4..].to_vec();
            header.extend(short(payload));
            header.extend([protocol, HOPS]);
            header.extend([from.octets(), to.octets()].concat());
            (header, [0x86, 0xdd])
        }
        _ => unreachable!("both ends of a tunnel are of one family"),
    };
    let mut link = frame[..packet.at].to_vec();
    if fault != Some(Fault::EtherTypeStays) {
        put(&mut link, packet.at - 2, &ether_type);
    }
    [link, outer, udp, inner].concat()
}

/// The header of UDP around so much, without a checksum.
fn datagram(port: u16, length: u64, hash: Hash) -> Vec<u8> {
    let mut header = short(49_152 + hash.0 % (1 << 14)).to_vec();
    header.extend(port.to_be_bytes());
    header.extend(short(8 + length));
    header.extend([0, 0]);
    header
}

fn short(number: u64) -> [u8; 2] {
    u16::try_from(number).expect("what fits").to_be_bytes()
}
