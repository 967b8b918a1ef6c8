//! Reading a frame: IEEE 802.1Q, RFC 791, RFC 8200, RFC 9293, RFC 768.

use super::fault::Fault;
use super::outcome::Outcome;
use super::world::FragmentId;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Protocol numbers.
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
pub const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// As many extension headers are read over.
const EXTENSION_HEADERS: usize = 6;

/// No header that starts farther into the frame is read.
pub const REACH: usize = 512;

/// What stands before the IP header.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Whom the frame is for.
    pub station: [u8; 6],
    /// Where the IP header starts.
    pub at: usize,
    /// Whether the EtherType says IPv6.
    pub is_v6: bool,
}

/// An IP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Where its header starts in the frame.
    pub at: usize,
    /// Where it ends in the frame.
    pub end: usize,
    /// Its sender.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
    /// Its service type or traffic class, congestion bits among it.
    pub class: u8,
    /// Its time to live or hop limit.
    pub hops: u8,
    /// Its length as it says itself: what is counted.
    pub length: u64,
    /// Set on fragments.
    pub fragment: Option<FragmentId>,
    /// What it carries.
    pub content: Content,
}

/// What a packet carries. Places are counted from the frame's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A TCP segment that starts here.
    Tcp(usize),
    /// A datagram that starts here.
    Udp(usize),
    /// A control message of the packet's family that starts here.
    Icmp(usize),
    /// A later fragment, which has no ports.
    Later,
    /// Something that cannot be balanced.
    Nothing(Outcome),
}

/// `N` bytes of a frame, or `None` if it ends before.
pub fn bytes<const N: usize>(frame: &[u8], at: usize) -> Option<[u8; N]> {
    frame.get(at..at + N)?.try_into().ok()
}

/// A number of two bytes.
pub fn number(frame: &[u8], at: usize) -> Option<u16> {
    bytes(frame, at).map(u16::from_be_bytes)
}

/// Reads over the MACs and up to two VLAN tags.
pub fn link(frame: &[u8], fault: Option<Fault>) -> Result<Link, Outcome> {
    let station = bytes(frame, 0).ok_or(Outcome::BadHeader)?;
    let mut at = 12;
    let tags = if fault == Some(Fault::VlanIsIgnored) {
        0
    } else {
        2
    };
    for tag in 0..=tags {
        let ether_type = number(frame, at).ok_or(Outcome::BadHeader)?;
        let is_v6 = match ether_type {
            0x0800 => false,
            0x86dd => true,
            0x8100 | 0x88a8 if tag < tags => {
                at += 4;
                continue;
            }
            _ => return Err(Outcome::NotIp),
        };
        return Ok(Link {
            station,
            at: at + 2,
            is_v6,
        });
    }
    Err(Outcome::NotIp)
}

/// Reads the IP packet that starts here; `None` if its header is cut off or
/// none.
pub fn packet(frame: &[u8], link: &Link, fault: Option<Fault>) -> Option<Packet> {
    let version = frame.get(link.at)? >> 4;
    match (link.is_v6, version) {
        (false, 4) => v4(frame, link.at, fault),
        (true, 6) => v6(frame, link.at, fault),
        _ => None,
    }
}

fn v4(frame: &[u8], at: usize, fault: Option<Fault>) -> Option<Packet> {
    let header: [u8; 20] = bytes(frame, at)?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header_length < 20 {
        return None;
    }
    let total = u16::from_be_bytes([header[2], header[3]]);
    let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    let destination = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
    let field = u16::from_be_bytes([header[6], header[7]]);
    let (more, offset) = (field & 0x2000 != 0, field & 0x1fff);
    let protocol = header[9];
    let mut packet = Packet {
        at,
        end: frame.len().min(at + usize::from(total)),
        source: source.into(),
        destination: destination.into(),
        class: header[1],
        hops: header[8],
        length: total.into(),
        fragment: None,
        content: Content::Later,
    };
    if fault == Some(Fault::PaddingBelongs) {
        packet.end = frame.len();
    }
    if more || offset > 0 {
        let identification = u16::from_be_bytes([header[4], header[5]]);
        packet.fragment = Some(packet.fragment_id(protocol, identification.into(), fault));
    }
    if offset == 0 {
        let is_fixed = fault == Some(Fault::PortsAtFixedOffset);
        let payload = at + if is_fixed { 20 } else { header_length };
        packet.content = packet.upper(protocol, payload, ICMP);
    }
    Some(packet)
}

