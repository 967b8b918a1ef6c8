//! What the headers of IPv4 and IPv6 have in common.

use super::ethernet::EtherType;
use super::frame::Wire;
use super::ipv4::Protocol;

/// An IP header, without options.
pub trait Ip: Wire {
    /// What Ethernet calls it.
    const ETHER_TYPE: EtherType;

    /// What an IP header calls it that it follows: IP in IP.
    const INSIDE: Protocol;

    /// The largest payload that it can stand before.
    const PAYLOAD_MAX: usize;

    /// Differentiated services and ECN.
    fn class(&self) -> u8;

    /// What follows, if that is a whole packet without options. `None` too if
    /// this is no header of this version.
    fn plain_protocol(&self) -> Option<Protocol>;

    /// Length of the packet in bytes, with this header.
    fn length(&self) -> u32;

    /// Routers that the packet may still pass.
    fn hops(&self) -> u8;

    /// Counts one router. Not for a packet that may pass none.
    fn pass(&mut self);
}
