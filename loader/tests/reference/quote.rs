//! ICMP errors, and what they quote (RFC 792, RFC 4443, RFC 1812).

use super::fault::Fault;
use super::hash::Flow;
use super::wire::{self, FRAGMENT, ICMP, Packet, REACH, TCP, UDP};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Destination unreachable, time exceeded, parameter problem.
const ERRORS: [u8; 3] = [3, 11, 12];
/// Destination unreachable, packet too big, time exceeded, parameter problem.
const ERRORS_V6: [u8; 4] = [1, 2, 3, 4];

/// A packet as an error quotes it: who sent it to whom.
struct Quoted {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// Where its ports are.
    ports: usize,
}

/// A header of the quoted packet, if it is in the packet and in reach.
fn bytes<const N: usize>(message: &[u8], at: usize) -> Option<[u8; N]> {
    if at > REACH {
        return None;
    }
    wire::bytes(message, at)
}

/// Whether a control message of this type is an error about a packet.
pub fn is_error(kind: u8, protocol: u8) -> bool {
    if protocol == ICMP {
        ERRORS.contains(&kind)
    } else {
        ERRORS_V6.contains(&kind)
    }
}

/// The flow that an error is about, which the address that the error is for
/// must have sent.
pub fn flow(frame: &[u8], packet: &Packet, at: usize, fault: Option<Fault>) -> Option<Flow> {
    // What the packet does not contain is not read.
    let message = frame.get(..packet.end)?;
    let quoted = if packet.destination.is_ipv4() {
        v4(message, at + 8, fault)?
    } else {
        v6(message, at + 8)?
    };
    if quoted.source != packet.destination || ![TCP, UDP].contains(&quoted.protocol) {
        return None;
    }
    let [p0, p1, p2, p3] = bytes(message, quoted.ports)?;
    let flow = Flow {
        client: quoted.destination,
        vip: quoted.source,
        client_port: [p2, p3],
        vip_port: [p0, p1],
        protocol: quoted.protocol,
    };
    if fault == Some(Fault::QuoteIsNotReversed) {
        return Some(Flow {
            client_port: flow.vip_port,
            vip_port: flow.client_port,
            ..flow
        });
    }
    Some(flow)
}

fn v4(message: &[u8], at: usize, fault: Option<Fault>) -> Option<Quoted> {
    let header: [u8; 20] = bytes(message, at)?;
    let length = usize::from(header[0] & 0x0f) * 4;
    let is_later = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    let believes = fault == Some(Fault::QuoteOfLaterFragment);
    if header[0] >> 4 != 4 || length < 20 || is_later && !believes {
        return None;
    }
    let [source, destination] = [12, 16].map(|at| {
        let octets: [u8; 4] = bytes(&header, at).expect("within the header");
        Ipv4Addr::from(octets).into()
    });
    Some(Quoted {
        source,
        destination,
        protocol: header[9],
        ports: at + length,
    })
}

fn v6(message: &[u8], at: usize) -> Option<Quoted> {
    let header: [u8; 40] = bytes(message, at)?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let [source, destination] = [8, 24].map(|at| {
        let octets: [u8; 16] = bytes(&header, at).expect("within the header");
        Ipv6Addr::from(octets).into()
    });
    let mut quoted = Quoted {
        source,
        destination,
        protocol: header[6],
        ports: at + 40,
    };
    if quoted.protocol == FRAGMENT {
        let fragment: [u8; 8] = bytes(message, quoted.ports)?;
        if u16::from_be_bytes([fragment[2], fragment[3]]) >> 3 != 0 {
            return None;
        }
        quoted.protocol = fragment[0];
        quoted.ports += 8;
    }
    Some(quoted)
}
