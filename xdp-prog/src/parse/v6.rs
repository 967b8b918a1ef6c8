//! IPv6: the chain of extension headers, with fragments among them.

use super::{Family, Packet, Part, Quoted, has_ports};
use crate::abi::Outcome;
use crate::packet::Frame;
use crate::packet::frame::REACH;
use crate::packet::icmp::{self, Icmp, Meaning};
use crate::packet::ipv4::Protocol;
use crate::packet::ipv6::{self, Extension, FRAGMENT, Ipv6, is_extension};
use crate::packet::transport::Ports;
use crate::select::V6;

/// Extension headers that are gone over. RFC 8200 recommends an order in which
/// each comes once, two of them twice: six, besides those that hide all that
/// follows.
const EXTENSIONS: usize = 6;

impl Family for V6 {
    const VERSION: u8 = 6;
    const ICMP: Protocol = Protocol::ICMPV6;
    const ECHO: [u8; 2] = icmp::ECHO_V6;

    type Header = Ipv6;

    #[inline(always)]
    fn of(ip: &Ipv6) -> Self {
        V6 {
            source: ip.source.raw(),
            destination: ip.destination.raw(),
        }
    }

    #[inline(always)]
    fn describe(ip: &Ipv6, offset: usize) -> Option<Packet<Self>> {
        if !ip.is_valid() {
            return None;
        }
        Some(Packet {
            addresses: Self::of(ip),
            start: offset,
            headers: ipv6::LENGTH,
            length: ipv6::LENGTH + ip.payload_length.number() as usize,
            identification: 0,
            fragmented: ip.next,
            protocol: ip.next,
            part: Part::Whole,
        })
    }

    #[inline(never)]
    fn follow(frame: Frame, packet: &mut Packet<Self>) -> Result<(), Outcome> {
        for _ in 0..EXTENSIONS {
            if !is_extension(packet.protocol) {
                break;
            }
            if !go_over(&frame, packet) {
                return Err(Outcome::ExtensionHeader);
            }
            if packet.part == Part::Later {
                return Ok(());
            }
        }
        if is_extension(packet.protocol) || packet.transport() > REACH {
            return Err(Outcome::ExtensionHeader);
        }
        Ok(())
    }

    #[inline(always)]
    fn meaning(message: &Icmp) -> Meaning {
        message.meaning_v6()
    }

    #[inline(always)]
    fn quoted(&self, frame: &Frame, offset: usize, room: usize) -> Option<Quoted<Self>> {
        let ip: &Ipv6 = frame.header(offset)?;
        let mut protocol = ip.next;
        let mut headers = ipv6::LENGTH;
        if protocol == FRAGMENT {
            let fragment: &Extension = frame.header(offset + headers)?;
            if fragment.is_later_fragment() {
                return None;
            }
            protocol = fragment.next;
            headers += size_of::<Extension>();
        }
        let ports: &Ports = frame.header(offset + headers)?;
        let is_ours = ip.is_valid()
            && ip.source.raw() == self.destination
            && has_ports(protocol)
            && room >= headers + size_of::<Ports>();
        is_ours.then_some(Quoted {
            addresses: V6 {
                source: ip.destination.raw(),
                destination: ip.source.raw(),
            },
            ports: ports.reversed(),
            protocol,
        })
    }
}

/// Goes over one extension header. `false` if the packet, or the frame, ends
/// inside of it, or it starts too far in.
#[inline(always)]
fn go_over(frame: &Frame, packet: &mut Packet<V6>) -> bool {
    let number = packet.protocol;
    let Some(header) = frame.header::<Extension>(packet.transport()) else {
        return false;
    };
    packet.headers += header.size(number);
    packet.protocol = header.next;
    if packet.headers > packet.length {
        return false;
    }
    if number == FRAGMENT && (header.is_later_fragment() || header.has_more()) {
        // Of a fragment in a fragment, all have the outer header alone.
        if packet.part == Part::Whole {
            packet.identification = header.identification.raw();
            packet.fragmented = header.next;
        }
        packet.part = if header.is_later_fragment() {
            Part::Later
        } else {
            Part::First
        };
    }
    frame.reaches(packet.transport())
}
