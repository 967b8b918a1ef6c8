//! Whose packet it is: the socket that a packet for the inside of a tunnel comes
//! from. These are packets of this host's own kernel; what is not plain is nobody's.

use std::net::IpAddr;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A socket of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Socket {
    /// Its address; unspecified if it is bound to none.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// UDP, else TCP.
    pub is_udp: bool,
}

/// Where a packet comes from; `None` for one that is neither TCP nor UDP, or a part
/// of one.
pub(super) fn flow(packet: &[u8]) -> Option<Socket> {
    let (protocol, address, payload) = match packet.first()? >> 4 {
        4 => {
            let [flags, offset] = *packet.get(6..)?.first_chunk()?;
            // More fragments, or not the first one.
            if flags & 0x3f != 0 || offset != 0 {
                return None;
            }
            let address: [u8; 4] = *packet.get(12..)?.first_chunk()?;
            let header = usize::from(packet.first()? & 0x0f) * 4;
            (*packet.get(9)?, address.into(), packet.get(header..)?)
        }
        6 => {
            let address: [u8; 16] = *packet.get(8..)?.first_chunk()?;
            (*packet.get(6)?, IpAddr::from(address), packet.get(40..)?)
        }
        _ => return None,
    };
    [TCP, UDP].contains(&protocol).then_some(())?;
    Some(Socket {
        address,
        port: u16::from_be_bytes(*payload.first_chunk()?),
        is_udp: protocol == UDP,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8) -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[6] = 0x40; // DF
        packet[9] = protocol;
        packet[12..16].copy_from_slice(&[10, 0, 0, 2]);
        packet[20..22].copy_from_slice(&40_000_u16.to_be_bytes());
        packet
    }

    fn v6(protocol: u8) -> Vec<u8> {
        let mut packet = vec![0; 48];
        packet[0] = 0x60;
        packet[6] = protocol;
        packet[8] = 0x20;
        packet[23] = 2;
        packet[40..42].copy_from_slice(&40_000_u16.to_be_bytes());
        packet
    }

    #[test]
    fn tcp_and_udp_of_both_versions_have_a_socket() {
        let addresses = ["10.0.0.2", "2000::2"].map(|a| a.parse::<IpAddr>().unwrap());
        for (protocol, is_udp) in [(TCP, false), (UDP, true)] {
            for (packet, address) in [v4(protocol), v6(protocol)].iter().zip(addresses) {
                let socket = Socket {
                    address,
                    port: 40_000,
                    is_udp,
                };
                assert_eq!(flow(packet), Some(socket));
            }
        }
    }

    #[test]
    fn options_stand_before_the_port() {
        let mut packet = v4(TCP);
        packet[0] = 0x46;
        packet.splice(20..20, [1, 1, 1, 0]);
        assert_eq!(flow(&packet).unwrap().port, 40_000);
    }

    #[test]
    fn whatever_else_it_is_it_is_nobodys() {
        assert_eq!(flow(&v4(1)), None);
        assert_eq!(flow(&v6(58)), None);
        for (at, value) in [(6, 0x20), (6, 0x01), (7, 0x01)] {
            let mut fragment = v4(UDP);
            fragment[at] = value;
            assert_eq!(flow(&fragment), None);
        }
        for whole in [v4(TCP), v6(TCP)] {
            let least = if whole[0] == 0x60 { 42 } else { 22 };
            for end in 0..least {
                assert_eq!(flow(&whole[..end]), None, "cut at {end}");
            }
        }
    }
}
