//! Routes, and what the kernel tells of changes.

use crate::world::{in_a_world, ip, ip_batch, wait_for};
use dsrload::netlink::{KernelRoute, Netlink, RouteKind, Watch};
use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

/// `near` and `second`, with a neighbour each.
fn connected() -> (Netlink, u32, u32) {
    for (name, last) in [("near", 1), ("second", 2)] {
        ip(&format!("link add {name} type veth peer name far{last}"));
        ip(&format!("address add 192.0.{last}.1/24 dev {name}"));
        ip(&format!(
            "address add 2001:db8:{last}::1/64 dev {name} nodad"
        ));
        ip(&format!("link set {name} up"));
        ip(&format!("link set far{last} up"));
    }
    ip("link set lo up");
    let mut netlink = Netlink::open().unwrap();
    let mut index = |name| {
        wait_for("the link runs", || {
            let link = netlink.link_by_name(name).unwrap()?;
            link.running.then_some(link.index)
        })
    };
    let (near, second) = (index("near"), index("second"));
    (netlink, near, second)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What `ip route get` prints.
fn told(to: &str) -> String {
    let answer = Command::new("ip").args(["route", "get", to]).output();
    String::from_utf8(answer.unwrap().stdout).unwrap()
}

#[test]
fn a_route_has_interface_gateway_source_and_mtu() {
    in_a_world(|| {
        let (mut netlink, near, second) = connected();
        ip("route add 10.1.0.0/24 via 192.0.1.254");
        ip("route add 10.2.0.0/24 via 192.0.2.254 mtu 1400 src 192.0.1.1");
        ip("route add 2001:db8:99::/64 via 2001:db8:2::254 mtu 1300");
        for (to, interface, gateway, source, mtu) in [
            ("192.0.1.7", near, None, "192.0.1.1", None),
            ("10.1.0.7", near, Some("192.0.1.254"), "192.0.1.1", None),
            (
                "10.2.0.7",
                second,
                Some("192.0.2.254"),
                "192.0.1.1",
                Some(1400),
            ),
            ("2001:db8:1::7", near, None, "2001:db8:1::1", None),
            (
                "2001:db8:99::7",
                second,
                Some("2001:db8:2::254"),
                "2001:db8:2::1",
                Some(1300),
            ),
        ] {
            let found = netlink.route(address(to), None).unwrap();
            let wanted = KernelRoute {
                kind: RouteKind::Unicast,
                interface,
                gateway: gateway.map(address),
                source: Some(address(source)),
                mtu,
            };
            assert_eq!(found, wanted, "{}", told(to));
        }
        let here = netlink.route(address("192.0.1.1"), None).unwrap();
        assert_eq!(here.kind, RouteKind::Local);
        let all = netlink.route(address("192.0.1.255"), None).unwrap();
        assert_eq!(all.kind, RouteKind::Other);
    });
}

#[test]
fn an_ipv4_route_may_go_by_an_ipv6_gateway() {
    in_a_world(|| {
        let (mut netlink, near, _) = connected();
        ip("route add 10.1.0.0/24 via inet6 fe80::1 dev near");
        let found = netlink.route(address("10.1.0.7"), None).unwrap();
        assert_eq!(
            (found.interface, found.gateway),
            (near, Some(address("fe80::1")))
        );
    });
}

#[test]
fn rules_by_source_count_for_a_source_that_is_given() {
    in_a_world(|| {
        let (mut netlink, near, second) = connected();
        ip("route add 10.1.0.0/24 via 192.0.1.254");
        ip("route add 10.1.0.0/24 via 192.0.2.254 table 7");
        ip("rule add from 192.0.2.1 table 7");
        let to = address("10.1.0.7");
        assert_eq!(netlink.route(to, None).unwrap().interface, near);
        let found = netlink.route(to, Some(address("192.0.2.1"))).unwrap();
        assert_eq!(found.interface, second);
    });
}

#[test]
fn routes_that_lead_nowhere_are_the_kernels_errors() {
    in_a_world(|| {
        let (mut netlink, _, _) = connected();
        for (kind, net) in [("unreachable", 1), ("blackhole", 2), ("prohibit", 3)] {
            ip(&format!("route add {kind} 10.{net}.0.0/24"));
            ip(&format!("route add {kind} 2001:db8:a{net}::/64"));
        }
        let expected = [
            ("10.0.0.7", libc::ENETUNREACH),
            ("10.1.0.7", libc::EHOSTUNREACH),
            ("10.2.0.7", libc::EINVAL),
            ("10.3.0.7", libc::EACCES),
            ("2001:db8:a0::7", libc::ENETUNREACH),
            ("2001:db8:a1::7", libc::EHOSTUNREACH),
            ("2001:db8:a2::7", libc::EINVAL),
            ("2001:db8:a3::7", libc::EACCES),
        ];
        for (to, errno) in expected {
            let error = netlink.route(address(to), None).unwrap_err();
            assert_eq!(error.errno(), Some(errno), "{to}: {error}");
        }
    });
}

#[test]
fn changes_of_routes_links_and_neighbours_are_told() {
    in_a_world(|| {
        let (mut netlink, near, _) = connected();
        let mut watch = Watch::open().unwrap();
        let mut general = |what: &str, change: &str| {
            ip(change);
            wait_for(what, || {
                let news = watch.wait(Duration::from_millis(100)).unwrap();
                news.is_general.then_some(())
            });
        };
        general("a route", "route add 10.1.0.0/24 via 192.0.1.254");
        general("another", "route add 2001:db8:99::/64 via 2001:db8:1::254");
        general("it goes", "route del 10.1.0.0/24 via 192.0.1.254");
        general("a link", "link set near mtu 1400");

        let router = address("192.0.1.254");
        let mut told = |change: &str, mac: Option<[u8; 6]>| {
            ip(change);
            wait_for(change, || {
                let news = watch.wait(Duration::from_millis(100)).unwrap();
                let mut ours = news.neighbours.iter();
                ours.any(|&(index, n)| (index, n.address, n.mac) == (near, router, mac))
                    .then_some(())
            });
        };
        told(
            "neighbour add 192.0.1.254 lladdr 02:00:00:00:00:07 dev near",
            Some([2, 0, 0, 0, 0, 7]),
        );
        told(
            "neighbour replace 192.0.1.254 lladdr 02:00:00:00:00:08 dev near",
            Some([2, 0, 0, 0, 0, 8]),
        );
        told("neighbour del 192.0.1.254 dev near", None);
        assert_eq!(
            netlink.neighbour(near, router).unwrap().and_then(|n| n.mac),
            None
        );
    });
}

#[test]
fn news_that_are_lost_are_news_of_everything() {
    in_a_world(|| {
        let (_netlink, _, _) = connected();
        let mut watch = Watch::open().unwrap();
        let change = |n: u32| {
            format!(
                "neighbour replace 192.0.1.9 lladdr 02:00:00:00:00:{:02x} dev near",
                n % 2
            )
        };
        let changes: Vec<String> = (0..3000).map(change).collect();
        ip_batch(&changes.join("\n"));
        let news = watch.wait(Duration::from_millis(100)).unwrap();
        assert!(news.neighbours.len() < changes.len(), "none were lost");
        assert!(news.is_general, "{} neighbours", news.neighbours.len());
    });
}
