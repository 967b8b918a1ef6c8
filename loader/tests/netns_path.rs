//! Checks that go to a backend as clients' packets do: who has such a mark reaches
//! this backend alone, at the VIP; and what on the balancer's own host is in their
//! way is told, and goes away by what is told.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dsrload::agent::host::{Obstacle, obstacle};
use dsrload::agent::path::{Paths, Set, Via};
use dsrload::netlink::Netlink;
use lab::host::Host;
use lab::probe::ask;
use lab::{BACKENDS, BACKENDS6, Lab, VIP, VIP6};

const PROTOCOL: u8 = 201;
const NAMES: [&str; 2] = ["backend-a", "backend-b"];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn index(host: &Host, interface: &str) -> u32 {
    host.inside(|| nix::net::if_::if_nametoindex(interface))
        .expect("the interface exists")
}

/// The way to a backend over the balancer's `eth0`.
fn via(lab: &Lab, vip: &str, backend: &str) -> Via {
    let eth0 = index(&lab.balancer, "eth0");
    Via::backend(address(vip), address(backend), eth0).expect("there is a way")
}

/// Sets ways as a process on this host would.
fn set(host: &Host, paths: &mut Paths, wanted: &[Via]) -> Set {
    let wanted: BTreeSet<Via> = wanted.iter().copied().collect();
    host.inside(|| {
        let mut netlink = Netlink::open().expect("a socket");
        paths.set(&mut netlink, &wanted).expect("ways")
    })
}

/// The same, of which none may be refused; their marks.
fn marks(host: &Host, paths: &mut Paths, wanted: &[Via]) -> BTreeMap<Via, u32> {
    let set = set(host, paths, wanted);
    assert!(set.refused.is_empty(), "{:?}", set.refused);
    set.marks
}

fn take_over(host: &Host, paths: &mut Paths) {
    host.inside(|| {
        let mut netlink = Netlink::open().expect("a socket");
        paths.take_over(&mut netlink).expect("the kernel's list");
    });
}

/// All rules, and all routes of tables other than those that the kernel fills.
fn state(host: &Host) -> String {
    let of = |version: &str, what: &str| host.run(&format!("ip -{version} {what}"));
    let mut state = String::new();
    for version in ["4", "6"] {
        state.push_str(&of(version, "rule show"));
        let routes = of(version, "-N route show table all proto 201");
        state.push_str(&routes);
    }
    state
}

/// All four ways: to both backends, with both versions of IP.
fn all(lab: &Lab) -> Vec<(&'static str, &'static str, Via)> {
    let of = |vip, backends: [&str; 2]| {
        [0, 1].map(|nth| (vip, NAMES[nth], via(lab, vip, backends[nth])))
    };
    [of(VIP, BACKENDS), of(VIP6, BACKENDS6)].concat()
}

#[test]
fn a_mark_leads_to_one_backend_at_the_vip() {
    let lab = Lab::seed();
    let mut ways = all(&lab);
    // IPv4 to the neighbour of an address of IPv6.
    ways.push((VIP, NAMES[1], via(&lab, VIP, BACKENDS6[1])));
    let wanted: Vec<Via> = ways.iter().map(|way| way.2).collect();
    let mut paths = Paths::new(PROTOCOL);
    let marks = marks(&lab.balancer, &mut paths, &wanted);
    for (vip, name, via) in &ways {
        let answer = ask(&lab.balancer, vip, marks[via]);
        assert_eq!(answer.expect("an answer"), *name, "{via:?}");
    }
    // A backend that has lost the VIP is not excused, though its address answers.
    let host = &lab.backends[0].host;
    host.ip(&format!(
        "addr del {VIP}/32 dev lo
         addr del {VIP6}/128 dev lo"
    ));
    for (vip, name, via) in &ways {
        let answer = ask(&lab.balancer, vip, marks[via]);
        assert_eq!(answer.is_ok(), *name != NAMES[0], "{via:?}: {answer:?}");
    }
    let own = ask(&lab.balancer, BACKENDS[0], 0);
    assert_eq!(own.expect("its address answers"), NAMES[0]);
}

