//! How backends are reached: by the kernel's routes and neighbours, through one
//! interface or another. What becomes of the packets is tested elsewhere.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::sentinel::attached;
use lab::site::{FAR, FAR6, FARTHER, ROUTER_MACS, SIDE, Site};
use lab::{BACKENDS, VIP, VIP6};
use serde_json::Value;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

#[test]
fn tunnels_go_where_the_kernels_routes_lead() {
    let site = Site::new(DSRLOAD);
    site.load(&format!(
        "--forward ipip -r {FAR},{FARTHER} -r {SIDE} --forward l2 \
         -r {} --forward gue -r {FAR6} --forward gue:6081",
        BACKENDS[0]
    ));
    site.agrees(FAR, 20);
    site.agrees(FARTHER, 20);
    // On the segment, but wrapped up all the same.
    site.agrees(BACKENDS[0], 28);
    site.agrees(FAR6, 48);
    for (address, forward, mac, interface) in [
        (FAR, "ipip", ROUTER_MACS[0], "eth0"),
        (FARTHER, "ipip", ROUTER_MACS[2], "eth1"),
        (SIDE, "l2", "da:5e:81:3c:f7:20", "eth1"),
        (BACKENDS[0], "gue", "92:e7:0b:35:61:4a", "eth0"),
        (FAR6, "gue:6081", ROUTER_MACS[0], "eth0"),
    ] {
        let loaded = site.backend(address);
        assert_eq!(loaded["forward"], forward, "{loaded}");
        assert_eq!(loaded["mac"], mac, "{loaded}");
        assert_eq!(loaded["interface"], interface, "{loaded}");
    }
    assert!(site.backend(SIDE)["mtu"].is_null() && site.backend(SIDE)["source"].is_null());
    let text = site.dsrload.answer("status");
    let line = format!(
        "{FARTHER} ready, weight 1, {} slots, ipip from 10.2.0.2, mtu 1380, next hop mac {} via eth1",
        site.backend(FARTHER)["slots"],
        ROUTER_MACS[2]
    );
    assert!(text.contains(&line), "no {line:?} in {text}");
}

/// Panics unless a load is refused, with these words, and leaves nothing behind.
fn refused(site: &Site, line: &str, code: i32, words: &str) {
    let (interfaces, service) = line.split_once(" -t ").expect("a service");
    let line = format!("{interfaces} --mode skb -t {service}");
    site.dsrload.run(&line).exits(code).says(words);
    for interface in ["eth0", "eth1"] {
        assert_eq!(attached(&site.lab.balancer, interface), None, "{line}");
    }
}

