//! Attaching, replacing and detaching: what is ours is changed as a whole and
//! without a gap, what is not ours is left alone.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::load::Load;
use lab::pass::PassProgram;
use lab::product::Product;
use lab::sentinel::{Attached, Sentinel, attached, pins};
use lab::web::answers;
use lab::{Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

fn seed() -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    (lab, dsrload)
}

fn eth0(lab: &Lab) -> Attached {
    attached(&lab.balancer, "eth0").expect("XDP is on eth0")
}

#[test]
fn replacing_under_load_loses_nothing_in_skb_mode() {
    let (lab, dsrload) = seed();
    replace_under_load(&lab, &dsrload, "skb");
}

#[test]
fn replacing_under_load_loses_nothing_in_drv_mode() {
    let (mut lab, dsrload) = seed();
    lab.native_ready();
    replace_under_load(&lab, &dsrload, "drv");
}

fn replace_under_load(lab: &Lab, dsrload: &Product, mode: &str) {
    let line = format!("eth0 --mode {mode}");
    dsrload.run(&line).exits(0);
    let load = Load::on(VIP).start(&lab.client);
    for _ in 0..6 {
        let (before, counted) = (eth0(lab).id, dsrload.stats());
        let told = dsrload.answer(&line);
        let now = eth0(lab).id;
        assert_ne!(now, before);
        let ids = format!("id {now} (was {before})");
        assert_eq!(
            told,
            format!("eth0: replaced {mode}, {ids}, 1 service, 2 backends\n")
        );
        dsrload.stats().is_not_behind(&counted);
        load.answers_everywhere();
    }
    let report = load.finish();
    report.is_flawless();
    assert_eq!(report.long.by_backend.len(), 2, "{report:?}");
}

#[test]
fn unloading_leaves_the_machine_as_it_was() {
    let lab = Lab::seed_alone();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let sentinel = Sentinel::posted(&lab.balancer);
    for mode in ["skb", "drv", "skb"] {
        dsrload.run(&format!("eth0 --mode {mode}")).exits(0);
        let id = eth0(&lab).id;
        let told = dsrload.answer("--unload eth0");
        assert_eq!(told, format!("eth0: unloaded, id {id}\n"));
        sentinel.sees_nothing_left(&lab.balancer);
        assert!(dsrload.status().is_none());
        assert_eq!(dsrload.answer("--unload eth0"), "eth0: not loaded\n");
    }
}

#[test]
fn a_foreign_program_that_ip_attached_is_named_and_left_alone() {
    let (lab, dsrload) = seed();
    let program = PassProgram::load("lab_foreign");
    program.leave_on(&lab.balancer, "eth0");
    foreign_is_left_alone(&lab, &dsrload, program.id());
}

#[test]
fn a_foreign_program_that_a_link_holds_is_named_and_left_alone() {
    let (lab, dsrload) = seed();
    let program = PassProgram::load("lab_foreign");
    let _link = program.attach_generic(&lab.balancer, "eth0");
    foreign_is_left_alone(&lab, &dsrload, program.id());
}

fn foreign_is_left_alone(lab: &Lab, dsrload: &Product, id: u32) {
    let before = eth0(lab);
    assert_eq!(before.id, id);
    for line in [
        "eth0 --mode skb",
        "eth0 --mode drv",
        "eth0",
        "--unload eth0",
    ] {
        let run = dsrload
            .run(line)
            .exits(6)
            .says("lab_foreign")
            .says(&id.to_string());
        assert_eq!(run.stdout, "");
        assert_eq!(eth0(lab), before);
    }
    assert!(dsrload.status().is_none());
}

#[test]
fn two_interfaces_are_attached_and_detached_together() {
    let (lab, dsrload) = seed();
    second_interface(&lab);
    let told = dsrload.answer("eth0 eth1 --mode skb");
    let starts: Vec<_> = told
        .lines()
        .filter_map(|line| line.split_once(','))
        .collect();
    let starts: Vec<_> = starts.into_iter().map(|(start, _)| start).collect();
    assert_eq!(starts, ["eth0: attached skb", "eth1: attached skb"]);
    let balancer = dsrload.status().expect("it is loaded");
    assert_eq!(balancer.interfaces(), ["eth0", "eth1"]);
    assert!(answers(&lab.client, VIP, 10).len() == 10);

    assert_eq!(dsrload.answer("--unload eth0 eth1").lines().count(), 2);
    for interface in ["eth0", "eth1"] {
        assert_eq!(attached(&lab.balancer, interface), None);
    }
}

/// Plugs a second interface of the balancer, without an address, into the
/// switch.
fn second_interface(lab: &Lab) {
    // Or it would answer for the address of the first.
    lab.balancer.set("ipv4/conf/all/arp_ignore", "1");
    lab.balancer
        .plug("eth1", "b6:93:2d:5c:07:e1", &lab.switch, "balancer1");
    lab.switch.ip("link set balancer1 master br0");
}

