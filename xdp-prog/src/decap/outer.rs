//! The outer headers: IP, and UDP and GUE behind it.
//!
//! GUE (draft-ietf-intarea-gue) has two variants. In variant 1 the packet
//! stands right behind UDP, whose port says that it is GUE and whose first bits
//! the version of IP. In variant 0 there are four bytes in between; here they
//! may say no more than which version of IP follows.

use super::ecn;
use super::inner::Version;
use crate::abi::SourceKey;
use crate::abi::decap::{Outcome, family};
use crate::abi::state::mapped;
use crate::packet::Frame;
use crate::packet::ethernet::EtherType;
use crate::packet::frame::Wire32;
use crate::packet::ip::Ip;
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::ipv6::{self, Ipv6};
use crate::packet::transport::Udp;

/// Length of a UDP header, and of GUE's in variant 0, in bytes.
const UDP: usize = size_of::<Udp>();
const GUE: usize = 4;

/// The header of variant 0: no control message, no flags, no extensions, and
/// the protocol that follows.
const GUE_OF_IPV4: u32 = (Protocol::IPV4.0 as u32) << 16;
const GUE_OF_IPV6: u32 = (Protocol::IPV6.0 as u32) << 16;

/// What the outer headers say.
pub struct Outer {
    /// Who sent it: a balancer, if it is allowed.
    pub source: SourceKey,
    /// Where the tunnel ends.
    pub destination: [u64; 2],
    /// Length of all outer headers in bytes.
    pub headers: usize,
    /// How much they leave for what is inside.
    pub room: usize,
    /// What is inside.
    pub inside: Version,
    /// The mark of congested routers.
    pub ecn: u16,
}

/// The IP header alone.
struct Header {
    source: SourceKey,
    destination: [u64; 2],
    protocol: Protocol,
    is_fragment: bool,
    length: usize,
    total: usize,
    ecn: u16,
}

/// The headers of a tunnel's packet, of which the first stands at `start`.
#[inline(always)]
pub fn find(
    frame: &Frame,
    ether_type: EtherType,
    start: usize,
    gue_port: u32,
) -> Result<Outer, Outcome> {
    let header = if ether_type.is(EtherType::IPV4) {
        v4(frame, start).ok_or(Outcome::BadHeader)?
    } else if ether_type.is(EtherType::IPV6) {
        v6(frame, start).ok_or(Outcome::BadHeader)?
    } else {
        return Err(Outcome::NotIp);
    };
    let (between, inside, room) = match header.protocol {
        Protocol::IPV4 | Protocol::IPV6 | Protocol::UDP if header.is_fragment => {
            return Err(Outcome::Fragment);
        }
        Protocol::IPV4 => (0, Version::V4, header.total - header.length),
        Protocol::IPV6 => (0, Version::V6, header.total - header.length),
        Protocol::UDP => gue(frame, start + header.length, &header, gue_port)?,
        _ => return Err(Outcome::NotTunnel),
    };
    Ok(Outer {
        source: header.source,
        destination: header.destination,
        headers: header.length + between,
        room,
        inside,
        ecn: header.ecn,
    })
}

#[inline(always)]
fn v4(frame: &Frame, start: usize) -> Option<Header> {
    let ip: &Ipv4 = frame.header(start)?;
    let (length, total) = (ip.header_length()?, ip.total_length.number() as usize);
    (total >= length).then_some(Header {
        source: SourceKey::of_address(family::V4, mapped(ip.source.raw())),
        destination: mapped(ip.destination.raw()),
        protocol: ip.protocol,
        is_fragment: ip.is_fragment(),
        length,
        total,
        ecn: ecn::of_class(ip.class()),
    })
}

/// Extension headers are not gone over: balancers write none.
#[inline(always)]
fn v6(frame: &Frame, start: usize) -> Option<Header> {
    let ip: &Ipv6 = frame.header(start)?;
    ip.is_valid().then_some(Header {
        source: SourceKey::of_address(family::V6, ip.source.raw()),
        destination: unmapped(ip.destination.raw())?,
        protocol: ip.next,
        is_fragment: false,
        length: ipv6::LENGTH,
        total: ipv6::LENGTH + ip.payload_length.number() as usize,
        ecn: ecn::of_class(ip.class()),
    })
}

/// An IPv6 address, unless it looks like one of IPv4's in the tables. Nobody
/// sends to such a one.
#[inline(always)]
pub fn unmapped(address: [u64; 2]) -> Option<[u64; 2]> {
    let [_, prefix] = mapped(0);
    let [high, low] = address;
    (high != 0 || low & 0xffff_ffff != prefix).then_some(address)
}

/// Length of UDP's and GUE's headers, what is inside, and how much room that has.
#[inline(always)]
fn gue(
    frame: &Frame,
    at: usize,
    header: &Header,
    port: u32,
) -> Result<(usize, Version, usize), Outcome> {
    let udp: &Udp = frame.header(at).ok_or(Outcome::NotTunnel)?;
    if udp.ports.number() & 0xffff != port {
        return Err(Outcome::NotTunnel);
    }
    let length = udp.length.number() as usize;
    if length > header.total - header.length {
        return Err(Outcome::UnknownGue);
    }
    let first = frame.header::<Wire32>(at + UDP);
    let first = first.ok_or(Outcome::UnknownGue)?.number();
    let (headers, version) = match (first >> 28, first) {
        (4, _) => (UDP, Version::V4),
        (6, _) => (UDP, Version::V6),
        (_, GUE_OF_IPV4) => (UDP + GUE, Version::V4),
        (_, GUE_OF_IPV6) => (UDP + GUE, Version::V6),
        _ => return Err(Outcome::UnknownGue),
    };
    let room = length.checked_sub(headers).ok_or(Outcome::UnknownGue)?;
    Ok((headers, version, room))
}
