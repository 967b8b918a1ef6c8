//! The far end of the tunnels, put on an interface and taken off again: what is
//! ours is changed as a whole, what is not ours is left alone.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::far_end::{FarEnd, found};
use lab::host::Host;
use lab::pass::PassProgram;
use lab::product::Product;
use lab::sentinel::{Sentinel, attached, programs};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const LOAD: &str = "decap eth0 --mode skb --allow 10.0.0.1,10.9.0.0/24";
const UNLOAD: &str = "--unload eth0";

/// A filter of somebody else.
const FOREIGN: &str = "pref 5 protocol ip u32 match ip dst 203.0.113.0/24 flowid 1:1";

fn lab() -> (FarEnd, Product) {
    let lab = FarEnd::build();
    let dsrload = Product::new(&lab.backend, DSRLOAD);
    (lab, dsrload)
}

#[test]
fn unloading_leaves_the_machine_as_it_was() {
    let lab = FarEnd::build_alone();
    let dsrload = Product::new(&lab.backend, DSRLOAD);
    let sentinel = Sentinel::posted(&lab.backend);
    let names = ["dsrdecap", "dsrclamp"];
    let before = (
        found(&lab.backend),
        names.map(|n| programs(&lab.backend, n)),
    );
    let links = lab.backend.run("ip -d link show dev eth0");
    for mode in ["skb", "drv", "skb"] {
        let told = dsrload.answer(&format!("decap eth0 --mode {mode} --allow 10.0.0.1"));
        let there = found(&lab.backend);
        let id = there.xdp.expect("XDP is on eth0");
        assert!(there.filter.is_some() && there.qdiscs.contains("clsact"));
        assert_eq!(
            told,
            format!(
                "eth0: decap attached {mode}, id {id}, 1 balancer allowed, 2 VIPs, MSS clamped on SYN-ACKs (tc filter)\n"
            )
        );
        assert_eq!(
            attached(&lab.backend, "eth0").map(|xdp| xdp.mode),
            Some(mode)
        );
        assert_eq!(dsrload.answer(UNLOAD), format!("eth0: unloaded, id {id}\n"));
        assert_eq!(found(&lab.backend), before.0);
        sentinel.sees_nothing_left(&lab.backend);
        assert_eq!(dsrload.answer(UNLOAD), "eth0: not loaded\n");
    }
    assert_eq!(names.map(|n| programs(&lab.backend, n)), before.1);
    assert_eq!(lab.backend.run("ip -d link show dev eth0"), links);
    assert_eq!(dsrload.answer("status"), "not loaded\n");
}

#[test]
fn loading_again_replaces_both_programs_and_keeps_the_counters() {
    let (lab, dsrload) = lab();
    dsrload.run(LOAD).exits(0);
    let before = found(&lab.backend);
    // The neighbours look for each other: some packets are there.
    lab.edge.run("ping -c 3 -i 0.01 10.0.0.2");
    let counted = |report: &str| {
        let lines: Vec<&str> = report.lines().collect();
        let number = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
        let find = |name: &str| lines.iter().find(|l| l.starts_with(name)).copied();
        find("not_tunnel").and_then(number).expect("the outcome")
    };
    let packets = counted(&dsrload.answer("stats"));
    assert!(packets >= 3, "{packets}");

    let told = dsrload.answer(LOAD);
    let now = found(&lab.backend);
    let (old, new) = (before.xdp.expect("the first"), now.xdp.expect("another"));
    assert!(
        told.contains(&format!("replaced skb, id {new} (was {old})")),
        "{told}"
    );
    assert!(old != new && before.filter != now.filter && now.filter.is_some());
    assert_eq!(now.qdiscs, before.qdiscs);
    assert!(counted(&dsrload.answer("stats")) >= packets);

    dsrload
        .run("decap eth0 --mode drv --allow 10.0.0.1")
        .exits(1)
        .says("loaded in skb mode");
    assert_eq!(found(&lab.backend), now);
    // It is still known that clsact is ours.
    dsrload.run(UNLOAD).exits(0);
    assert!(!found(&lab.backend).qdiscs.contains("clsact"));
}

