//! IPv4: options, and the fragment fields of the header.

use super::{Family, Packet, Part, Quoted, has_ports};
use crate::abi::Outcome;
use crate::packet::Frame;
use crate::packet::icmp::{self, Icmp, Meaning};
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::transport::Ports;
use crate::select::V4;

impl Family for V4 {
    const VERSION: u8 = 4;
    const ICMP: Protocol = Protocol::ICMP;
    const ECHO: [u8; 2] = icmp::ECHO;

    type Header = Ipv4;

    #[inline(always)]
    fn of(ip: &Ipv4) -> Self {
        V4 {
            source: ip.source.raw(),
            destination: ip.destination.raw(),
        }
    }

    #[inline(always)]
    fn describe(ip: &Ipv4, offset: usize) -> Option<Packet<Self>> {
        Some(Packet {
            addresses: Self::of(ip),
            start: offset,
            headers: ip.header_length()?,
            length: ip.total_length.number() as usize,
            identification: ip.identification.raw() as u32,
            fragmented: ip.protocol,
            protocol: ip.protocol,
            part: if ip.is_later_fragment() {
                Part::Later
            } else if ip.is_fragment() {
                Part::First
            } else {
                Part::Whole
            },
        })
    }

    #[inline(always)]
    fn follow(_: Frame, _: &mut Packet<Self>) -> Result<(), Outcome> {
        Ok(())
    }

    #[inline(always)]
    fn meaning(message: &Icmp) -> Meaning {
        message.meaning()
    }

    #[inline(always)]
    fn quoted(&self, frame: &Frame, offset: usize, room: usize) -> Option<Quoted<Self>> {
        let ip: &Ipv4 = frame.header(offset)?;
        let header = ip.header_length()?;
        let ports: &Ports = frame.header(offset + header)?;
        let is_ours = ip.source.raw() == self.destination
            && has_ports(ip.protocol)
            && !ip.is_later_fragment()
            && room >= header + size_of::<Ports>();
        is_ours.then_some(Quoted {
            addresses: V4 {
                source: ip.destination.raw(),
                destination: ip.source.raw(),
            },
            ports: ports.reversed(),
            protocol: ip.protocol,
        })
    }
}
