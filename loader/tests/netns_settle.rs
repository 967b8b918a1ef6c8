//! `dsrload settle`: which slots it settles while connections are open, and that
//! none of those moves.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::time::{Duration, Instant};

use lab::datagram::{Echo, Flow};
use lab::deadline::wait_until;
use lab::flood;
use lab::load::{Load, Running};
use lab::product::Product;
use lab::web::answers;
use lab::{BACKENDS, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const A: &str = "backend-a";
const B: &str = "backend-b";

/// Flows that were silent for less than three seconds are alive: those of a load
/// are, however busy the machine is.
const SOON: &str = "settle --idle 3 --window 3";

/// All that are silent now may be given up, if an epoch has just begun.
const NOW: &str = "settle --idle 0 --window 0";

fn balancing(service: &str) -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = BACKENDS.join(",");
    dsrload
        .run(&format!("eth0 --mode skb {service} -r {reals}"))
        .exits(0);
    (lab, dsrload)
}

/// Twenty long connections alone, which send a hundred requests a second.
fn talk(lab: &Lab) -> Running {
    let mut load = Load::on(VIP);
    load.short_per_second = 0;
    load.start(&lab.client)
}

/// Drains or readies backend A of the service at this port of the VIP.
fn change(dsrload: &Product, verb: &str, port: &str) {
    dsrload
        .run(&format!("{verb} {VIP}:{port}/{}", BACKENDS[0]))
        .exits(0);
}

fn unsettled(dsrload: &Product) -> u64 {
    let status = dsrload.status().expect("it is loaded");
    status.service()["unsettled"].as_u64().expect("a number")
}

/// Runs `settle`, whose answer must agree with what `status` says before and
/// after; how many slots are unsettled now.
fn settle(dsrload: &Product, line: &str) -> u64 {
    let before = unsettled(dsrload);
    let answer = dsrload.answer(line);
    let left = unsettled(dsrload);
    let settled = before - left;
    assert_eq!(
        answer,
        format!("{settled} slots settled, {left} are still unsettled\n")
    );
    left
}

/// B takes all new connections while A is drained, and then both take some.
fn works(lab: &Lab, dsrload: &Product) {
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
    change(dsrload, "ready", "80");
    let names = answers(&lab.client, VIP, 60);
    assert!(names.iter().any(|name| name == A), "{names:?}");
    assert!(names.iter().any(|name| name == B), "{names:?}");
}

#[test]
fn slots_of_live_connections_stay_unsettled_until_these_have_ended() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let load = talk(&lab);
    assert_eq!(settle(&dsrload, NOW), 0);
    change(&dsrload, "drain", "80");
    let moved = unsettled(&dsrload);
    assert!(moved > 1000, "{moved} slots moved");
    // Too early to tell who is silent.
    assert_eq!(settle(&dsrload, "settle"), moved);

    load.answers_everywhere();
    let had = dsrload.stats().connections()[BACKENDS[0]];
    wait_until("slots without connections to settle", || {
        settle(&dsrload, SOON) <= had
    });
    // Each connection of the drained backend holds the slot that it is in.
    for _ in 0..3 {
        load.answers_everywhere();
        let left = settle(&dsrload, SOON);
        assert!((1..=had).contains(&left), "{left} of {had} connections");
    }
    let report = load.finish();
    report.loses_no_connection();
    let counted = report.long.by_backend.get(A).copied();
    assert_eq!(counted.map(|count| count as u64), Some(had), "{report:?}");

    wait_until("the slots of ended connections to settle", || {
        settle(&dsrload, NOW) == 0
    });
    works(&lab, &dsrload);
}

/// Connections that begin between the change and the settling, and go on.
#[test]
fn settling_moves_no_connection_of_the_new_owner_either() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let old = talk(&lab);
    change(&dsrload, "drain", "80");
    let new = talk(&lab);
    wait_until("a sweep to settle most slots", || {
        settle(&dsrload, SOON) < 100
    });
    change(&dsrload, "ready", "80");
    settle(&dsrload, SOON);
    for load in [old, new] {
        load.answers_everywhere();
        load.finish().loses_no_connection();
    }
}

/// Sixty flows of datagrams are so many that each backend has some of them.
fn datagrams(lab: &Lab) -> [Vec<Flow>; 2] {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        let flow = Flow::open(&lab.client, VIP, 53);
        match flow.ask(b"first").as_str() {
            A => of_a.push(flow),
            _ => of_b.push(flow),
        }
    }
    assert!(of_a.len() >= 4 && of_b.len() >= 4);
    [of_a, of_b]
}

fn all_answered_by(flows: &[Flow], name: &str) {
    for flow in flows {
        assert_eq!(flow.ask(b"again"), name);
    }
}

#[test]
fn datagrams_are_waited_for_by_the_window() {
    let (lab, dsrload) = balancing(&format!("-u {VIP}:53"));
    let _servers = [0, 1].map(|n| Echo::start(&lab.backends[n].host, VIP, 53));
    let [of_a, of_b] = datagrams(&lab);
    let (talking, silent) = of_a.split_at(of_a.len() / 2);
    change(&dsrload, "drain", "53/udp");
    let moved = unsettled(&dsrload);

    // A flow that was not heard of since the change stays while the window is
    // open, however often is swept.
    assert_eq!(settle(&dsrload, "settle --idle 3 --window 3600"), moved);
    assert_eq!(settle(&dsrload, "settle --idle 3 --window 3600"), moved);
    all_answered_by(talking, A);

    // Behind the window the silent ones go to the new owner, and the talking
    // ones are known.
    wait_until("slots without talking flows to settle", || {
        all_answered_by(talking, A);
        settle(&dsrload, SOON) <= talking.len() as u64
    });
    all_answered_by(talking, A);
    all_answered_by(silent, B);
    all_answered_by(&of_b, B);

    wait_until("the slots of silent flows to settle", || {
        settle(&dsrload, NOW) == 0
    });
    all_answered_by(&of_a, B);
}

/// Another service fills the flow table, so that none of the connections is
/// known: they stay because slots keep their former owner.
#[test]
fn flows_that_found_no_room_hold_all_slots_and_are_told_of() {
    let reals = BACKENDS.join(",");
    let (lab, dsrload) = balancing(&format!(
        "--flows 4096 -t {VIP}:80 -r {reals} -t {VIP}:8080 --policy random"
    ));
    let load = talk(&lab);
    flood::syn(&lab.client, flood::target(VIP, 8080), 50_000);
    assert_eq!(dsrload.stats().untracked(), 0);
    change(&dsrload, "drain", "80");
    let moved = unsettled(&dsrload);

    // Longer than flows may be silent that are not heard of.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        load.answers_everywhere();
        let run = dsrload.run(SOON).exits(0).says("found no room");
        assert_eq!(
            run.stdout,
            format!("0 slots settled, {moved} are still unsettled\n")
        );
    }
    assert!(dsrload.stats().untracked() > 0);
    let report = load.finish();
    report.loses_no_connection();
    assert!(report.long.by_backend.contains_key(A), "{report:?}");
    wait_until("the slots of ended connections to settle", || {
        settle(&dsrload, NOW) == 0
    });
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
}

#[test]
fn there_is_nothing_to_settle_where_nothing_is_loaded() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run("settle").exits(1).says("no balancer is loaded");
    dsrload.run("eth0 --mode skb").exits(0);
    assert_eq!(settle(&dsrload, "settle"), 0);
    dsrload
        .run("settle --idle 100000")
        .exits(2)
        .says("seconds at the most");
}