#[test]
fn what_the_command_line_lacks_is_said() {
    let (lab, dsrload) = lab();
    let before = found(&lab.backend);
    dsrload.run("decap eth0").exits(2).says("--allow");
    for all in ["0.0.0.0/0", "10.0.0.1,::/0"] {
        let run = dsrload.run(&format!("decap eth0 --allow {all}"));
        run.exits(2).says("open to all");
    }
    dsrload.run("decap --allow 10.0.0.1").exits(2).says("IFACE");
    dsrload
        .run("decap nosuch0 --allow 10.0.0.1")
        .exits(1)
        .says("nosuch0");
    dsrload
        .run("decap lo --allow 10.0.0.1")
        .exits(1)
        .says("Ethernet");
    dsrload
        .run("decap eth0 --mode hw --allow 10.0.0.1")
        .exits(5)
        .says("eth0");
    dsrload
        .run("decap eth0 --allow 10.0.0.1 --vip 203.0.113.5")
        .exits(0)
        .says("203.0.113.5 is no address of this host yet");
    dsrload.run(UNLOAD).exits(0);
    lab.backend.ip("addr del 192.0.2.10/32 dev lo
         addr del 2001:db8::10/128 dev lo");
    dsrload.run(LOAD).exits(1).says("has no VIP");
    lab.backend.ip("link set eth0 down");
    dsrload.run(LOAD).exits(1).says("down");
    assert_eq!(found(&lab.backend).xdp, None);
    assert_eq!(found(&lab.backend).filter, before.filter);
}

#[test]
fn the_capabilities_that_are_missing_are_named_and_no_more_are_needed() {
    let (lab, dsrload) = lab();
    dsrload
        .with_capabilities("+bpf,+perfmon")
        .run(LOAD)
        .exits(4)
        .says("CAP_NET_ADMIN");
    assert_eq!(found(&lab.backend).filter, None);
    dsrload
        .with_capabilities("+bpf,+net_admin,+perfmon")
        .run(LOAD)
        .exits(0);
    assert!(found(&lab.backend).xdp.is_some());
}

#[test]
fn a_foreign_program_and_a_balancer_are_named_and_left_alone() {
    let (lab, dsrload) = lab();
    let foreign = PassProgram::load("lab_foreign");
    let link = foreign.attach_generic(&lab.backend, "eth0");
    dsrload.run(LOAD).exits(6).says("lab_foreign");
    drop(link);

    let balance = "eth0 --mode skb -t 203.0.113.5:80 -r 10.0.0.1=02:00:00:00:00:01";
    dsrload.run(balance).exits(0);
    let before = found(&lab.backend);
    dsrload.run(LOAD).exits(6).says("belongs to a balancer");
    assert_eq!(found(&lab.backend), before);
    dsrload.run(UNLOAD).exits(0);

    dsrload.run(LOAD).exits(0);
    let before = found(&lab.backend);
    dsrload.run(balance).exits(6).says("ends tunnels");
    assert_eq!(found(&lab.backend), before);
}

#[test]
fn a_balancer_on_another_interface_is_none_of_its_business() {
    let (lab, dsrload) = lab();
    lab.backend
        .plug("eth1", "b6:93:2d:5c:07:e1", &lab.edge, "e1");
    lab.backend.ip("addr add 10.1.0.2/24 dev eth1");
    let service = "-t 203.0.113.5:80 -r 10.1.0.9=02:00:00:00:00:01";
    dsrload.run(LOAD).exits(0);
    dsrload.run(&format!("eth1 --mode skb {service}")).exits(0);
    dsrload.run(LOAD).exits(0);
    let there = found(&lab.backend);
    let balancer = dsrload.status().expect("it is loaded");
    assert_eq!(balancer.interfaces(), ["eth1"]);
    for report in ["status", "stats"] {
        let told = dsrload.answer(report);
        assert!(
            told.contains("eth0: decap") && told.contains("eth1"),
            "{told}"
        );
        let told = dsrload.answer(&format!("{report} eth1"));
        assert!(!told.contains("decap"), "{told}");
    }
    dsrload.run("--unload eth1").exits(0);
    assert_eq!(found(&lab.backend), there);
    dsrload.run("--unload eth0 eth1").exits(0);
    assert_eq!(
        (found(&lab.backend).xdp, found(&lab.backend).filter),
        (None, None)
    );
}

#[test]
fn the_clsact_of_somebody_else_survives() {
    let (lab, dsrload) = lab();
    lab.backend.run("tc qdisc add dev eth0 clsact");
    lab.backend
        .run(&format!("tc filter add dev eth0 egress {FOREIGN}"));
    let (before, filters) = (found(&lab.backend), filters(&lab.backend));
    dsrload.run(LOAD).exits(0);
    dsrload.run(LOAD).exits(0);
    assert!(found(&lab.backend).filter.is_some());
    dsrload.run(UNLOAD).exits(0);
    assert_eq!(found(&lab.backend), before);
    assert_eq!(self::filters(&lab.backend), filters);

    // Even an empty one.
    lab.backend.run("tc filter del dev eth0 egress pref 5");
    dsrload.run(LOAD).exits(0);
    dsrload.run(UNLOAD).exits(0);
    assert_eq!(found(&lab.backend), before);
}

fn filters(host: &Host) -> String {
    host.run("tc filter show dev eth0 egress") + &host.run("tc filter show dev eth0 ingress")
}

#[test]
fn filters_that_came_into_our_clsact_survive() {
    for hook in ["ingress", "egress"] {
        let (lab, dsrload) = lab();
        dsrload.run(LOAD).exits(0);
        lab.backend
            .run(&format!("tc filter add dev eth0 {hook} {FOREIGN}"));
        dsrload.run(UNLOAD).exits(0);
        let now = found(&lab.backend);
        assert_eq!((now.xdp, now.filter), (None, None));
        assert!(now.qdiscs.contains("clsact"), "{now:?}");
        assert!(filters(&lab.backend).contains("u32"), "{hook}");
    }
}

#[test]
fn what_has_our_place_is_named_and_nothing_is_changed() {
    let (lab, dsrload) = lab();
    lab.backend.run("tc qdisc add dev eth0 ingress");
    let before = found(&lab.backend);
    dsrload.run(LOAD).exits(6).says("ingress");
    assert_eq!(found(&lab.backend), before);
    lab.backend.run("tc qdisc del dev eth0 ingress");

    lab.backend.run("tc qdisc add dev eth0 clsact");
    let taken = FOREIGN.replace("pref 5", "pref 213");
    lab.backend
        .run(&format!("tc filter add dev eth0 egress {taken}"));
    let (before, filters) = (found(&lab.backend), filters(&lab.backend));
    dsrload.run(LOAD).exits(6).says("pref 213").says("u32");
    assert_eq!(found(&lab.backend), before);
    assert_eq!(self::filters(&lab.backend), filters);
}

#[test]
fn a_driver_that_refuses_gives_the_filters_place_back() {
    let (lab, dsrload) = lab();
    let before = found(&lab.backend);
    dsrload
        .run("decap eth0 --mode hw --allow 10.0.0.1")
        .exits(5);
    assert_eq!(found(&lab.backend), before);
    // A bridge has no native mode.
    lab.backend.ip("link add br1 type bridge
         link set br1 up");
    let qdiscs = lab.backend.run("tc qdisc show dev br1");
    dsrload
        .run("decap br1 --mode drv --allow 10.0.0.1")
        .exits(5)
        .says("support");
    assert_eq!(lab.backend.run("tc qdisc show dev br1"), qdiscs);
    let run = dsrload.run("decap br1 --allow 10.0.0.1").exits(0);
    assert!(run.says("br1: drv mode:").stdout.contains("attached skb"));
    dsrload.run("--unload br1").exits(0);
    assert_eq!(lab.backend.run("tc qdisc show dev br1"), qdiscs);
}
