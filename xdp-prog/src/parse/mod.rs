//! From one header to the next, up to the flow.
//!
//! Nearly every packet has no VLAN tag, no option and no extension header, and
//! is no fragment: [`plain`] reads it at constant offsets. Everything else
//! takes the steps of [`Family`], one by one. The parser never writes.

pub mod plain;
mod v4;
mod v6;

use crate::abi::{FragmentKey, Outcome};
use crate::packet::Frame;
use crate::packet::frame::{Wire, Wire32};
use crate::packet::icmp::{self, Icmp, Meaning};
use crate::packet::ip::Ip;
use crate::packet::ipv4::Protocol;
use crate::packet::transport::{Ports, Tcp, Udp};
use crate::select::{Addresses, Flow};

/// A packet as its IP headers describe it.
#[derive(Clone, Copy, Debug)]
pub struct Packet<A> {
    /// Where it comes from and where it goes to.
    pub addresses: A,
    /// Where its IP header starts in the frame.
    pub start: usize,
    /// Length of its IP headers: options and extension headers are among them.
    pub headers: usize,
    /// Length of the whole packet in bytes. That the frame may hold less is no
    /// fault: the rest can lie in further buffers. More is padding.
    pub length: usize,
    /// Names it among fragmented packets: identification, wire order.
    pub identification: u32,
    /// The same: what its IP header, or its fragment header, says that follows.
    pub fragmented: Protocol,
    /// What follows all of its IP headers.
    pub protocol: Protocol,
    /// Which part of it is here.
    pub part: Part,
}

/// Which part of a packet is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first fragment, with its transport header.
    First,
    /// Another fragment: its payload is no header.
    Later,
}

/// What differs between IPv4 and IPv6. The packet's way is compiled once for
/// each.
pub trait Family: Addresses {
    /// 4 or 6.
    const VERSION: u8;

    /// The protocol number of its control messages.
    const ICMP: Protocol;

    /// Types of an echo request and its reply.
    const ECHO: [u8; 2];

    /// Its IP header, without options.
    type Header: Ip;

    /// The addresses in an IP header.
    fn of(header: &Self::Header) -> Self;

    /// What an IP header says that stands at this offset. `None` if it is
    /// none.
    fn describe(header: &Self::Header, offset: usize) -> Option<Packet<Self>>;

    /// Goes over what stands between the IP header and the transport header.
    ///
    /// # Errors
    ///
    /// [`Outcome::ExtensionHeader`]: more than the parser goes over.
    fn follow(frame: Frame, packet: &mut Packet<Self>) -> Result<(), Outcome>;

    /// What a control message means.
    fn meaning(message: &Icmp) -> Meaning;

    /// The packet at this offset, which an error about a packet of the VIP's
    /// quotes: what comes back to its client belongs to the same flow. `room`
    /// bytes are left of the packet that quotes it. `None` if it is too short,
    /// not from the VIP, or neither TCP nor UDP.
    fn quoted(&self, frame: &Frame, offset: usize, room: usize) -> Option<Quoted<Self>>;
}

/// What is left of a packet that an error is about.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<A> {
    /// Turned round: from the client to the VIP.
    addresses: A,
    /// Turned round, too.
    ports: Ports,
    protocol: Protocol,
}

impl<F: Family> Packet<F> {
    /// The packet whose IP header stands at this offset. `None` if the frame
    /// ends inside of it, or it is none.
    #[inline(always)]
    #[must_use]
    pub fn at(frame: &Frame, offset: usize) -> Option<Self> {
        F::describe(frame.header(offset)?, offset)
    }

    /// Where its transport header starts in the frame.
    #[inline(always)]
    #[must_use]
    pub fn transport(&self) -> usize {
        self.start + self.headers
    }

    /// Names it among fragmented packets.
    #[inline(always)]
    #[must_use]
    pub fn fragment_key(&self) -> FragmentKey {
        FragmentKey {
            source: self.addresses.client(),
            destination: self.addresses.vip(),
            identification: self.identification,
            protocol: self.fragmented.0 as u32,
        }
    }

    /// The header of the transport protocol.
    ///
    /// # Errors
    ///
    /// [`Outcome::Truncated`]: the frame, or the packet, ends inside of it.
    /// Short frames are padded, so a header counts only as far as the packet
    /// reaches.
    #[inline(always)]
    pub fn header<'a, H: Wire>(&self, frame: &'a Frame) -> Result<&'a H, Outcome> {
        if self.length < self.headers + size_of::<H>() {
            return Err(Outcome::Truncated);
        }
        frame.header(self.transport()).ok_or(Outcome::Truncated)
    }

    /// The flow of a TCP or UDP packet.
    ///
    /// # Errors
    ///
    /// As [`header`](Self::header).
    #[inline(always)]
    pub fn flow(&self, frame: &Frame) -> Result<Flow<F>, Outcome> {
        if self.protocol != Protocol::TCP {
            let udp: &Udp = self.header(frame)?;
            return Ok(self.flow_of(self.addresses, udp.ports, self.protocol));
        }
        let tcp: &Tcp = self.header(frame)?;
        Ok(Flow {
            tcp_flags: tcp.flags,
            ..self.flow_of(self.addresses, tcp.ports, self.protocol)
        })
    }

    /// The flow that this packet, an error, is about.
    ///
    /// # Errors
    ///
    /// [`Outcome::IcmpUnrelated`]: it does not tell.
    #[inline(always)]
    pub fn flow_in_question(&self, frame: &Frame) -> Result<Flow<F>, Outcome> {
        let room = self.length - self.headers - icmp::LENGTH;
        let offset = self.transport() + icmp::LENGTH;
        let quoted = self.addresses.quoted(frame, offset, room);
        let quoted = quoted.ok_or(Outcome::IcmpUnrelated)?;
        Ok(self.flow_of(quoted.addresses, quoted.ports, quoted.protocol))
    }

    /// A flow that all later fragments of this packet have in common. They do not
    /// tell the real one.
    #[inline(always)]
    #[must_use]
    pub fn flow_of_fragments(&self) -> Flow<F> {
        let identification = Wire32::of_raw(self.identification);
        self.flow_of(self.addresses, Ports::of(identification), self.fragmented)
    }

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a length of 16 bits and a header's"
    )]
    fn flow_of(&self, addresses: F, ports: Ports, protocol: Protocol) -> Flow<F> {
        Flow {
            addresses,
            ports: ports.raw(),
            protocol: protocol.0,
            tcp_flags: 0,
            length: self.length as u32,
        }
    }
}

/// Whether a packet of this protocol has the ports that flows are told by.
#[inline(always)]
#[must_use]
pub fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP)
}
