//! The frames of clients, as bytes.

use dsrload::model::Protocol;
use std::net::IpAddr;
use xdp_prog::abi::{Control, Service};
use xdp_prog::select::{Flow, V4, V6};

/// MAC of the balancer's interface.
pub const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// MAC of the router that clients' packets come from.
pub const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// TCP flags: a connection is opened, goes on, is closed.
pub const SYN: u8 = 0x02;
/// See [`SYN`].
pub const ACK: u8 = 0x10;
/// See [`SYN`].
pub const FIN_ACK: u8 = 0x11;

const TCP: u8 = 6;

/// A TCP segment or a UDP datagram from a client to a VIP.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub client: IpAddr,
    pub client_port: u16,
    pub vip: IpAddr,
    pub port: u16,
    pub protocol: Protocol,
    /// Of TCP.
    pub flags: u8,
    /// Of TCP.
    pub sequence: u32,
}

impl Segment {
    /// The segment on the wire.
    pub fn frame(&self) -> Vec<u8> {
        let payload = self.transport();
        let protocol = self.protocol.number();
        ethernet(&ip(self.client, self.vip, protocol, &payload))
    }

    /// An ICMP error of some router about an answer to it.
    pub fn error(&self) -> Vec<u8> {
        let answer = Self {
            client: self.vip,
            client_port: self.port,
            vip: self.client,
            port: self.client_port,
            ..*self
        };
        let transport = answer.transport();
        let protocol = self.protocol.number();
        let quoted = ip(answer.client, answer.vip, protocol, &transport);
        let (router, protocol, [kind, code]) = match self.vip {
            // The answer did not fit the way: RFC 1191, RFC 8201.
            IpAddr::V4(_) => ("203.0.113.1", 1, [3, 4]),
            IpAddr::V6(_) => ("2001:db8:f::1", 58, [2, 0]),
        };
        let header = [kind, code, 0, 0, 0, 0, 0x05, 0x00];
        let message = [&header[..], &quoted].concat();
        let router = router.parse().expect("an address");
        ethernet(&ip(router, self.vip, protocol, &message))
    }

    fn transport(&self) -> Vec<u8> {
        let ports = [self.client_port.to_be_bytes(), self.port.to_be_bytes()].concat();
        if self.protocol.number() == TCP {
            let sequence = self.sequence.to_be_bytes();
            let rest = [0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0];
            [&ports[..], &sequence, &[0; 4], &rest].concat()
        } else {
            [&ports[..], &[0, 8, 0, 0]].concat()
        }
    }

    /// Its flow's hash, as the datapath computes it.
    pub fn hash(&self, control: &Control, service: &Service) -> u64 {
        let [c0, c1] = self.client_port.to_be_bytes();
        let [s0, s1] = self.port.to_be_bytes();
        let ports = u32::from_le_bytes([c0, c1, s0, s1]);
        match (self.client, self.vip) {
            (IpAddr::V4(client), IpAddr::V4(vip)) => {
                let addresses = V4 {
                    source: u32::from_le_bytes(client.octets()),
                    destination: u32::from_le_bytes(vip.octets()),
                };
                self.flow(addresses, ports).hash(control, service)
            }
            (client, vip) => {
                let addresses = V6 {
                    source: dsrload::model::placement::address_words(client),
                    destination: dsrload::model::placement::address_words(vip),
                };
                self.flow(addresses, ports).hash(control, service)
            }
        }
    }

    fn flow<A>(&self, addresses: A, ports: u32) -> Flow<A> {
        Flow {
            addresses,
            ports,
            protocol: self.protocol.number(),
            tcp_flags: self.flags,
            length: 0,
        }
    }
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 4 {
        [0x08, 0x00]
    } else {
        [0x86, 0xdd]
    };
    [&OUR_MAC[..], &ROUTER_MAC, &ether_type, packet].concat()
}

/// An IP packet. Nobody on its way looks at checksums.
fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short one");
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [high, low] = (length + 20).to_be_bytes();
            let header = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
            [&header[..], &from.octets(), &to.octets(), payload].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let [high, low] = length.to_be_bytes();
            let header = [0x60, 0, 0, 0, high, low, protocol, 64];
            [&header[..], &from.octets(), &to.octets(), payload].concat()
        }
        _ => panic!("{from} and {to} are not of one family"),
    }
}