/// A device without a native mode, which only the attempt itself shows: a
/// bridge, with an address of its own.
fn bridge(lab: &Lab) {
    lab.balancer.ip("link add br1 type bridge
         addr add 172.18.0.1/16 dev br1
         link set br1 up");
}

#[test]
fn an_interface_that_does_not_exist_leaves_the_others_alone() {
    let (lab, dsrload) = seed();
    let run = dsrload
        .run("eth0 nosuch0 --mode skb")
        .exits(1)
        .says("nosuch0");
    assert_eq!(run.stdout, "");
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    assert!(dsrload.status().is_none());
}

#[test]
fn a_driver_that_refuses_gives_the_other_interfaces_back() {
    let (lab, dsrload) = seed();
    bridge(&lab);
    let run = dsrload
        .run("eth0 br1 --mode drv")
        .exits(5)
        .says("br1")
        .says("support");
    assert_eq!(run.stdout, "");
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    assert_eq!(attached(&lab.balancer, "br1"), None);
    assert!(dsrload.status().is_none());
}

#[test]
fn a_foreign_program_on_one_interface_leaves_the_balancer_on_the_other_at_work() {
    let (lab, dsrload) = seed();
    second_interface(&lab);
    dsrload.run("eth0 --mode skb").exits(0);
    let foreign = PassProgram::load("lab_foreign");
    foreign.leave_on(&lab.balancer, "eth1");
    dsrload
        .run("eth0 eth1 --mode skb")
        .exits(6)
        .says("lab_foreign")
        .says("eth1");
    assert_eq!(eth0(&lab).name, "dsrload");
    assert_eq!(
        attached(&lab.balancer, "eth1").expect("the foreign one").id,
        foreign.id()
    );
    assert_eq!(answers(&lab.client, VIP, 10).len(), 10);
}

#[test]
fn a_driver_that_refuses_leaves_what_was_loaded_before_at_work() {
    let (mut lab, dsrload) = seed();
    lab.native_ready();
    bridge(&lab);
    let only = &lab.backends[1];
    dsrload
        .run(&format!("eth0 --mode drv -t {VIP}:80 -r {}", only.address))
        .exits(0);
    dsrload.run("eth0 br1 --mode drv").exits(5).says("br1");
    assert_eq!(answers(&lab.client, VIP, 20), [only.host.name(); 20]);
    let balancer = dsrload.status().expect("it is loaded");
    assert_eq!(balancer.interfaces(), ["eth0"]);
    assert_eq!(balancer.program("eth0"), eth0(&lab).id);
}

#[test]
fn a_mode_that_the_device_lacks_is_refused_in_the_kernels_words() {
    let (lab, dsrload) = seed();
    bridge(&lab);
    let service = format!("-t {VIP}:80 -r 172.18.0.9=d2:4c:86:1b:e9:30");
    let run = dsrload
        .run(&format!("br1 --mode drv {service}"))
        .exits(5)
        .says("br1")
        .says("support");
    assert_eq!(run.stdout, "");
    dsrload.run("eth0 --mode hw").exits(5).says("eth0");
    assert_eq!(attached(&lab.balancer, "br1"), None);
    assert_eq!(attached(&lab.balancer, "eth0"), None);
}

#[test]
fn auto_falls_back_where_the_driver_refuses_and_says_why() {
    let (lab, dsrload) = seed();
    bridge(&lab);
    let run = dsrload
        .run(&format!("br1 -t {VIP}:80 -r 172.18.0.9=d2:4c:86:1b:e9:30"))
        .exits(0)
        .says("br1: drv mode:")
        .says("support");
    assert!(run.stdout.starts_with("br1: attached skb"), "{run:#?}");
    dsrload.run("--unload br1").exits(0);
}

#[test]
fn auto_takes_skb_on_a_veth_and_keeps_the_mode_of_what_is_loaded() {
    let (mut lab, dsrload) = seed();
    lab.native_ready();
    let run = dsrload.run("eth0").exits(0).says("a veth");
    assert!(run.stdout.starts_with("eth0: attached skb"), "{run:#?}");
    assert_eq!(answers(&lab.client, VIP, 5).len(), 5);
    dsrload.run("--unload eth0").exits(0);

    dsrload.run("eth0 --mode drv").exits(0);
    let run = dsrload.run("eth0").exits(0);
    assert!(run.stdout.starts_with("eth0: replaced drv"), "{run:#?}");
    dsrload
        .run("eth0 --mode skb")
        .exits(1)
        .says("loaded in drv mode");
    assert_eq!(eth0(&lab).mode, "drv");
}

#[test]
fn an_interface_that_is_down_is_refused() {
    let (lab, dsrload) = seed();
    lab.balancer.ip("link set eth0 down");
    let run = dsrload
        .run("eth0 --mode skb")
        .exits(1)
        .says("eth0")
        .says("down");
    assert_eq!(run.stdout, "");
    assert_eq!(attached(&lab.balancer, "eth0"), None);
}

#[test]
fn loaders_that_meet_take_turns() {
    let (lab, dsrload) = seed();
    let meeting: Vec<_> = (0..4).map(|_| dsrload.spawn("eth0 --mode skb")).collect();
    for loader in meeting {
        let output = loader.wait_with_output().expect("it is our child");
        assert!(output.status.success(), "{output:?}");
    }
    let balancer = dsrload.status().expect("it is loaded");
    assert_eq!(balancer.program("eth0"), eth0(&lab).id);
    assert_eq!(answers(&lab.client, VIP, 10).len(), 10);
    dsrload.run("--unload eth0").exits(0);
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    assert!(pins(&lab.balancer).is_empty());
}