fn v6(frame: &[u8], at: usize, fault: Option<Fault>) -> Option<Packet> {
    let header: [u8; 40] = bytes(frame, at)?;
    let payload = u16::from_be_bytes([header[4], header[5]]);
    let source: [u8; 16] = bytes(&header, 8)?;
    let destination: [u8; 16] = bytes(&header, 24)?;
    let mut packet = Packet {
        at,
        end: frame.len().min(at + 40 + usize::from(payload)),
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        class: header[0] << 4 | header[1] >> 4,
        hops: header[7],
        length: 40 + u64::from(payload),
        fragment: None,
        content: Content::Later,
    };
    if fault == Some(Fault::PaddingBelongs) {
        packet.end = frame.len();
    }
    packet.content = packet.behind_extensions(frame, header[6], fault);
    Some(packet)
}

impl Packet {
    fn fragment_id(&self, protocol: u8, identification: u32, fault: Option<Fault>) -> FragmentId {
        let is_any = fault == Some(Fault::FragmentsOfAnyProtocol);
        FragmentId {
            source: self.source,
            destination: self.destination,
            protocol: if is_any { 0 } else { protocol },
            identification,
        }
    }

    /// Follows the extension headers of IPv6, and notes a fragment header.
    fn behind_extensions(&mut self, frame: &[u8], first: u8, fault: Option<Fault>) -> Content {
        let unreadable = Content::Nothing(Outcome::ExtensionHeader);
        let more = usize::from(fault == Some(Fault::SevenExtensionHeaders));
        let reach = if fault == Some(Fault::ReachIsEndless) {
            usize::MAX
        } else {
            REACH
        };
        let (mut next, mut at) = (first, self.at + 40);
        let mut count = 0;
        while [HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION_OPTIONS].contains(&next) {
            count += 1;
            if count > EXTENSION_HEADERS + more || at > reach || at + 8 > self.end {
                return unreadable;
            }
            let Some(header) = bytes::<8>(frame, at) else {
                return unreadable;
            };
            let mut length = 8 * (usize::from(header[1]) + 1);
            if next == FRAGMENT {
                length = 8;
                let field = u16::from_be_bytes([header[2], header[3]]);
                let (offset, more) = (field >> 3, field & 1 != 0);
                let number = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
                if more || offset > 0 {
                    let id = self.fragment_id(header[0], number, fault);
                    // The outermost is in all fragments of the packet.
                    self.fragment.get_or_insert(id);
                }
                if offset > 0 {
                    return Content::Later;
                }
            }
            if at + length > self.end {
                return unreadable;
            }
            (next, at) = (header[0], at + length);
        }
        if at > reach {
            return unreadable;
        }
        self.upper(next, at, ICMPV6)
    }

    /// What a header of this protocol at this place is.
    fn upper(&self, protocol: u8, at: usize, icmp: u8) -> Content {
        let (length, content) = match protocol {
            TCP => (20, Content::Tcp(at)),
            UDP => (8, Content::Udp(at)),
            _ if self.fragment.is_some() => return Content::Nothing(Outcome::FragmentUnknown),
            _ if protocol == icmp => (8, Content::Icmp(at)),
            _ => return Content::Nothing(Outcome::OtherProtocol),
        };
        if at + length > self.end {
            return Content::Nothing(Outcome::Truncated);
        }
        content
    }
}
