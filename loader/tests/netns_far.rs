//! Backends behind a router, and behind a second interface: who may send to
//! them, and what becomes of connections when they or balancers go.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::time::Duration;

use lab::behind::{Behind, FAR_BACKENDS, FAR_BACKENDS6, FAR_NAMES};
use lab::load::{Load, Report};
use lab::product::Product;
use lab::web::{answers, content, curl, difference, upload};
use lab::{BACKENDS, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// A tunnelled service on the lab's balancer.
fn balancing(service: &str) -> (Lab, Behind, Product) {
    let lab = Lab::seed();
    let behind = lab.behind(1500);
    behind.decap(DSRLOAD, "skb", &[]);
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = FAR_BACKENDS.join(",");
    dsrload
        .run(&format!(
            "eth0 --mode skb --seed lab -t {VIP}:80 --forward ipip -r {reals} {service}"
        ))
        .exits(0);
    (lab, behind, dsrload)
}

fn heavy() -> Load {
    let mut load = Load::on(VIP);
    load.long = 300;
    load.pause = Duration::from_millis(200);
    load.short_per_second = 200;
    load
}

fn had(report: &Report, backend: &str) -> usize {
    let count = report.long.by_backend.get(backend).copied();
    count.unwrap_or_else(|| panic!("{backend} had none: {report:?}"))
}

#[test]
fn a_drained_backend_behind_a_router_keeps_its_connections_and_gets_no_more() {
    let (lab, _behind, dsrload) = balancing("");
    let load = heavy().start(&lab.client);
    dsrload
        .run(&format!("drain {VIP}:80/{}", FAR_BACKENDS[0]))
        .exits(0);
    load.answers_everywhere();
    assert_eq!(answers(&lab.client, VIP, 100), [FAR_NAMES[1]; 100]);
    load.answers_everywhere();
    let report = load.finish();
    report.loses_no_connection();
    assert!(had(&report, FAR_NAMES[0]) > 50, "{report:?}");
    assert!(had(&report, FAR_NAMES[1]) > 50, "{report:?}");
}

#[test]
fn the_clients_of_a_dead_backend_behind_a_router_are_reset_by_the_balancer() {
    let (lab, behind, dsrload) = balancing("--on-dead reset");
    let mut load = Load::on(VIP);
    load.short_per_second = 0;
    let load = load.start(&lab.client);
    behind.switch.ip(&format!("link set {} down", FAR_NAMES[0]));
    dsrload
        .run(&format!("down {VIP}:80/{}", FAR_BACKENDS[0]))
        .exits(0);
    load.answers_everywhere();
    let report = load.finish();
    let its_own = had(&report, FAR_NAMES[0]);
    assert_eq!(
        (report.long.reset, report.long.failed()),
        (its_own, its_own)
    );
    assert_eq!(report.long.moved, 0, "{report:?}");
    assert_eq!(answers(&lab.client, VIP, 50), [FAR_NAMES[1]; 50]);
}

#[test]
fn a_tunnel_from_a_stranger_is_not_ended() {
    let lab = Lab::seed();
    let behind = lab.behind(1500);
    let decaps = behind.decap(DSRLOAD, "skb", &[]);
    // The same services, from a host that the backends do not know.
    let stranger = lab.add_host("stranger", "172.17.0.66", "9e:13:58:f0:2b:c6");
    stranger.ip(&format!(
        "route add 10.20.0.0/24 via {}
         route add 2001:db8:20::/64 via {}",
        lab::behind::BORDER,
        lab::behind::BORDER6
    ));
    let dsrload = Product::new(&stranger, DSRLOAD);
    for reals in [FAR_BACKENDS, FAR_BACKENDS6] {
        for forward in ["ipip", "gue"] {
            let reals = reals.join(",");
            let before = strangers(&decaps);
            dsrload
                .run(&format!(
                    "eth0 --mode skb -t {VIP}:80 --forward {forward} -r {reals}"
                ))
                .exits(0);
            lab.client_goes_through("172.17.0.66");
            let url = format!("http://{VIP}/");
            let fetched = curl(&lab.client, &["--connect-timeout", "1", &url]);
            assert_eq!(fetched.code, 28, "{fetched:?}");
            assert!(dsrload.stats().outcome("forwarded") > 0);
            assert!(strangers(&decaps) > before, "{forward}");
            dsrload.run("--unload eth0").exits(0);
        }
    }
}

/// Packets from balancers that are not allowed, on both backends.
fn strangers(decaps: &[Product; 2]) -> u64 {
    let count = |decap: &Product| decap.decap_outcome("foreign_source");
    decaps.iter().map(count).sum()
}

/// Three balancers with the same services and seed share the clients by ECMP.
/// One goes, without a word, and its flows come to the others.
#[test]
fn three_balancers_send_a_flow_to_the_same_backend_behind_a_router() {
    let (lab, behind, first) = balancing("");
    let others = [
        ("172.17.0.21", "2001:db8:17::21"),
        ("172.17.0.22", "2001:db8:17::22"),
    ];
    let allow: Vec<&str> = others.iter().flat_map(|(v4, v6)| [*v4, *v6]).collect();
    behind.decap(DSRLOAD, "skb", &allow);
    let macs = ["46:0d:b7:39:e8:51", "8a:72:1f:c4:05:9d"];
    let hosts: Vec<_> = others
        .iter()
        .zip(macs)
        .zip(["second", "third"])
        .map(|(((v4, _), mac), name)| lab.add_host(name, v4, mac))
        .collect();
    let reals = FAR_BACKENDS.join(",");
    for host in &hosts {
        host.set("ipv4/ip_forward", "0");
        host.ip(&format!(
            "route add 10.20.0.0/24 via {}",
            lab::behind::BORDER
        ));
        Product::new(host, DSRLOAD)
            .run(&format!(
                "eth0 --mode skb --seed lab -t {VIP}:80 --forward ipip -r {reals}"
            ))
            .exits(0);
    }
    let through = |gateways: &[&str]| {
        let hops: Vec<String> = gateways
            .iter()
            .map(|g| format!("nexthop via {g}"))
            .collect();
        lab.client
            .ip(&format!("route replace {VIP}/32 {}", hops.join(" ")));
    };
    lab.client.set("ipv4/fib_multipath_hash_policy", "1");
    through(&[lab::BALANCER, others[0].0, others[1].0]);
    let load = heavy().start(&lab.client);
    load.answers_everywhere();
    for host in std::iter::once(&lab.balancer).chain(&hosts) {
        let forwarded = Product::new(host, DSRLOAD).stats().outcome("forwarded");
        assert!(forwarded > 100, "{}: {forwarded}", host.name());
    }
    lab.cable(&hosts[1], "down");
    through(&[lab::BALANCER, others[0].0]);
    load.answers_everywhere();
    load.answers_everywhere();
    let report = load.finish();
    report.loses_no_connection();
    assert!(had(&report, FAR_NAMES[0]) > 50, "{report:?}");
    assert!(had(&report, FAR_NAMES[1]) > 50, "{report:?}");
    assert!(first.stats().outcome("forwarded") > 0);
}

/// One service, whose backends are behind both interfaces: some on the segment,
/// some behind a router on the second one.
fn two_interfaces(mode: &str) {
    let mut lab = Lab::seed();
    let mut behind = lab.behind(1500);
    if mode == "drv" {
        lab.native_ready();
        behind.native_ready();
    }
    // The second interface is on the far segment itself.
    lab.balancer
        .plug("eth1", "c6:2a:94:70:1d:eb", &behind.switch, "balancer");
    behind.switch.ip("link set balancer master br0");
    lab.balancer.ip("route del 10.20.0.0/24
         addr add 10.20.0.2/24 dev eth1");
    if mode == "drv" {
        behind.native_port("balancer");
    }
    let decap = Product::new(&behind.backends[1].host, DSRLOAD);
    decap
        .run(&format!("decap eth0 --mode {mode} --allow 10.20.0.2"))
        .exits(0);
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let services = format!(
        "-t {VIP}:80 -r {} -r {} -r {} --forward ipip",
        BACKENDS[0], FAR_BACKENDS[0], FAR_BACKENDS[1]
    );
    // One interface is not enough, and the answer says which one is missing.
    dsrload
        .run(&format!("eth0 --mode {mode} {services}"))
        .exits(3)
        .says("eth1");
    assert!(dsrload.status().is_none());
    dsrload
        .run(&format!("eth0 eth1 --mode {mode} {services}"))
        .exits(0);
    let names = answers(&lab.client, VIP, 200);
    for name in ["backend-a", FAR_NAMES[0], FAR_NAMES[1]] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    assert_eq!(dsrload.stats().outcome("no_way_out"), 0);
    uploads_arrive(&lab, &behind, &dsrload, mode);
    dsrload.run("--unload eth0 eth1").exits(0);
    assert!(dsrload.status().is_none());
}

/// In skb mode the kernel redirects no super-frame, and every one is counted;
/// without them uploads arrive whole, in either mode.
fn uploads_arrive(lab: &Lab, behind: &Behind, dsrload: &Product, mode: &str) {
    if mode == "skb" {
        let file = format!("{}/upload", lab::mounts::RUN);
        lab.client
            .inside(|| std::fs::write(&file, content(1_000_000, 1)))
            .expect("the lab's own /run");
        let url = format!("http://{VIP}/files/lost");
        for _ in 0..20 {
            curl(&lab.client, &["--max-time", "1", "-T", &file, &url]);
        }
        assert!(dsrload.stats().outcome("no_way_out") > 0);
        lab.client.run("ethtool -K eth0 tso off gso off");
    }
    let all = || behind.backends.iter().chain(&lab.backends);
    let mut served = std::collections::BTreeSet::new();
    for round in 0..20 {
        let before = dsrload.stats().outcome("no_way_out");
        let sent = content(10_000_000, round);
        let name = format!("whole{round}");
        upload(&lab.client, VIP, &name, &sent);
        let stored = all().find_map(|b| Some((b.host.name(), b.nginx.stored(&name)?)));
        let (host, stored) = stored.expect("one of them has it");
        assert_eq!(difference(&sent, &stored), None, "{host}");
        assert_eq!(dsrload.stats().outcome("no_way_out"), before, "{host}");
        served.insert(host.to_owned());
        if served.len() == 3 {
            return;
        }
    }
    panic!("{served:?} served everything");
}

#[test]
fn a_service_has_backends_behind_both_interfaces_in_skb_mode() {
    two_interfaces("skb");
}

#[test]
fn a_service_has_backends_behind_both_interfaces_in_drv_mode() {
    two_interfaces("drv");
}

/// All of them or none: the second one cannot do what is asked for.
#[test]
fn two_interfaces_are_attached_to_or_neither() {
    let lab = Lab::seed();
    lab.balancer.ip("link add br1 type bridge
         link set br1 up");
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = BACKENDS.join(",");
    dsrload
        .run(&format!("eth0 br1 --mode drv -t {VIP}:80 -r {reals}"))
        .exits(5);
    assert!(dsrload.status().is_none());
    assert!(!lab.balancer.run("ip link show dev eth0").contains("xdp"));
}