#[test]
fn a_backend_that_cannot_be_reached_leaves_everything_as_it_was() {
    let site = Site::new(DSRLOAD);
    let (balancer, dsrload) = (&site.lab.balancer, &site.dsrload);
    balancer.ip("route add unreachable 10.53.0.0/16
         route add 10.54.0.0/16 via 172.17.0.99");
    let ipip = format!("-t {VIP}:80 --forward ipip -r {FAR}");
    for (line, code, words) in [
        (
            format!("eth0 eth1 {ipip},10.53.0.7"),
            3,
            "10.53.0.7 has no route",
        ),
        (
            format!("eth0 eth1 {ipip},10.99.0.7"),
            3,
            "10.99.0.7 has no route",
        ),
        (
            format!("eth0 eth1 {ipip},10.54.0.7"),
            1,
            "172.17.0.99, the next hop to backend 10.54.0.7, did not answer on eth0",
        ),
        (
            format!("eth0 {ipip},{FARTHER}"),
            3,
            "10.52.0.7 is reached through eth1: name it too (dsrload eth0 eth1 ...)",
        ),
    ] {
        refused(&site, &line, code, words);
    }

    // What is loaded goes on as it was.
    site.load(&format!("--forward ipip -r {FAR}"));
    let before = site.backend(FAR);
    let line = format!("eth0 --mode skb {ipip},10.53.0.7");
    dsrload.run(&line).exits(3);
    let line = format!("add -t {VIP}:80 --forward ipip -r 10.53.0.7");
    dsrload.run(&line).exits(3);
    assert_eq!(site.backend(FAR), before);
}

#[test]
fn a_tunnel_that_cannot_be_is_refused_with_a_sentence() {
    let site = Site::new(DSRLOAD);
    site.lab
        .balancer
        .ip("route add 10.55.0.0/16 via 172.17.0.7 mtu 500
         route add 2001:db8:55::/64 via 2001:db8:17::7 mtu 1300");
    let ipip = format!("-t {VIP}:80 --forward ipip");
    for (service, words) in [
        (
            format!("{ipip} -r 10.55.0.7"),
            "carries packets of 500 bytes, which leaves 480 inside ipip: its VIPs need 576",
        ),
        (
            format!("-t [{VIP6}]:80 --forward gue -r 2001:db8:55::7"),
            "carries packets of 1300 bytes, which leaves 1252 inside gue: its VIPs need 1280",
        ),
        (format!("{ipip} -r 10.2.0.2"), "this host itself"),
        (format!("{ipip} -r 172.17.255.255"), "no single host"),
        (
            format!("{ipip} --source 172.17.0.99 -r {FAR}"),
            "--source 172.17.0.99 is no address of this host",
        ),
        (format!("-t {VIP}:80 -r {FAR}"), "--forward ipip"),
    ] {
        refused(&site, &format!("eth0 eth1 {service}"), 3, words);
    }
}

#[test]
fn a_tunnel_stays_through_changes_of_its_service() {
    let site = Site::new(DSRLOAD);
    let dsrload = &site.dsrload;
    site.load(&format!(
        "--forward gue:7000 --source 10.2.0.2 -r {FAR} -w 2 -r {FARTHER}=02:00:00:00:00:07"
    ));
    let same = |address: &str, before: &Value| {
        let now = site.backend(address);
        for name in ["forward", "source", "mtu", "mac", "interface"] {
            assert_eq!(now[name], before[name], "{name} of {address}");
        }
    };
    let (far, farther) = (site.backend(FAR), site.backend(FARTHER));
    assert_eq!(
        (&far["forward"], &far["source"]),
        (&"gue:7000".into(), &"10.2.0.2".into())
    );
    assert_eq!(farther["mac"], "02:00:00:00:00:07");
    dsrload.run(&format!("drain {VIP}:80/{FAR}")).exits(0);
    dsrload.run(&format!("maint {VIP}:80/{FARTHER}")).exits(0);
    same(FAR, &far);
    same(FARTHER, &farther);
    dsrload
        .run(&format!(
            "add -t {VIP}:80 -r {SIDE} -r {FAR6} --forward ipip"
        ))
        .exits(0);
    same(FAR, &far);
    site.agrees(FAR6, 40);
    assert_eq!(site.backend(SIDE)["forward"], "l2");
    dsrload.run(&format!("del -t {VIP}:80 -r {FAR6}")).exits(0);
    same(FARTHER, &farther);
    let refused = format!("add -t {VIP}:80 -r {FAR6}");
    dsrload.run(&refused).exits(3).says("IP version");

    // Another way is another load; the backend stays the same.
    let slots = site.backend(FARTHER)["slots"].clone();
    site.load(&format!(
        "--forward ipip -r {FAR} -w 2 -r {FARTHER} -r {SIDE} --forward gue"
    ));
    site.agrees(FAR, 20);
    site.agrees(FARTHER, 20);
    site.agrees(SIDE, 28);
    assert_eq!(site.backend(FAR)["state"], "drain");
    assert_eq!(site.backend(FARTHER)["slots"], slots);
    site.load(&format!(
        "--forward ipip -r {FAR} -w 2 -r {FARTHER} -r {SIDE} --forward l2"
    ));
    assert_eq!(site.backend(SIDE)["forward"], "l2");
    site.agrees(FAR, 20);
}
