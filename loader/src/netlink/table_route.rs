//! Routes of one table: those that a program makes for itself, and finds again by
//! their protocol number.

use super::address::{family_and_bytes, ip_address};
use super::message::{Attribute, Request, attributes, flag, split_fixed};
use super::route::{RTM_GETROUTE, RTM_NEWROUTE, RTMSG, bits, rta, via};
use super::{Netlink, Result};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const RTM_DELROUTE: u16 = 25;

const RTN_UNICAST: u8 = 1;
const RT_SCOPE_UNIVERSE: u8 = 0;
/// On the segment, without a router.
const RT_SCOPE_LINK: u8 = 253;
/// The gateway is on the segment, whatever the interface's subnets.
const RTNH_F_ONLINK: u32 = 4;

/// A route through one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableRoute {
    /// The table: not 0.
    pub table: u32,
    /// Where it leads.
    pub destination: IpAddr,
    /// Leading bits of `destination` that count; 0 for everybody.
    pub prefix_len: u8,
    /// Index of the interface; 0 where there are several.
    pub interface: u32,
    /// Whom packets are sent to, on the interface's segment. For a route of IPv4
    /// it may be an address of IPv6 (5.2), not the other way round.
    pub gateway: Option<IpAddr>,
    /// The source that the kernel gives to packets, if none was asked for.
    pub source: Option<IpAddr>,
    /// Who made it (`RTPROT_*`): 5 to 255 are free for programs, `ip` says 3.
    pub protocol: u8,
}

impl TableRoute {
    /// Everybody of one version of IP, as a destination.
    #[must_use]
    pub fn everybody(is_v4: bool) -> IpAddr {
        if is_v4 {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        }
    }

    /// Bits of an address: the prefix of a route to it alone.
    #[must_use]
    pub fn host_prefix(address: IpAddr) -> u8 {
        bits(address)
    }
}

