//! How packets get to a backend: as they are, or wrapped up in a tunnel.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// IANA's port for GUE.
pub const GUE_PORT: u16 = 6080;

/// Bytes of an IPv4 header without options, of an IPv6 header, and of a UDP
/// header. GUE adds nothing of its own (draft-ietf-intarea-gue, variant 1).
const IPV4: u16 = 20;
const IPV6: u16 = 40;
const UDP: u16 = 8;

/// The smallest IPv6 packet that every link carries (RFC 8200, 5).
const MTU_V6: u16 = 1280;
/// The smallest IPv4 packet that every host takes (RFC 791, 3.1).
const MTU_V4: u16 = 576;

/// How packets get to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    /// As they are, but for their MACs: it is on the same segment.
    #[default]
    L2,
    /// Inside other packets: it may be anywhere.
    Tunnel(TunnelKind),
}

/// How packets are wrapped up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    /// IP in IP: any version in any (RFC 2003, 2473, 4213).
    Ipip,
    /// Generic UDP encapsulation, to this UDP port.
    Gue(u16),
}

impl TunnelKind {
    /// Bytes that it adds to a packet for a backend at this address.
    #[must_use]
    pub fn overhead(self, to: IpAddr) -> u16 {
        let outer = match to {
            IpAddr::V4(_) => IPV4,
            IpAddr::V6(_) => IPV6,
        };
        match self {
            Self::Ipip => outer,
            Self::Gue(_) => outer + UDP,
        }
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::L2 => write!(out, "l2"),
            Self::Tunnel(TunnelKind::Ipip) => write!(out, "ipip"),
            Self::Tunnel(TunnelKind::Gue(GUE_PORT)) => write!(out, "gue"),
            Self::Tunnel(TunnelKind::Gue(port)) => write!(out, "gue:{port}"),
        }
    }
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "l2" => Ok(Self::L2),
            None if text == "ipip" => Ok(Self::Tunnel(TunnelKind::Ipip)),
            None if text == "gue" => Ok(Self::Tunnel(TunnelKind::Gue(GUE_PORT))),
            Some(("gue", port)) => port
                .parse()
                .ok()
                .filter(|&port| port != 0)
                .map(|port| Self::Tunnel(TunnelKind::Gue(port)))
                .ok_or_else(|| format!("port '{port}': a number from 1 to 65535 is expected")),
            _ => Err(format!(
                "forwarding '{text}': l2, ipip, gue or gue:PORT is expected"
            )),
        }
    }
}

/// The tunnel to one backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelRoute {
    /// How packets are wrapped up.
    pub kind: TunnelKind,
    /// The source of the outer packets.
    pub source: IpAddr,
    /// The operator gave the source: it does not follow the routes.
    pub is_source_given: bool,
    /// The longest packet that fits inside.
    pub mtu: u16,
}

impl TunnelRoute {
    /// What is left for packets inside of a path that carries `path` bytes.
    #[must_use]
    pub fn inner_mtu(kind: TunnelKind, to: IpAddr, path: u32) -> u16 {
        let path = u16::try_from(path).unwrap_or(u16::MAX);
        path.saturating_sub(kind.overhead(to))
    }
}

/// The least that a tunnel must carry for these VIPs.
#[must_use]
pub fn least_mtu(vips: impl IntoIterator<Item = IpAddr>) -> u16 {
    let needed = vips.into_iter().map(|vip| match vip {
        IpAddr::V4(_) => MTU_V4,
        IpAddr::V6(_) => MTU_V6,
    });
    needed.max().unwrap_or(MTU_V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn forwarding_is_read_and_written_alike() {
        for text in ["l2", "ipip", "gue", "gue:6081"] {
            let forward: Forward = text.parse().expect(text);
            assert_eq!(forward.to_string(), text);
        }
        let gue: Forward = "gue:6080".parse().expect("the default port");
        assert_eq!(gue, "gue".parse().expect("gue"));
    }

    #[test]
    fn what_is_no_forwarding_is_refused() {
        for text in [
            "",
            "L2",
            "gre",
            "ipip:4",
            "l2:1",
            "gue:",
            "gue:0",
            "gue:65536",
        ] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_fits_inside_is_the_path_less_the_outer_headers() {
        use TunnelKind::{Gue, Ipip};
        let inner = TunnelRoute::inner_mtu;
        assert_eq!(inner(Ipip, address("10.0.0.3"), 1500), 1480);
        assert_eq!(inner(Gue(6080), address("10.0.0.3"), 1500), 1472);
        assert_eq!(inner(Ipip, address("2001:db8::3"), 1500), 1460);
        assert_eq!(inner(Gue(1), address("2001:db8::3"), 9000), 8952);
        assert_eq!(inner(Ipip, address("10.0.0.3"), 65_536), 65_515);
        assert_eq!(inner(Ipip, address("10.0.0.3"), 7), 0);
    }

    #[test]
    fn one_vip_of_ipv6_asks_for_what_every_link_of_ipv6_carries() {
        assert_eq!(least_mtu([address("192.0.2.1")]), 576);
        assert_eq!(
            least_mtu([address("192.0.2.1"), address("2001:db8::1")]),
            1280
        );
    }
}
