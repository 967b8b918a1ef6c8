//! The packets around a check's packets, and the sockets that send them.

use crate::model::forward::TunnelKind;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, socket,
};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

/// IP in IP: what is inside (RFC 2003, 4213).
const IPIP: u8 = 4;
const IPV6: u8 = 41;

/// Routers that an outer packet passes at the most: IANA's recommendation.
const TTL: u8 = 64;
/// In an IPv4 header: no router takes the packet apart.
const DONT_FRAGMENT: u8 = 0x40;

/// A backend at the end of a tunnel.
#[derive(Debug)]
pub(super) struct Target {
    /// Its address, where the tunnel ends.
    pub backend: IpAddr,
    /// Where the tunnel begins.
    pub source: IpAddr,
    /// What sends to it.
    pub sender: Sender,
}

/// What sends outer packets.
#[derive(Clone, Debug)]
pub(super) enum Sender {
    /// Packets with a header of ours. Such a socket receives nothing (raw(7)).
    Raw(Rc<OwnedFd>),
    /// Datagrams to this port: GUE's variant 1 has no header of its own.
    Udp(Rc<UdpSocket>, u16),
}

/// Sockets that are open, for all backends.
#[derive(Debug, Default)]
pub(super) struct Senders {
    raw: [Option<Rc<OwnedFd>>; 2],
    udp: BTreeMap<IpAddr, Rc<UdpSocket>>,
}

impl Senders {
    /// Opens the raw sockets of both versions of IP.
    pub fn open_raw(&mut self) -> io::Result<()> {
        for is_v4 in [true, false] {
            match self.raw(is_v4) {
                // This host has no IPv6.
                Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
                answer => drop(answer?),
            }
        }
        Ok(())
    }

    /// What sends to a backend; see [`super::Tunnels::ports`] for errors.
    pub fn sender(
        &mut self,
        backend: IpAddr,
        kind: TunnelKind,
        source: IpAddr,
    ) -> io::Result<Sender> {
        if backend.is_ipv4() != source.is_ipv4() {
            let message = format!("a tunnel from {source} to {backend}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        match kind {
            TunnelKind::Ipip => self.raw(backend.is_ipv4()).map(Sender::Raw),
            TunnelKind::Gue(port) => {
                if let Some(socket) = self.udp.get(&source) {
                    return Ok(Sender::Udp(Rc::clone(socket), port));
                }
                let socket = UdpSocket::bind((source, 0))?;
                socket.set_nonblocking(true)?;
                let socket = Rc::new(socket);
                self.udp.insert(source, Rc::clone(&socket));
                Ok(Sender::Udp(socket, port))
            }
        }
    }

    fn raw(&mut self, is_v4: bool) -> io::Result<Rc<OwnedFd>> {
        let place = &mut self.raw[usize::from(!is_v4)];
        if let Some(socket) = place {
            return Ok(Rc::clone(socket));
        }
        let family = if is_v4 {
            AddressFamily::Inet
        } else {
            AddressFamily::Inet6
        };
        // IPPROTO_RAW: headers come from us, and nothing is received.
        let socket = socket(
            family,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::Raw,
        )?;
        Ok(Rc::clone(place.insert(Rc::new(socket))))
    }
}

impl Target {
    /// Sends a packet through the tunnel.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        match &self.sender {
            Sender::Udp(socket, port) => socket.send_to(packet, (self.backend, *port)).map(drop),
            Sender::Raw(socket) => {
                let outer = wrapped(self.source, self.backend, packet)?;
                let to = SockaddrStorage::from(SocketAddr::from((self.backend, 0)));
                sendto(socket.as_raw_fd(), &outer, &to, MsgFlags::empty())?;
                Ok(())
            }
        }
    }
}

/// A packet in another. In an IPv4 header, total length, identification and checksum
/// are the kernel's part (raw(7)).
fn wrapped(source: IpAddr, to: IpAddr, packet: &[u8]) -> io::Result<Vec<u8>> {
    let inside = match packet.first().map(|first| first >> 4) {
        Some(4) => IPIP,
        _ => IPV6,
    };
    let mut outer = match (source, to) {
        (IpAddr::V4(source), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, DONT_FRAGMENT, 0, TTL, inside, 0, 0];
            header.extend(source.octets());
            header.extend(to.octets());
            header
        }
        (IpAddr::V6(source), IpAddr::V6(to)) => {
            let length = u16::try_from(packet.len()).map_err(io::Error::other)?;
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length.to_be_bytes());
            header.extend([inside, TTL]);
            header.extend(source.octets());
            header.extend(to.octets());
            header
        }
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    outer.extend(packet);
    Ok(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_packet_stands_behind_the_header_of_its_tunnel() {
        let v4 = wrapped(address("10.0.0.2"), address("10.0.0.3"), &[0x60, 7]).unwrap();
        assert_eq!(
            v4,
            [
                0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 41, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3, 0x60, 7
            ]
        );
        let v6 = wrapped(address("2000::2"), address("2000::3"), &[0x45, 7]).unwrap();
        assert_eq!(v6[..8], [0x60, 0, 0, 0, 0, 2, 4, 64]);
        assert_eq!((v6[8], v6[23], v6[24], v6[39]), (0x20, 2, 0x20, 3));
        assert_eq!(v6[40..], [0x45, 7]);
    }

    #[test]
    fn both_ends_of_a_tunnel_are_of_one_version() {
        for kind in [TunnelKind::Ipip, TunnelKind::Gue(6080)] {
            let refused = Senders::default().sender(address("127.0.0.1"), kind, address("::1"));
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }
}
