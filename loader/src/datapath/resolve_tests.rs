//! What is made of the kernel's answers.

use super::told::off_segment;
use super::*;
use crate::fault::exit_code;
use crate::netlink::{Address, Link};

fn address(text: &str) -> IpAddr {
    text.parse().expect(text)
}

fn way(port: u16, own: &str) -> Way {
    Way {
        link: Link {
            index: 10 + u32::from(port),
            name: format!("eth{port}"),
            mac: [2, 0, 0, 0, 1, 1],
            mtu: 1500,
            ..Link::default()
        },
        port,
        addresses: vec![Address {
            address: address(own),
            prefix_len: 24,
        }],
    }
}

fn aim(to: &str, forward: &str) -> Aim {
    Aim {
        address: address(to),
        forward: forward.parse().expect(forward),
        source: None,
        mac: None,
        port: None,
        least_mtu: 576,
    }
}

fn ipip(aim: &Aim, found: KernelRoute) -> Result<TunnelRoute> {
    tunnel(aim, TunnelKind::Ipip, &found, &way(0, "10.0.0.2"))
}

fn found(source: &str, mtu: Option<u32>) -> KernelRoute {
    KernelRoute {
        source: Some(address(source)),
        mtu,
        ..KernelRoute::default()
    }
}

#[test]
fn a_backend_on_two_segments_stays_where_it_is() {
    let ways = [way(0, "10.0.0.2"), way(1, "10.0.0.3"), way(2, "10.0.9.3")];
    let port = |port| {
        let aim = Aim {
            port,
            ..aim("10.0.0.7", "l2")
        };
        on_segment(&aim, &ways).expect("a segment").way.port
    };
    assert_eq!(port(None), 0);
    assert_eq!(port(Some(1)), 1);
    // Not there any more.
    assert_eq!(port(Some(2)), 0);
}

#[test]
fn a_backend_off_the_segment_is_refused_with_the_way_out() {
    let ways = [way(0, "10.0.0.2")];
    assert!(on_segment(&aim("10.0.1.7", "l2"), &ways).is_none());
    let error = off_segment(address("10.0.1.7"), &ways);
    assert_eq!(exit_code(&error), 3);
    let text = error.to_string();
    assert!(text.contains("eth0 (10.0.0.2/24)") && text.contains("--forward ipip"));
}

#[test]
fn a_tunnel_carries_what_route_and_interface_both_carry() {
    let aim = aim("10.0.1.7", "ipip");
    for (metric, inner) in [(None, 1480), (Some(1400), 1380), (Some(9000), 1480)] {
        let tunnel = ipip(&aim, found("10.0.0.2", metric)).expect("it fits");
        assert_eq!((tunnel.mtu, tunnel.is_source_given), (inner, false));
        assert_eq!(tunnel.source, address("10.0.0.2"));
    }
}

#[test]
fn a_path_that_carries_less_than_the_vips_need_is_refused() {
    let mut aim = aim("10.0.1.7", "ipip");
    assert!(ipip(&aim, found("10.0.0.2", Some(596))).is_ok());
    let error = ipip(&aim, found("10.0.0.2", Some(595))).expect_err("too short");
    assert_eq!(exit_code(&error), 3);
    assert!(error.to_string().contains("leaves 575 inside ipip"));
    aim.least_mtu = 1280;
    assert!(ipip(&aim, found("10.0.0.2", Some(1300))).is_ok());
    assert!(ipip(&aim, found("10.0.0.2", Some(1299))).is_err());
}

#[test]
fn the_operators_source_wins_and_one_that_no_router_sends_on_is_none() {
    let mut aim = aim("10.0.1.7", "ipip");
    aim.source = Some(address("10.0.0.99"));
    let tunnel = ipip(&aim, found("10.0.0.2", None)).expect("a source");
    assert_eq!(
        (tunnel.source, tunnel.is_source_given),
        (address("10.0.0.99"), true)
    );

    let far = self::aim("2001:db8:1::7", "ipip");
    let error = ipip(&far, found("fe80::2", None)).expect_err("no source");
    assert!(error.to_string().contains("--source"), "{error}");
    assert!(ipip(&far, KernelRoute::default()).is_err());
    assert!(ipip(&far, found("2001:db8::2", None)).is_ok());
}

#[test]
fn frames_go_to_the_neighbour_that_answered_or_to_the_mac_that_was_given() {
    let ways = [way(3, "10.0.0.2")];
    let hop = Hop {
        way: &ways[0],
        next: address("10.0.0.1"),
        tunnel: None,
    };
    let router = Mac([2, 0, 0, 0, 0, 7]);
    let mut aim = aim("10.0.1.7", "ipip");
    let known = BTreeMap::from([(hop.key(), Look::Known(router))]);
    let route = super::route(&aim, Some(&hop), &known).expect("it is known");
    assert_eq!((route.mac(), route.port), (router, 3));
    assert_eq!(route.own_mac(), Mac([2, 0, 0, 0, 1, 1]));
    assert!(!route.is_mac_given);

    for look in [Look::Failed, Look::Pending] {
        let silent = BTreeMap::from([(hop.key(), look)]);
        let error = super::route(&aim, Some(&hop), &silent).expect_err("no answer");
        assert_eq!(exit_code(&error), 1);
        let text = error.to_string();
        assert!(
            text.contains("10.0.0.1, the next hop to backend 10.0.1.7, did not answer on eth3")
        );
    }
    aim.mac = Some(Mac([2, 0, 0, 0, 0, 9]));
    let route = super::route(&aim, Some(&hop), &BTreeMap::new()).expect("it is given");
    assert_eq!(route.mac(), Mac([2, 0, 0, 0, 0, 9]));
    assert!(route.is_mac_given);
}

#[test]
fn a_way_that_is_looked_for_again_keeps_what_the_operator_gave() {
    let route = Route {
        address: address("10.0.1.7"),
        macs: [2; 12],
        is_mac_given: true,
        port: 4,
        tunnel: Some(TunnelRoute {
            kind: TunnelKind::Gue(6080),
            source: address("10.0.0.2"),
            is_source_given: true,
            mtu: 1472,
        }),
    };
    let again = Aim::again(&route, [address("2001:db8::10")]);
    assert_eq!(again.forward.to_string(), "gue");
    assert_eq!(again.source, Some(address("10.0.0.2")));
    assert_eq!(again.mac, Some(Mac([2; 6])));
    assert_eq!((again.port, again.least_mtu), (Some(4), 1280));

    let mut route = route;
    route.is_mac_given = false;
    route.tunnel = route.tunnel.map(|t| TunnelRoute {
        is_source_given: false,
        ..t
    });
    let again = Aim::again(&route, []);
    assert_eq!((again.source, again.mac), (None, None));
}
