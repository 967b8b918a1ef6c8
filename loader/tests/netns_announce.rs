//! Routes for VIPs on an interface that ends with the process.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};

use dsrload::agent::announce::Announcer;
use dsrload::fault::Kind;
use dsrload::model::run::Announce;
use dsrload::netlink::Netlink;
use lab::deadline::wait_until;
use lab::host::Host;
use lab::mounts::Mounts;

const VIPS: [&str; 3] = ["192.0.2.10", "192.0.2.11", "2001:db8::10"];

fn vips(texts: &[&str]) -> BTreeSet<IpAddr> {
    let addresses = texts.iter().map(|text| text.parse().expect("an address"));
    addresses.collect()
}

/// Runs `work` on the host with a socket of its own.
fn with<T: Send>(host: &Host, work: impl FnOnce(&mut Netlink) -> T + Send) -> T {
    host.inside(|| work(&mut Netlink::open().expect("a socket")))
}

fn open(host: &Host) -> Announcer {
    let opened = with(host, |netlink| {
        Announcer::open(netlink, &Announce::default())
    });
    opened.expect("an interface")
}

fn set(host: &Host, announcer: &mut Announcer, texts: &[&str]) {
    let set = with(host, |netlink| announcer.set(netlink, &vips(texts)));
    let refused = set.expect("routes");
    assert!(refused.is_empty(), "{refused:?}");
}

/// Where routes of the table lead, with their interface.
fn routes(host: &Host) -> Vec<String> {
    let mut found = Vec::new();
    for version in ["4", "6"] {
        let all = host.run(&format!("ip -{version} -N route show table all"));
        let ours = all.lines().filter(|line| line.contains("table 3700"));
        for line in ours {
            assert!(line.contains("proto 201"), "{line}");
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            found.push(words.join(" "));
        }
    }
    found
}

fn announced(texts: &[&str]) -> Vec<String> {
    let routes = texts.iter().map(|text| format!("{text} dev dsrload0"));
    routes.collect()
}

#[test]
fn routes_are_there_for_these_vips_and_no_others() {
    let host = Host::new("balancer", &Mounts::with_bpffs());
    let mut announcer = open(&host);
    assert_eq!(routes(&host), announced(&[]));
    let addresses = host.run("ip -br addr show dev dsrload0");
    assert_eq!(addresses.split_whitespace().count(), 2, "{addresses}");
    for texts in [&VIPS[..], &VIPS[..], &VIPS[1..], &[], &VIPS[..1]] {
        set(&host, &mut announcer, texts);
        assert_eq!(routes(&host), announced(texts));
    }
    let withdrawn = with(&host, |netlink| announcer.withdraw_all(netlink));
    withdrawn.expect("nothing is left");
    assert_eq!(routes(&host), announced(&[]));
}

#[test]
fn what_somebody_else_removes_comes_back() {
    let host = Host::new("balancer", &Mounts::with_bpffs());
    let mut announcer = open(&host);
    for damage in [
        "route flush table 3700",
        "link set dsrload0 down",
        "link del dsrload0",
    ] {
        set(&host, &mut announcer, &VIPS);
        host.ip(damage);
        set(&host, &mut announcer, &VIPS);
        assert_eq!(routes(&host), announced(&VIPS), "after {damage}");
    }
}

#[test]
fn routes_of_others_stay_and_are_told() {
    let host = Host::new("balancer", &Mounts::with_bpffs());
    let mut announcer = open(&host);
    host.ip("link add other0 type veth peer name other1
         link set other0 up
         route add 192.0.2.10/32 dev other0 table 3700 protocol 201
         route add 2001:db8::10/128 dev other0 table 3700 protocol static
         route add 192.0.2.99/32 dev dsrload0 table 3700 protocol 99");
    let set = with(&host, |netlink| announcer.set(netlink, &vips(&VIPS)));
    let refused = set.expect("the others");
    assert!(refused.keys().eq(&vips(&[VIPS[0], VIPS[2]])), "{refused:?}");
    let table = host.run("ip -N route show table 3700");
    assert!(table.contains("192.0.2.10 dev other0"), "{table}");
    assert!(table.contains("192.0.2.99 dev dsrload0"), "{table}");
    assert!(table.contains("192.0.2.11 dev dsrload0"), "{table}");
    let table = host.run("ip -6 -N route show table 3700");
    assert!(table.contains("2001:db8::10 dev other0"), "{table}");
}

#[test]
fn all_of_it_ends_with_its_owner_and_the_name_is_free_again() {
    let host = Host::new("balancer", &Mounts::with_bpffs());
    let mut announcer = open(&host);
    set(&host, &mut announcer, &VIPS);
    let second = with(&host, |netlink| {
        Announcer::open(netlink, &Announce::default())
    });
    let error = second.expect_err("the name is taken");
    let fault = error.downcast_ref::<dsrload::fault::Fault>();
    assert_eq!(fault.map(|fault| fault.kind), Some(Kind::Busy), "{error}");
    assert!(error.to_string().contains("dsrload0"), "{error}");
    assert_eq!(
        routes(&host),
        announced(&VIPS),
        "the first is not disturbed"
    );

    drop(announcer);
    assert_eq!(routes(&host), announced(&[]));
    set(&host, &mut open(&host), &VIPS[..1]);
}

#[test]
fn a_name_that_is_no_interfaces_or_another_kinds_is_an_error() {
    let host = Host::new("balancer", &Mounts::with_bpffs());
    for (name, told) in [
        ("lo", "there is an interface lo already"),
        ("", "make the interface"),
    ] {
        let announce = Announce {
            device: name.to_owned(),
            ..Announce::default()
        };
        let opened = with(&host, |netlink| Announcer::open(netlink, &announce));
        let error = format!("{:#}", opened.expect_err("no interface"));
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn packets_that_are_sent_there_do_not_wait() {
    let host = Host::new("balancer", &Mounts::with_bpffs());
    let mut announcer = open(&host);
    set(&host, &mut announcer, &VIPS);
    // As nobody should: the host's own packets take our table.
    host.ip("rule add priority 100 lookup 3700
         addr add 10.0.0.1/32 dev lo");
    let counter = |name: &str| -> u64 {
        let link = host.run("ip -j -s link show dev dsrload0");
        let link: serde_json::Value = serde_json::from_str(&link).expect("JSON");
        let stats = &link[0]["stats64"]["tx"];
        stats[name].as_u64().expect("a counter")
    };
    let socket = host
        .inside(|| UdpSocket::bind("10.0.0.1:0"))
        .expect("a socket");
    let limit = 300;
    for _ in 0..limit {
        // ENOBUFS tells of a packet that was thrown away: what this is about.
        let _ = socket.send_to(&[0; 1000], "192.0.2.10:9");
    }
    wait_until("all to be dropped", || counter("dropped") >= limit);
    assert_eq!(counter("packets"), 0);
}