#[test]
fn a_mark_without_its_route_leads_to_nobody_until_it_is_set_again() {
    let lab = Lab::seed();
    let balancer = &lab.balancer;
    let mut paths = Paths::new(PROTOCOL);
    let [a, b] = BACKENDS.map(|backend| via(&lab, VIP, backend));
    let marks = marks(balancer, &mut paths, &[a, b]);
    // By the main table, the VIP is at the other backend: another balancer's part.
    balancer.ip(&format!("route add {VIP}/32 via {}", BACKENDS[1]));
    assert_eq!(ask(balancer, VIP, 0).expect("an answer"), NAMES[1]);
    let whole = state(balancer);

    balancer.ip("route flush table 20100001");
    let lost = ask(balancer, VIP, marks[&a]).expect_err("nobody");
    assert_eq!(lost.raw_os_error(), Some(libc::ENETUNREACH), "{lost}");
    assert_eq!(ask(balancer, VIP, marks[&b]).expect("an answer"), NAMES[1]);
    balancer.ip("rule del priority 806");

    assert_eq!(set(balancer, &mut paths, &[a, b]).marks, marks);
    assert_eq!(ask(balancer, VIP, marks[&a]).expect("an answer"), NAMES[0]);
    assert_eq!(state(balancer), whole);

    // An interface that is switched off takes its routes along.
    balancer.ip("link set eth0 down");
    let set_down = set(balancer, &mut paths, &[a, b]);
    assert_eq!(set_down.refused.len(), 2, "{:?}", set_down.refused);
    assert_eq!(set_down.marks, marks);
    balancer.ip("link set eth0 up");
    assert_eq!(set(balancer, &mut paths, &[a, b]).marks, marks);
    assert_eq!(ask(balancer, VIP, marks[&a]).expect("an answer"), NAMES[0]);
}

#[test]
fn what_a_killed_process_left_is_used_or_removed_and_nothing_else_is_touched() {
    let lab = Lab::seed();
    let balancer = &lab.balancer;
    // Others' rules, one of them with our protocol number, and a route.
    balancer.ip(
        "rule add fwmark 0x0dc90001 lookup 20100001 priority 20000 protocol 99
         rule add fwmark 0x77 lookup 20100001 priority 20001 protocol 201
         route add 198.18.0.0/15 dev eth0 table 20100001 protocol 99",
    );
    let before = state(balancer);
    let ways: Vec<Via> = all(&lab).into_iter().map(|way| way.2).collect();
    let mut killed = Paths::new(PROTOCOL);
    let first = marks(balancer, &mut killed, &ways);
    let left = state(balancer);
    drop(killed);

    let mut next = Paths::new(PROTOCOL);
    take_over(balancer, &mut next);
    assert_eq!(marks(balancer, &mut next, &ways), first);
    assert_eq!(state(balancer), left, "all of it still fits");
    drop(next);

    let mut next = Paths::new(PROTOCOL);
    take_over(balancer, &mut next);
    let second = marks(balancer, &mut next, &ways[1..2]);
    assert_eq!(second[&ways[1]], first[&ways[1]]);
    assert_eq!(second.len(), 1);
    let rest = state(balancer);
    assert_eq!(rest.matches("0xdc9").count(), 1 + 4, "{rest}");

    balancer.inside(|| {
        let mut netlink = Netlink::open().expect("a socket");
        next.remove_all(&mut netlink).expect("nothing of ours");
    });
    assert_eq!(state(balancer), before);
}

/// What is found in the way of checks of a VIP, for a backend over `eth0`.
fn found(lab: &Lab, vip: &str, backend: &str) -> Option<Obstacle> {
    lab.balancer.inside(|| {
        let mut netlink = Netlink::open().expect("a socket");
        let link = netlink.link_by_name("eth0").expect("an answer");
        let link = link.expect("the interface exists");
        obstacle(&mut netlink, address(vip), address(backend), &link).expect("an answer")
    })
}

