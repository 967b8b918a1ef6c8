//! How the ways to backends are kept current: what changes in the kernel's routes,
//! neighbours and interfaces is asked for, or followed.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};

use lab::product::Product;
use lab::site::{FAR, FAR6, FARTHER, ROUTER_MACS, Site};
use lab::{BACKENDS, BALANCER_MAC, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// `refresh --follow`, until it is dropped.
struct Follower {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Follower {
    fn start(dsrload: &Product) -> Self {
        let mut child = dsrload.spawn("refresh --follow");
        let mut talk = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        while !line.contains("following") {
            line.clear();
            let length = talk.read_line(&mut line).expect("it talks");
            assert_ne!(length, 0, "it ended");
        }
        child.stderr = Some(talk.into_inner());
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, answers }
    }

    /// Its next line.
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }
}

#[test]
fn a_refresh_changes_what_differs_and_nothing_else() {
    let site = Site::new(DSRLOAD);
    let (balancer, dsrload) = (&site.lab.balancer, &site.dsrload);
    site.load(&format!(
        "-r {} -r {FAR},{FARTHER} --forward ipip -r {FAR6}=02:00:00:00:00:07 --forward gue",
        BACKENDS[0]
    ));
    assert_eq!(dsrload.answer("refresh"), "nothing changed\n");

    balancer.ip("route replace 10.51.0.0/16 via 172.17.0.8
         route replace 10.52.0.0/16 via 10.2.0.1 mtu 1300");
    let service = format!("{VIP}:80/tcp");
    let [first, second, _] = ROUTER_MACS;
    assert_eq!(
        dsrload.answer("refresh"),
        format!(
            "{service}/{FAR}: mac {second} (was {first})\n\
             {service}/{FARTHER}: mtu 1280 (was 1380)\n"
        )
    );
    site.agrees(FAR, 20);
    site.agrees(FARTHER, 20);
    assert_eq!(dsrload.answer("refresh"), "nothing changed\n");

    // To the other interface, with another source. A MAC that was given stays.
    balancer.ip("route replace 10.51.0.0/16 via 10.2.0.1
         route replace 2001:db8:51::/64 via 2001:db8:2::1");
    let told = dsrload.answer("refresh");
    let changed = [
        "via eth1 (was eth0)",
        "source 10.2.0.2 (was 172.17.0.2)",
        "source 2001:db8:2::2 (was 2001:db8:17::2)",
    ];
    assert!(changed.iter().all(|words| told.contains(words)), "{told}");
    site.agrees(FAR, 20);
    assert_eq!(site.backend(FAR6)["mac"], "02:00:00:00:00:07");
    assert_eq!(site.backend(FAR6)["interface"], "eth1");

    balancer.ip("link set eth1 mtu 1350");
    let told = dsrload.answer("refresh");
    assert!(told.contains("mtu 1350 (was 1500)"), "{told}");
    assert!(
        told.contains(&format!("{FAR}: mtu 1330 (was 1480)")),
        "{told}"
    );
    let status = dsrload.status().expect("it is loaded");
    assert_eq!(status.interface("eth1")["mtu"], 1350);
    assert_eq!(dsrload.answer("refresh"), "nothing changed\n");

    balancer.ip("link set eth0 address 02:00:00:00:00:99");
    let told = dsrload.answer("refresh");
    let own = format!("mac 02:00:00:00:00:99 (was {BALANCER_MAC})");
    assert!(told.contains(&format!("eth0: {own}, mtu 1500")), "{told}");
    assert!(
        told.contains(&format!("{}: from {own}", BACKENDS[0])),
        "{told}"
    );
    assert_eq!(dsrload.answer("refresh"), "nothing changed\n");
}

#[test]
fn a_backend_that_stops_resolving_keeps_what_it_has() {
    let site = Site::new(DSRLOAD);
    let (balancer, dsrload) = (&site.lab.balancer, &site.dsrload);
    site.load(&format!("--forward ipip -r {FAR},{FARTHER}"));
    let (far, farther) = (site.backend(FAR), site.backend(FARTHER));
    balancer.ip("route replace 10.51.0.0/16 via 172.17.0.99
         route del 10.52.0.0/16");
    let run = dsrload.run("refresh").exits(0);
    assert_eq!(run.stdout, "nothing changed\n");
    let run = run.says("172.17.0.99, the next hop to backend 10.51.0.7, did not answer");
    run.says("backend 10.52.0.7 has no route")
        .says("what is loaded stays");
    assert_eq!((site.backend(FAR), site.backend(FARTHER)), (far, farther));
}

#[test]
fn neighbours_on_the_way_are_kept_resolved_by_the_kernel() {
    let site = Site::new(DSRLOAD);
    let balancer = &site.lab.balancer;
    balancer.ip(&format!(
        "neighbour add 10.2.0.1 lladdr {} dev eth1",
        ROUTER_MACS[2]
    ));
    site.load(&format!(
        "-r {} -r {FAR},{FARTHER} --forward ipip",
        BACKENDS[0]
    ));
    let entry = |address: &str| balancer.run(&format!("ip neighbour show {address}"));
    for resolved in ["172.17.0.7", BACKENDS[0]] {
        assert!(entry(resolved).contains("managed"), "{}", entry(resolved));
    }
    // What the administrator has set is left alone.
    assert!(
        entry("10.2.0.1").contains("PERMANENT"),
        "{}",
        entry("10.2.0.1")
    );
    balancer.ip("neighbour flush dev eth0");
    site.dsrload.run("refresh").exits(0);
    assert!(
        entry("172.17.0.7").contains("managed"),
        "{}",
        entry("172.17.0.7")
    );
    assert!(
        entry("10.2.0.1").contains("PERMANENT"),
        "{}",
        entry("10.2.0.1")
    );
}

#[test]
fn a_follower_changes_routes_as_soon_as_the_kernel_does() {
    let site = Site::new(DSRLOAD);
    let balancer = &site.lab.balancer;
    site.load(&format!("--forward ipip -r {FAR},{FARTHER} -r {FAR6}"));
    let mut follower = Follower::start(&site.dsrload);
    balancer.ip("route replace 10.51.0.0/16 via 172.17.0.8");
    site.becomes(FAR, "mac", ROUTER_MACS[1]);
    let said = follower.says();
    assert!(
        said.contains(FAR) && said.contains(ROUTER_MACS[1]),
        "{said}"
    );
    balancer.ip("route replace 10.52.0.0/16 via 10.2.0.1 mtu 1320");
    site.becomes(FARTHER, "mtu", 1300);
    balancer.ip("route replace 10.52.0.0/16 via 172.17.0.7");
    site.becomes(FARTHER, "interface", "eth0");
    site.agrees(FARTHER, 20);
    balancer.ip("route replace 2001:db8:51::/64 via 2001:db8:17::8");
    site.becomes(FAR6, "mac", ROUTER_MACS[1]);
    balancer.ip("link set eth0 mtu 1450");
    site.becomes(FAR, "mtu", 1430);
    // Others change what they want meanwhile, and it lasts.
    site.dsrload.run(&format!("drain {VIP}:80/{FAR}")).exits(0);
    balancer.ip("route replace 10.51.0.0/16 via 172.17.0.7");
    site.becomes(FAR, "mac", ROUTER_MACS[0]);
    assert_eq!(site.backend(FAR)["state"], "drain");
}

#[test]
fn a_follower_sees_a_router_with_a_new_mac_without_any_traffic() {
    let site = Site::new(DSRLOAD);
    // The kernel asks about twice a minute; here about twice a second.
    for (setting, value) in [
        ("base_reachable_time_ms", "400"),
        ("delay_first_probe_time", "1"),
        ("retrans_time_ms", "100"),
        ("interval_probe_time_ms", "200"),
    ] {
        let setting = format!("ipv4/neigh/eth0/{setting}");
        site.lab.balancer.set(&setting, value);
    }
    site.load(&format!(
        "--forward ipip -r {FAR} -r {} --forward l2",
        BACKENDS[0]
    ));
    let _follower = Follower::start(&site.dsrload);
    let moved = "26:9b:5d:e0:47:c8";
    site.routers[0].ip(&format!("link set eth0 address {moved}"));
    site.becomes(FAR, "mac", moved);
    let moved = "e2:30:7c:91:ba:55";
    site.lab.backends[0]
        .host
        .ip(&format!("link set eth0 address {moved}"));
    site.becomes(BACKENDS[0], "mac", moved);
}

#[test]
fn a_follower_outlives_a_reload_and_is_no_hindrance() {
    let site = Site::new(DSRLOAD);
    let balancer = &site.lab.balancer;
    site.load(&format!("--forward ipip -r {FAR}"));
    let _follower = Follower::start(&site.dsrload);
    site.load(&format!("--forward ipip -r {FAR},{FARTHER}"));
    balancer.ip("route replace 10.52.0.0/16 via 172.17.0.8");
    site.becomes(FARTHER, "mac", ROUTER_MACS[1]);
    site.dsrload.run("--unload eth0 eth1").exits(0);
    site.load(&format!("--forward ipip -r {FAR}"));
    balancer.ip("route replace 10.51.0.0/16 via 172.17.0.8");
    site.becomes(FAR, "mac", ROUTER_MACS[1]);
}

#[test]
fn what_is_not_loaded_cannot_be_refreshed() {
    let site = Site::new(DSRLOAD);
    for line in ["refresh", "refresh --follow"] {
        site.dsrload
            .run(line)
            .exits(1)
            .says("no balancer is loaded");
    }
    let run = site.dsrload.run("refresh --interface eth1").exits(1);
    run.says("eth1 is not loaded");
}
