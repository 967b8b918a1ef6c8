//! What a host is told about packets of its own that do not fit.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

use super::host::Host;

/// Header of ICMP, before the packet that it quotes.
const ICMP: usize = 8;

/// Collects "fragmentation needed" (RFC 792) and "packet too big" (RFC 4443)
/// as they reach a host.
pub struct Told([OwnedFd; 2]);

impl Told {
    /// Listens from now on.
    pub fn listen(host: &Host) -> Self {
        let open = |(family, protocol)| {
            let flags = SockFlag::SOCK_CLOEXEC;
            let raw = socket(family, SockType::Raw, flags, protocol);
            raw.expect("a raw socket: the lab needs root")
        };
        Self(host.inside(|| {
            [
                (AddressFamily::Inet, SockProtocol::Icmp),
                (AddressFamily::Inet6, SockProtocol::IcmpV6),
            ]
            .map(open)
        }))
    }

    /// How long the packets were, in bytes of IP, that did not fit, as far as it
    /// has been told since the last call.
    pub fn lengths(&self) -> Vec<usize> {
        let [v4, v6] = &self.0;
        let mut lengths = Vec::new();
        // Of IPv4 a socket gets the IP header, too, here one without options.
        drain(v4, |packet| {
            let icmp = packet.get(20..)?;
            let quoted = icmp.get(ICMP..)?;
            icmp.starts_with(&[3, 4])
                .then(|| lengths.push(word(quoted, 2)))
        });
        drain(v6, |icmp| {
            let quoted = icmp.get(ICMP..)?;
            icmp.starts_with(&[2, 0])
                .then(|| lengths.push(40 + word(quoted, 4)))
        });
        lengths
    }
}

fn drain(socket: &OwnedFd, mut take: impl FnMut(&[u8]) -> Option<()>) {
    let mut buffer = [0; 2048];
    loop {
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => drop(take(&buffer[..length])),
            Err(Errno::EAGAIN) => return,
            Err(error) => panic!("what the host is told: {error}"),
        }
    }
}

fn word(packet: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]))
}