/// An obstacle that is found, and in truth in the way until its remedy is done.
fn is_removed_by_its_remedy(lab: &Lab, mark: u32, told: &str) {
    let balancer = &lab.balancer;
    let lost = ask(balancer, VIP, mark);
    assert!(lost.is_err(), "{told}: it is not in the way");
    let obstacle = found(lab, VIP, BACKENDS[0]).expect(told);
    assert!(obstacle.to_string().contains(told), "{obstacle}");
    for line in obstacle.remedy().expect("a remedy").lines() {
        balancer.run(line);
    }
    assert_eq!(found(lab, VIP, BACKENDS[0]), None, "after {obstacle}");
    let answer = ask(balancer, VIP, mark);
    assert_eq!(answer.expect("an answer"), NAMES[0], "after {obstacle}");
}

#[test]
fn the_source_filter_is_told_and_its_remedy_is_one() {
    let lab = Lab::seed();
    let balancer = &lab.balancer;
    let filter = |all: &str, own: &str| {
        balancer.set("ipv4/conf/all/rp_filter", all);
        balancer.set("ipv4/conf/eth0/rp_filter", own);
    };
    let via = via(&lab, VIP, BACKENDS[0]);
    let mark = marks(balancer, &mut Paths::new(PROTOCOL), &[via])[&via];

    filter("0", "0");
    assert_eq!(found(&lab, VIP, BACKENDS[0]), None);
    assert_eq!(ask(balancer, VIP, mark).expect("an answer"), NAMES[0]);

    // No route: neither setting is content.
    for (all, own) in [("1", "0"), ("0", "2")] {
        filter(all, own);
        is_removed_by_its_remedy(&lab, mark, "is missing");
        balancer.ip(&format!("route del {VIP}/32"));
    }
    // The answers come in by another interface than the route to the VIP leads out of.
    balancer.plug("eth1", "46:d2:07:b9:6c:83", &lab.switch, "balancer-1");
    balancer.ip(&format!(
        "addr add 10.2.0.2/24 dev eth1
         route add {VIP}/32 via 10.2.0.1"
    ));
    filter("1", "0");
    is_removed_by_its_remedy(&lab, mark, "leads out of eth1");
    balancer.ip(&format!(
        "route del {VIP}/32
         route add blackhole {VIP}/32"
    ));
    filter("0", "1");
    is_removed_by_its_remedy(&lab, mark, "throws packets away");

    // Strict, and well.
    balancer.ip(&format!(
        "route del {VIP}/32
         route add {VIP}/32 dev eth0"
    ));
    filter("1", "1");
    assert_eq!(found(&lab, VIP, BACKENDS[0]), None);
    assert_eq!(ask(balancer, VIP, mark).expect("an answer"), NAMES[0]);
    // With no fault of this host's, a backend that lost the VIP has none to blame.
    lab.backends[0]
        .host
        .ip(&format!("addr del {VIP}/32 dev lo"));
    assert_eq!(found(&lab, VIP, BACKENDS[0]), None);
    assert!(ask(balancer, VIP, mark).is_err());
}

#[test]
fn a_vip_of_the_balancers_own_is_told() {
    let lab = Lab::seed();
    let balancer = &lab.balancer;
    let ways = [via(&lab, VIP, BACKENDS[0]), via(&lab, VIP6, BACKENDS6[0])];
    let marks = marks(balancer, &mut Paths::new(PROTOCOL), &ways);
    let own = |action: &str| {
        balancer.ip(&format!(
            "addr {action} {VIP}/32 dev lo
             addr {action} {VIP6}/128 dev lo"
        ));
    };
    for (vip, backend, via) in [(VIP, BACKENDS[0], ways[0]), (VIP6, BACKENDS6[0], ways[1])] {
        assert_eq!(found(&lab, vip, backend), None);
        own("add");
        let local = Obstacle::Local { vip: address(vip) };
        assert_eq!(found(&lab, vip, backend), Some(local));
        assert!(ask(balancer, vip, marks[&via]).is_err(), "it leaves");
        let real = ask(balancer, backend, 0);
        assert_eq!(real.expect("path real"), NAMES[0]);
        own("del");
        let answer = ask(balancer, vip, marks[&via]);
        assert_eq!(answer.expect("an answer"), NAMES[0]);
    }
}
