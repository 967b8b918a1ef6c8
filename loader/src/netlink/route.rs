//! The kernel's route to an address: as a packet of this host would go.

use super::address::{family_and_bytes, ip_address};
use super::message::{
    Attribute, Request, attributes, flag, malformed, split_fixed, u16_at, u32_at,
};
use super::{Netlink, Result};
use std::io;
use std::net::IpAddr;

pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_GETROUTE: u16 = 26;

/// Bytes of `struct rtmsg`: family, prefix lengths of destination and source,
/// tos, table, protocol, scope, type, flags (`u32`).
pub(super) const RTMSG: usize = 12;

/// Attributes of a route (`include/uapi/linux/rtnetlink.h`).
pub(super) mod rta {
    pub const DST: u16 = 1;
    pub const SRC: u16 = 2;
    pub const IIF: u16 = 3;
    pub const OIF: u16 = 4;
    pub const GATEWAY: u16 = 5;
    pub const PRIORITY: u16 = 6;
    pub const PREFSRC: u16 = 7;
    pub const METRICS: u16 = 8;
    pub const TABLE: u16 = 15;
    /// A gateway of another family than the route's (5.2 for IPv4).
    pub const VIA: u16 = 18;
    /// Inside `METRICS`.
    pub const METRIC_MTU: u16 = 2;
    /// Inside `METRICS`.
    pub const METRIC_ADVMSS: u16 = 8;
}

/// How the kernel's own packets get to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelRoute {
    /// What becomes of them.
    pub kind: RouteKind,
    /// Index of the interface that they leave through.
    pub interface: u32,
    /// The router that they are sent to; none on the segment of the address.
    pub gateway: Option<IpAddr>,
    /// The source that the kernel gives them, if none was asked for.
    pub source: Option<IpAddr>,
    /// The longest of them, if the route or a router on the way has said so.
    pub mtu: Option<u32>,
}

/// What becomes of packets that take a route (`RTN_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteKind {
    /// They are sent to one host.
    #[default]
    Unicast,
    /// They are for this host.
    Local,
    /// Anything else: broadcast, multicast, none at all.
    Other,
}

impl Netlink {
    /// The route to an address, for packets from `from` if that is given, which
    /// then must be an address of this host.
    ///
    /// `ENETUNREACH`: there is none. For routes that lead nowhere, `EHOSTUNREACH`
    /// (unreachable), `EACCES` (prohibit) or `EINVAL` (blackhole).
    pub fn route(&mut self, to: IpAddr, from: Option<IpAddr>) -> Result<KernelRoute> {
        let request = request(to, from);
        let found = self.parsed(&request, RTM_NEWROUTE, |body| parse(body).map(Some))?;
        found.into_iter().next().ok_or_else(|| {
            super::NetlinkError::new(request.name, malformed("no route, and no reason"))
        })
    }

