//! Tunnels: a packet leaves inside another one, which any router takes to the
//! backend. IP in IP (RFC 2003, RFC 2473, RFC 4213), or GUE in its variant 1
//! (draft-ietf-intarea-gue): UDP, and the packet right behind it, whose version
//! of IP is in its first bits.

use super::readdress;
use crate::abi::state::{destination, unmapped};
use crate::abi::word::Word64;
use crate::abi::{Destination, Tunnel};
use crate::packet::Buffer;
use crate::packet::ethernet::{self, Ethernet};
use crate::packet::frame::{Wire, Wire16};
use crate::packet::ip::Ip;
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::ipv6::Ipv6;
use crate::packet::transport::{Ports, Udp};

/// The lowest source port of GUE, and how many bits of the entropy are added:
/// the ephemeral ports of RFC 6335, as the draft asks for.
const FIRST_PORT: u16 = 0xc000;
const PORT_BITS: u16 = 0x3fff;

/// Length of a UDP header in bytes.
const UDP: u16 = 8;

/// Bits of the entropy that IPv6's flow label is: others than GUE's.
const LABEL_SHIFT: u32 = 12;

/// What the outer headers of a packet are made of.
pub struct Outside<'a> {
    /// The backend.
    pub destination: &'a Destination,
    /// The tunnel to it.
    pub tunnel: &'a Tunnel,
    /// What routers that spread flows are to tell this one by.
    pub entropy: u32,
    /// The packet's traffic class, which is the outer packet's, too: its
    /// differentiated services, so that it is treated alike (RFC 2983, the
    /// uniform model), and its ECN (RFC 6040, section 4.1, normal mode).
    pub class: u8,
    /// The packet's length in bytes.
    pub length: usize,
}

/// Wraps up the packet whose IP header, of `I`, stands at `offset`, and
/// readdresses the frame. VLAN tags stay. Being forwarded into a tunnel is one
/// router for the packet (RFC 2003, section 3.1; RFC 2473, section 3.1). `None` if there is no room, or the outer packet would
/// be longer than its header can say: the frame is then to be dropped.
#[inline(always)]
pub fn wrap<I: Ip, B: Buffer>(buffer: &mut B, offset: usize, outside: &Outside) -> Option<()> {
    if unmapped(address(&outside.destination.address)).is_some() {
        put::<Ipv4, I, B>(buffer, offset, outside)
    } else {
        put::<Ipv6, I, B>(buffer, offset, outside)
    }
}

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "takes bits out of the entropy"
)]
fn put<O: Outer, I: Ip, B: Buffer>(buffer: &mut B, offset: usize, outside: &Outside) -> Option<()> {
    let is_gue = outside.destination.flags.get() & destination::GUE != 0;
    let udp = if is_gue { size_of::<Udp>() } else { 0 };
    let room = size_of::<O>() + udp;
    if outside.length + udp > O::PAYLOAD_MAX || !buffer.grow(room) {
        return None;
    }
    let mut frame = buffer.frame();
    ethernet::move_up(&mut frame, room, offset)?;
    readdress(frame.header_mut(0)?, outside.destination);
    ethernet::set_payload(&mut frame, offset, O::ETHER_TYPE)?;
    let length = u16::try_from(outside.length).ok()?;
    if is_gue {
        let port = FIRST_PORT | outside.entropy as u16 & PORT_BITS;
        let ports = Ports::new(port, outside.tunnel.port.get());
        *frame.header_mut(offset)? = O::outer(outside, Protocol::UDP, length.wrapping_add(UDP));
        *frame.header_mut(offset + size_of::<O>())? = Udp::of_tunnel(ports, length);
    } else {
        *frame.header_mut(offset)? = O::outer(outside, I::INSIDE, length);
    }
    let packet: &mut I = frame.header_mut(offset + room)?;
    packet.pass();
    Some(())
}

/// The first headers of a plain packet in a tunnel, found by one comparison.
#[repr(C)]
struct Wrapped<O, M, I> {
    ethernet: Ethernet,
    outer: O,
    middle: M,
    packet: I,
}

