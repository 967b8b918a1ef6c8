//! Routes to everybody.

use super::address::ip_address;
use super::message::{Attribute, Request, attributes, flag, split_fixed};
use super::route::{RTM_GETROUTE, RTM_NEWROUTE, RTMSG, rta};
use super::{Netlink, Result};
use std::io;
use std::net::IpAddr;

/// The table of all routes that are in no other.
const RT_TABLE_MAIN: u8 = 254;
/// Packets are sent to a host.
const RTN_UNICAST: u8 = 1;

/// A route to everybody, of the main table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Of IPv4, else of IPv6.
    pub is_v4: bool,
    /// The router; none where everybody is on the segment.
    pub gateway: Option<IpAddr>,
    /// Index of the interface; 0 where there are several.
    pub interface: u32,
    /// What tells it from other default routes: the lowest wins.
    pub metric: Option<u32>,
    /// The longest TCP segment that peers are asked to send.
    pub advmss: Option<u32>,
}

impl Netlink {
    /// The default routes of both versions of IP.
    pub fn default_routes(&mut self) -> Result<Vec<DefaultRoute>> {
        let request = Request::new("RTM_GETROUTE", RTM_GETROUTE, flag::DUMP, &[0; RTMSG]);
        self.parsed(&request, RTM_NEWROUTE, parse)
    }
}

/// `None` for any other route.
fn parse(body: &[u8]) -> io::Result<Option<DefaultRoute>> {
    let (fixed, list) = split_fixed(body, RTMSG)?;
    let is_default = fixed[1] == 0 && fixed[4] == RT_TABLE_MAIN && fixed[7] == RTN_UNICAST;
    let family = fixed[0];
    let is_ip = [libc::AF_INET, libc::AF_INET6].contains(&i32::from(family));
    if !is_default || !is_ip {
        return Ok(None);
    }
    let mut route = DefaultRoute {
        is_v4: i32::from(family) == libc::AF_INET,
        ..DefaultRoute::default()
    };
    for attribute in attributes(list) {
        route.set(family, attribute?)?;
    }
    Ok(Some(route))
}

impl DefaultRoute {
    fn set(&mut self, family: u8, attribute: Attribute<'_>) -> io::Result<()> {
        match attribute.kind {
            rta::OIF => self.interface = attribute.u32()?,
            rta::GATEWAY => self.gateway = ip_address(family, attribute.data),
            rta::PRIORITY => self.metric = Some(attribute.u32()?),
            rta::METRICS => {
                for metric in attributes(attribute.data) {
                    let metric = metric?;
                    if metric.kind == rta::METRIC_ADVMSS {
                        self.advmss = Some(metric.u32()?);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{AttributeList, HEADER};

    fn body(prefix_len: u8) -> Vec<u8> {
        let fixed = [
            2,
            prefix_len,
            0,
            0,
            RT_TABLE_MAIN,
            3,
            0,
            RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        let metrics = AttributeList::default()
            .attribute(2, &1400_u32.to_ne_bytes())
            .attribute(rta::METRIC_ADVMSS, &1440_u32.to_ne_bytes());
        Request::new("test", RTM_NEWROUTE, 0, &fixed)
            .attribute(rta::OIF, &7_u32.to_ne_bytes())
            .attribute(rta::GATEWAY, &[192, 0, 2, 1])
            .nested(rta::METRICS, &metrics)
            .bytes(1)
            .split_off(HEADER)
    }

    #[test]
    fn a_default_route_is_read_with_its_metrics() {
        let route = parse(&body(0)).unwrap().unwrap();
        assert_eq!(
            route,
            DefaultRoute {
                is_v4: true,
                gateway: Some([192, 0, 2, 1].into()),
                interface: 7,
                metric: None,
                advmss: Some(1440),
            }
        );
    }

    #[test]
    fn other_routes_are_left_out() {
        assert_eq!(parse(&body(24)).unwrap(), None);
        let mut local = body(0);
        local[4] = 255;
        assert_eq!(parse(&local).unwrap(), None);
    }

    #[test]
    fn a_route_cut_anywhere_never_panics() {
        let whole = body(0);
        for end in 0..whole.len() {
            let _ = parse(&whole[..end]);
        }
    }
}
