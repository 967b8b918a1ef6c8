//! Packets of many flows, as the drivers of [`xdp_prog::abi::bench`] make them.

use crate::model::{Protocol, ServiceAddress};
use std::net::IpAddr;
use xdp_prog::abi::bench::{Drive, LENGTH_V4, LENGTH_V6};

/// TCP flags (RFC 9293).
pub mod flags {
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Belongs to an established one.
    pub const ACK: u8 = 0x10;
}

/// Bytes of a template: more than any frame of a driver has.
const TEMPLATE: usize = 128;

/// Scatters the numbers of flows: odd, and near the golden ratio of 2^32
/// (Knuth, The Art of Computer Programming, 6.4).
const MULTIPLIER: u64 = 0x9e37_79b1;

/// `locally administered` MAC of whoever sends.
pub const SENDER_MAC: [u8; 6] = [2, 0x64, 0x73, 0x72, 0, 1];

const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// Packets for one service, or several with addresses that follow each other.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The version of IP: 6, else 4.
    pub is_v6: bool,
    /// Where the packets go to, or the first of them do.
    pub to: ServiceAddress,
    /// The frame, from its first byte.
    template: [u8; TEMPLATE],
    /// Flows before the first comes again; 0 if none ever does.
    pub flows: u64,
    /// Services before the first comes again.
    pub services: u64,
}

impl Stream {
    /// Packets for this address, to the interface with this MAC. Of TCP they
    /// have these flags.
    #[must_use]
    pub fn to(address: ServiceAddress, mac: [u8; 6], tcp_flags: u8) -> Self {
        let is_v6 = address.vip.is_ipv6();
        let (length, ip) = if is_v6 {
            (LENGTH_V6, IPV6)
        } else {
            (LENGTH_V4, IPV4)
        };
        let mut template = [0; TEMPLATE];
        let (ethernet, packet) = template.split_at_mut(ETHERNET);
        ethernet[..6].copy_from_slice(&mac);
        ethernet[6..12].copy_from_slice(&SENDER_MAC);
        ethernet[12..].copy_from_slice(if is_v6 { &[0x86, 0xdd] } else { &[8, 0] });
        let (header, transport) = packet.split_at_mut(ip);
        write_header(header, address, length - ETHERNET);
        write_transport(transport, address, tcp_flags, length - ETHERNET - ip);
        Self {
            is_v6,
            to: address,
            template,
            flows: 1,
            services: 1,
        }
    }

    /// The same packets, of so many flows; of 0, every packet is of another.
    #[must_use]
    pub fn of(self, flows: u64) -> Self {
        Self { flows, ..self }
    }

    /// The same packets, spread over so many services.
    #[must_use]
    pub fn over(self, services: u64) -> Self {
        Self { services, ..self }
    }

    /// A frame that a driver can work with.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        let length = if self.is_v6 { LENGTH_V6 } else { LENGTH_V4 };
        self.template.get(..length).unwrap_or_default()
    }

    /// Tells a driver to make these packets, from the first flow on.
    pub fn fill(&self, drive: &Drive) {
        for (word, bytes) in drive.template.iter().zip(self.template.as_chunks().0) {
            word.set(u64::from_le_bytes(*bytes));
        }
        drive.flow.set(0);
        drive.flows.set(self.flows);
        drive.multiplier.set(MULTIPLIER);
        drive.service.set(0);
        drive.services.set(self.services);
    }
}

/// The IP header of a packet of this many bytes. An IPv4 header has no right
/// checksum, since its source is another one in every packet; nobody on its way
/// looks at it.
fn write_header(header: &mut [u8], to: ServiceAddress, bytes: usize) {
    let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
    let protocol = to.protocol.number();
    match to.vip {
        IpAddr::V4(vip) => {
            header[0] = 0x45;
            header[2..4].copy_from_slice(&bytes.to_be_bytes());
            header[6] = 0x40; // do not fragment
            header[8] = 64;
            header[9] = protocol;
            header[12..16].copy_from_slice(&[198, 18, 0, 0]);
            header[16..20].copy_from_slice(&vip.octets());
        }
        IpAddr::V6(vip) => {
            header[0] = 0x60;
            header[4..6].copy_from_slice(&(bytes.saturating_sub(40)).to_be_bytes());
            header[6] = protocol;
            header[7] = 64;
            // RFC 5180's prefix for benchmarks; IPv4's above is of RFC 2544.
            header[8..14].copy_from_slice(&[0x20, 0x01, 0, 2, 0, 0]);
            header[24..40].copy_from_slice(&vip.octets());
        }
    }
}

fn write_transport(transport: &mut [u8], to: ServiceAddress, tcp_flags: u8, bytes: usize) {
    transport[2..4].copy_from_slice(&to.port.to_be_bytes());
    match to.protocol {
        Protocol::Tcp => {
            transport[7] = 1; // sequence number
            transport[12] = 5 << 4;
            transport[13] = tcp_flags;
            transport[14] = 0x20; // window
        }
        Protocol::Udp => {
            let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
            transport[4..6].copy_from_slice(&bytes.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_say_what_there_is() {
        let tcp = Stream::to("192.0.2.1:80".parse().expect("it"), [1; 6], flags::ACK);
        assert_eq!(tcp.frame().len(), 60);
        assert_eq!(tcp.frame()[16..18], [0, 46]);
        assert_eq!(tcp.frame()[36..38], [0, 80]);
        let udp = Stream::to("[2001:db8::1]:53/udp".parse().expect("it"), [1; 6], 0);
        assert_eq!(udp.frame().len(), 74);
        assert_eq!(udp.frame()[18..20], [0, 20]);
        assert_eq!(udp.frame()[58..60], [0, 20]);
    }
}