impl Netlink {
    /// The routes of one version of IP that are in this table and of this protocol,
    /// those to one host or its like alone (no blackholes).
    pub fn table_routes(
        &mut self,
        is_v4: bool,
        table: u32,
        protocol: u8,
    ) -> Result<Vec<TableRoute>> {
        let (family, _) = family_and_bytes(TableRoute::everybody(is_v4));
        let mut fixed = [0; RTMSG];
        fixed[0] = family;
        fixed[5] = protocol;
        let request = Request::new("RTM_GETROUTE", RTM_GETROUTE, flag::DUMP, &fixed)
            .attribute(rta::TABLE, &table.to_ne_bytes());
        match self.parsed(&request, RTM_NEWROUTE, parse) {
            // Kernels before 4.20 list everything.
            Ok(mut routes) => {
                routes.retain(|route| route.table == table && route.protocol == protocol);
                Ok(routes)
            }
            // A table that has never had a route.
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds a route. `EEXIST` when the table has one to the same destination,
    /// `ENETDOWN` while the interface is switched off.
    pub fn add_route(&mut self, route: &TableRoute) -> Result<()> {
        let flags = flag::ACK | flag::CREATE | flag::EXCLUSIVE;
        let request = change("RTM_NEWROUTE", RTM_NEWROUTE, flags, route);
        self.socket.request(&request).map(drop)
    }

    /// Removes a route of this protocol, and no other. `ESRCH` when there is none.
    pub fn remove_route(&mut self, route: &TableRoute) -> Result<()> {
        let request = change("RTM_DELROUTE", RTM_DELROUTE, flag::ACK, route);
        self.socket.request(&request).map(drop)
    }
}

fn change(name: &'static str, kind: u16, flags: u16, route: &TableRoute) -> Request {
    let (family, destination) = family_and_bytes(route.destination);
    let mut fixed = [0; RTMSG];
    fixed[0] = family;
    fixed[1] = route.prefix_len;
    fixed[5] = route.protocol;
    fixed[6] = RT_SCOPE_LINK;
    fixed[7] = RTN_UNICAST;
    if route.gateway.is_some() {
        fixed[6] = RT_SCOPE_UNIVERSE;
        fixed[8..12].copy_from_slice(&RTNH_F_ONLINK.to_ne_bytes());
    }
    let mut request = Request::new(name, kind, flags, &fixed)
        .attribute(rta::TABLE, &route.table.to_ne_bytes())
        .attribute(rta::OIF, &route.interface.to_ne_bytes());
    if route.prefix_len != 0 {
        request = request.attribute(rta::DST, &destination);
    }
    if let Some(source) = route.source {
        request = request.attribute(rta::PREFSRC, &family_and_bytes(source).1);
    }
    match route.gateway.map(family_and_bytes) {
        None => request,
        Some((of, gateway)) if of == family => request.attribute(rta::GATEWAY, &gateway),
        Some((of, gateway)) => {
            let rtvia = [&u16::from(of).to_ne_bytes()[..], &gateway].concat();
            request.attribute(rta::VIA, &rtvia)
        }
    }
}

/// `None` for routes of other kinds.
fn parse(body: &[u8]) -> io::Result<Option<TableRoute>> {
    let (fixed, list) = split_fixed(body, RTMSG)?;
    let family = fixed[0];
    let is_ip = [libc::AF_INET, libc::AF_INET6].contains(&i32::from(family));
    if !is_ip || fixed[7] != RTN_UNICAST {
        return Ok(None);
    }
    let mut route = TableRoute {
        table: fixed[4].into(),
        destination: TableRoute::everybody(i32::from(family) == libc::AF_INET),
        prefix_len: fixed[1],
        interface: 0,
        gateway: None,
        source: None,
        protocol: fixed[5],
    };
    for attribute in attributes(list) {
        route.set(family, attribute?)?;
    }
    Ok(Some(route))
}

impl TableRoute {
    fn set(&mut self, family: u8, attribute: Attribute<'_>) -> io::Result<()> {
        match attribute.kind {
            rta::TABLE => self.table = attribute.u32()?,
            rta::DST => {
                self.destination = ip_address(family, attribute.data).unwrap_or(self.destination);
            }
            rta::OIF => self.interface = attribute.u32()?,
            rta::GATEWAY => self.gateway = ip_address(family, attribute.data),
            rta::VIA => self.gateway = via(attribute.data),
            rta::PREFSRC => self.source = ip_address(family, attribute.data),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::VethEnd;
    use crate::netlink::message::HEADER;
    use crate::sys::namespace::OwnNamespace;

    fn route(destination: &str, prefix_len: u8, gateway: Option<&str>) -> TableRoute {
        TableRoute {
            table: 20_100_001,
            destination: destination.parse().expect(destination),
            prefix_len,
            interface: 7,
            gateway: gateway.map(|text| text.parse().expect(text)),
            source: None,
            protocol: 201,
        }
    }

    fn routes() -> [TableRoute; 5] {
        [
            route("0.0.0.0", 0, Some("10.0.0.3")),
            route("192.0.2.10", 32, None),
            route("192.0.2.11", 32, Some("2001:db8::3")),
            route("::", 0, Some("2001:db8::3")),
            route("2001:db8:1::", 64, None),
        ]
    }

    #[test]
    fn a_route_is_read_as_it_is_written() {
        let with_source = TableRoute {
            source: Some([10, 0, 0, 2].into()),
            ..routes()[1]
        };
        for route in routes().into_iter().chain([with_source]) {
            let body = change("test", RTM_NEWROUTE, 0, &route)
                .bytes(1)
                .split_off(HEADER);
            assert_eq!(parse(&body).unwrap(), Some(route));
            for end in 0..body.len() {
                let _ = parse(&body[..end]);
            }
        }
    }

    #[test]
    fn a_route_that_leads_nowhere_is_left_out() {
        let mut body = change("test", RTM_NEWROUTE, 0, &routes()[1])
            .bytes(1)
            .split_off(HEADER);
        body[7] = 6; // RTN_BLACKHOLE
        assert_eq!(parse(&body).unwrap(), None);
    }

    #[test]
    fn the_kernel_keeps_what_it_is_given_until_it_is_taken_away() {
        let _namespace = OwnNamespace::enter().expect("this test needs root");
        let mut netlink = Netlink::open().unwrap();
        let [near, far] = [("near", 1), ("far", 2)].map(|(name, last)| VethEnd {
            name,
            mac: [2, 0, 0, 0, 0, last],
        });
        netlink.add_veth(near, far).unwrap();
        let index = netlink.link_by_name("near").unwrap().unwrap().index;
        let routes = routes().map(|route| TableRoute {
            interface: index,
            ..route
        });
        let down = netlink.add_route(&routes[1]).unwrap_err();
        assert_eq!(down.errno(), Some(libc::ENETDOWN));
        assert_eq!(
            netlink.table_routes(true, 20_100_001, 201).unwrap(),
            [],
            "a table that has never had a route"
        );
        netlink.set_up(index, true).unwrap();
        // Without any address of this host, no gateway is good enough.
        let lo = netlink.link_by_name("lo").unwrap().unwrap().index;
        netlink.set_up(lo, true).unwrap();
        let foreign = TableRoute {
            destination: [192, 0, 2, 99].into(),
            protocol: 202,
            ..routes[1]
        };
        for route in routes.iter().chain([&foreign]) {
            netlink.add_route(route).unwrap();
            let again = netlink.add_route(route).unwrap_err();
            assert_eq!(again.errno(), Some(libc::EEXIST));
        }
        let mut found = netlink.table_routes(true, 20_100_001, 201).unwrap();
        found.extend(netlink.table_routes(false, 20_100_001, 201).unwrap());
        found.sort();
        let mut expected = routes;
        expected.sort();
        assert_eq!(found, expected);

        let as_if_ours = TableRoute {
            protocol: 201,
            ..foreign
        };
        let refused = netlink.remove_route(&as_if_ours).unwrap_err();
        assert_eq!(refused.errno(), Some(libc::ESRCH), "it is not ours");
        for route in &routes {
            netlink.remove_route(route).unwrap();
            let again = netlink.remove_route(route).unwrap_err();
            assert_eq!(again.errno(), Some(libc::ESRCH));
        }
        for is_v4 in [true, false] {
            assert_eq!(netlink.table_routes(is_v4, 20_100_001, 201).unwrap(), []);
        }
        assert_eq!(
            netlink.table_routes(true, 20_100_001, 202).unwrap(),
            [foreign]
        );
    }
}