    /// Whether the kernel takes a packet of `from` for `to` that comes in by this
    /// interface, as far as their addresses are concerned: for IPv4 its source
    /// filter (`rp_filter`) decides, and whether `from` is this host's own.
    pub fn takes(&mut self, from: IpAddr, to: IpAddr, interface: u32) -> Result<bool> {
        let request = request(to, Some(from)).attribute(rta::IIF, &interface.to_ne_bytes());
        match self.socket.request(&request) {
            Ok(_) => Ok(true),
            Err(error) if NOT_RECEIVED.contains(&error.errno()) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// A kernel up to 6.12 says `EXDEV` where the source filter refuses, later ones
/// say `EINVAL` whatever it is.
const NOT_RECEIVED: [Option<i32>; 2] = [Some(libc::EXDEV), Some(libc::EINVAL)];

fn request(to: IpAddr, from: Option<IpAddr>) -> Request {
    let (family, bytes) = family_and_bytes(to);
    let mut fixed = [0; RTMSG];
    fixed[0] = family;
    fixed[1] = bits(to);
    fixed[2] = from.map_or(0, bits);
    let request =
        Request::new("RTM_GETROUTE", RTM_GETROUTE, flag::ACK, &fixed).attribute(rta::DST, &bytes);
    match from {
        Some(from) => request.attribute(rta::SRC, &family_and_bytes(from).1),
        None => request,
    }
}

/// Bits of an address: all of them count.
pub(super) fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn parse(body: &[u8]) -> io::Result<KernelRoute> {
    let (fixed, list) = split_fixed(body, RTMSG)?;
    let mut route = KernelRoute {
        kind: match fixed[7] {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            _ => RouteKind::Other,
        },
        ..KernelRoute::default()
    };
    for attribute in attributes(list) {
        route.set(fixed[0], attribute?)?;
    }
    Ok(route)
}

impl KernelRoute {
    fn set(&mut self, family: u8, attribute: Attribute<'_>) -> io::Result<()> {
        match attribute.kind {
            rta::OIF => self.interface = attribute.u32()?,
            rta::GATEWAY => self.gateway = ip_address(family, attribute.data),
            rta::VIA => self.gateway = via(attribute.data),
            rta::PREFSRC => self.source = ip_address(family, attribute.data),
            rta::METRICS => self.mtu = mtu(attribute.data)?,
            _ => {}
        }
        Ok(())
    }
}

/// `struct rtvia`: a family (`u16`) and an address.
pub(super) fn via(data: &[u8]) -> Option<IpAddr> {
    let family = u8::try_from(u16_at(data, 0)?).ok()?;
    ip_address(family, data.get(2..)?)
}

fn mtu(metrics: &[u8]) -> io::Result<Option<u32>> {
    for attribute in attributes(metrics) {
        let attribute = attribute?;
        if attribute.kind == rta::METRIC_MTU {
            return Ok(u32_at(attribute.data, 0).filter(|&mtu| mtu != 0));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{AttributeList, HEADER, messages};

    const UNICAST: u8 = 1;

    fn body(family: u8, kind: u8, list: &[(u16, &[u8])], metrics: &AttributeList) -> Vec<u8> {
        let fixed = [family, 32, 0, 0, 254, 0, 0, kind, 0, 0, 0, 0];
        list.iter()
            .fold(
                Request::new("test", RTM_NEWROUTE, 0, &fixed),
                |request, (kind, data)| request.attribute(*kind, data),
            )
            .nested(rta::METRICS, metrics)
            .bytes(1)
            .split_off(HEADER)
    }

    fn through_a_router() -> Vec<u8> {
        let metrics = AttributeList::default()
            .attribute(1, &1_u32.to_ne_bytes())
            .attribute(rta::METRIC_MTU, &1400_u32.to_ne_bytes());
        let list: [(u16, &[u8]); 4] = [
            (rta::DST, &[10, 0, 1, 7]),
            (rta::OIF, &7_u32.to_ne_bytes()),
            (rta::GATEWAY, &[10, 0, 0, 1]),
            (rta::PREFSRC, &[10, 0, 0, 2]),
        ];
        body(2, UNICAST, &list, &metrics)
    }

    #[test]
    fn a_route_is_what_its_attributes_say() {
        assert_eq!(
            parse(&through_a_router()).unwrap(),
            KernelRoute {
                kind: RouteKind::Unicast,
                interface: 7,
                gateway: Some([10, 0, 0, 1].into()),
                source: Some([10, 0, 0, 2].into()),
                mtu: Some(1400),
            }
        );
    }

    #[test]
    fn a_gateway_may_be_of_another_family() {
        let router: IpAddr = "fe80::1".parse().unwrap();
        let rtvia = [10_u16.to_ne_bytes().to_vec(), family_and_bytes(router).1].concat();
        let body = body(2, UNICAST, &[(rta::VIA, &rtvia)], &AttributeList::default());
        assert_eq!(parse(&body).unwrap().gateway, Some(router));
        for end in 0..rtvia.len() {
            assert_eq!(via(&rtvia[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn the_segment_of_an_address_has_no_gateway_and_a_route_may_have_no_mtu() {
        let none = AttributeList::default();
        let zero = AttributeList::default().attribute(rta::METRIC_MTU, &[0; 4]);
        for metrics in [none, zero] {
            let route = parse(&body(2, UNICAST, &[], &metrics)).unwrap();
            assert_eq!((route.gateway, route.mtu, route.source), (None, None, None));
        }
    }

    #[test]
    fn the_kind_tells_this_host_and_nobody_from_another_host() {
        let kind = |kind| {
            let body = body(10, kind, &[], &AttributeList::default());
            parse(&body).unwrap().kind
        };
        assert_eq!(kind(1), RouteKind::Unicast);
        assert_eq!(kind(2), RouteKind::Local);
        for other in [0, 3, 5, 6, 7, 8, 255] {
            assert_eq!(kind(other), RouteKind::Other, "{other}");
        }
    }

    #[test]
    fn a_route_cut_anywhere_never_panics() {
        let whole = through_a_router();
        for end in 0..whole.len() {
            if let Ok(route) = parse(&whole[..end]) {
                assert!([0, 7].contains(&route.interface), "cut at {end}");
            }
        }
    }

    #[test]
    fn all_bits_of_the_addresses_are_asked_for() {
        let bytes = request([10, 0, 1, 7].into(), Some([10, 0, 0, 2].into())).bytes(1);
        let body = messages(&bytes).next().unwrap().unwrap().body;
        assert_eq!(&body[..4], &[2, 32, 32, 0]);
        let list: Vec<_> = attributes(&body[RTMSG..]).map(|a| a.unwrap()).collect();
        assert_eq!((list[0].kind, list[0].data), (rta::DST, &[10, 0, 1, 7][..]));
        assert_eq!((list[1].kind, list[1].data), (rta::SRC, &[10, 0, 0, 2][..]));

        let bytes = request("2001:db8::7".parse().unwrap(), None).bytes(1);
        let body = messages(&bytes).next().unwrap().unwrap().body;
        assert_eq!(&body[..4], &[10, 128, 0, 0]);
        assert_eq!(attributes(&body[RTMSG..]).count(), 1);
    }
}
