//! The plain packet, as nearly every one is: Ethernet, IP, TCP or UDP, nothing
//! in between, as many bytes in the frame as a TCP header ends behind. It is
//! read at constant offsets.

use super::Family;
use crate::packet::ip::Ip;
use crate::packet::ipv4::Protocol;
use crate::packet::start::Start;
use crate::packet::transport::{Tcp, Udp};
use crate::select::Flow;

/// The flow of a packet of this protocol that has a plain IP header; `None` if it
/// is not plain as well.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "lengths of headers")]
pub fn flow<F: Family>(start: &Start<F::Header>, protocol: Protocol) -> Option<Flow<F>> {
    let (ip, tcp) = (&start.ip, &start.transport);
    let headers = size_of::<F::Header>() as u32;
    let length = ip.length();
    let (tcp_flags, least) = match protocol {
        Protocol::TCP => (tcp.flags, headers + size_of::<Tcp>() as u32),
        Protocol::UDP => (0, headers + size_of::<Udp>() as u32),
        _ => return None,
    };
    if length < least {
        return None;
    }
    Some(Flow {
        addresses: F::of(ip),
        ports: tcp.ports.raw(),
        protocol: protocol.0,
        tcp_flags,
        length,
    })
}