// SAFETY: headers, one after the other, without padding: all have alignment 1.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl<O: Wire, M: Wire, I: Wire> Wire for Wrapped<O, M, I> {}

/// [`wrap`] of a plain packet: its IP header, of `I`, stands behind Ethernet's.
#[inline(always)]
pub fn wrap_plain<I: Ip, B: Buffer>(buffer: &mut B, outside: &Outside) -> Option<()> {
    let is_v4 = unmapped(address(&outside.destination.address)).is_some();
    let is_gue = outside.destination.flags.get() & destination::GUE != 0;
    match (is_v4, is_gue) {
        (true, true) => put_plain::<Ipv4, Udp, I, B>(buffer, outside),
        (true, false) => put_plain::<Ipv4, [Wire16; 0], I, B>(buffer, outside),
        (false, true) => put_plain::<Ipv6, Udp, I, B>(buffer, outside),
        (false, false) => put_plain::<Ipv6, [Wire16; 0], I, B>(buffer, outside),
    }
}

#[inline(always)]
fn put_plain<O: Outer, M: Middle, I: Ip, B: Buffer>(
    buffer: &mut B,
    outside: &Outside,
) -> Option<()> {
    let payload = outside.length + size_of::<M>();
    if payload > O::PAYLOAD_MAX || !buffer.grow(size_of::<O>() + size_of::<M>()) {
        return None;
    }
    let mut frame = buffer.frame();
    let headers: &mut Wrapped<O, M, I> = frame.header_mut(0)?;
    readdress(&mut headers.ethernet, outside.destination);
    headers.ethernet.ether_type = O::ETHER_TYPE;
    let protocol = M::PROTOCOL.unwrap_or(I::INSIDE);
    headers.outer = O::outer(outside, protocol, u16::try_from(payload).ok()?);
    headers.middle = M::middle(outside)?;
    headers.packet.pass();
    Some(())
}

/// What stands between the outer header and the packet.
trait Middle: Wire + Sized {
    /// What the outer header calls it; `None` if there is nothing.
    const PROTOCOL: Option<Protocol>;

    /// That of a packet. `None` if its length does not fit.
    fn middle(outside: &Outside) -> Option<Self>;
}

/// GUE.
impl Middle for Udp {
    const PROTOCOL: Option<Protocol> = Some(Protocol::UDP);

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "takes bits out of the entropy"
    )]
    fn middle(outside: &Outside) -> Option<Self> {
        let port = FIRST_PORT | outside.entropy as u16 & PORT_BITS;
        let ports = Ports::new(port, outside.tunnel.port.get());
        Some(Self::of_tunnel(ports, u16::try_from(outside.length).ok()?))
    }
}

/// IP in IP: nothing.
impl Middle for [Wire16; 0] {
    const PROTOCOL: Option<Protocol> = None;

    #[inline(always)]
    fn middle(_: &Outside) -> Option<Self> {
        Some([])
    }
}

/// A header of an outer packet.
trait Outer: Ip + Sized {
    /// That of a packet with a payload of this many bytes.
    fn outer(outside: &Outside, protocol: Protocol, payload: u16) -> Self;
}

impl Outer for Ipv4 {
    #[inline(always)]
    fn outer(outside: &Outside, protocol: Protocol, payload: u16) -> Self {
        let source = unmapped(address(&outside.tunnel.source)).unwrap_or_default();
        let destination = unmapped(address(&outside.destination.address)).unwrap_or_default();
        Self::new(protocol, source, destination, payload, outside.class)
    }
}

impl Outer for Ipv6 {
    #[inline(always)]
    fn outer(outside: &Outside, protocol: Protocol, payload: u16) -> Self {
        let source = address(&outside.tunnel.source);
        let destination = address(&outside.destination.address);
        // Zero would say that the flow has no label (RFC 6437, section 2).
        let label = (outside.entropy >> LABEL_SHIFT).max(1);
        Self::new(protocol, source, destination, payload).with(outside.class, label)
    }
}

/// An address as it stands in a table.
#[inline(always)]
fn address(words: &[Word64; 2]) -> [u64; 2] {
    [words[0].get(), words[1].get()]
}
