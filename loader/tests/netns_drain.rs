//! Backends come, rest, fail and go while connections are open: who stays, who
//! moves, and what the clients of a dead backend see.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::time::Duration;

use lab::load::{Load, Report};
use lab::product::Product;
use lab::web::answers;
use lab::{BACKENDS, BACKENDS6, Lab, VIP, VIP6};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const A: &str = "backend-a";
const B: &str = "backend-b";
const C: &str = "backend-c";

/// Two backends by policy maglev, and what else the service is told.
fn balancing(service: &str) -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = BACKENDS.join(",");
    let service = format!("-t {VIP}:80 -r {reals} {service}");
    dsrload.run(&format!("eth0 --mode skb {service}")).exits(0);
    (lab, dsrload)
}

/// 300 long connections and 300 short ones in a second.
fn heavy() -> Load {
    let mut load = Load::on(VIP);
    load.long = 300;
    load.pause = Duration::from_millis(200);
    load.short_per_second = 300;
    load
}

/// Twenty long connections alone.
fn long_alone(address: &str) -> Load {
    let mut load = Load::on(address);
    load.short_per_second = 0;
    load
}

fn connections(dsrload: &Product, address: &str) -> u64 {
    dsrload.stats().connections()[address]
}

/// How many long connections a backend had at first.
fn had(report: &Report, backend: &str) -> usize {
    let count = report.long.by_backend.get(backend).copied();
    count.unwrap_or_else(|| panic!("{backend} had none: {report:?}"))
}

#[test]
fn a_drained_backend_keeps_its_connections_and_gets_no_more_until_it_is_ready() {
    let (lab, dsrload) = balancing("");
    let load = heavy().start(&lab.client);
    dsrload
        .run(&format!("drain {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    let before = connections(&dsrload, BACKENDS[0]);
    load.answers_everywhere();
    assert_eq!(answers(&lab.client, VIP, 100), [B; 100]);
    assert_eq!(connections(&dsrload, BACKENDS[0]), before);
    let status = dsrload.status().expect("it is loaded");
    assert_eq!(status.backend(BACKENDS[0])["state"], "drain");
    assert_eq!(status.slots(BACKENDS[0]), 0);

    dsrload
        .run(&format!("ready {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    load.answers_everywhere();
    let names = answers(&lab.client, VIP, 100);
    assert!(names.iter().any(|name| name == A), "{names:?}");
    assert!(names.iter().any(|name| name == B), "{names:?}");
    load.answers_everywhere();

    let report = load.finish();
    report.loses_no_connection();
    assert!(had(&report, A) > 50 && had(&report, B) > 50, "{report:?}");
    assert!(report.short.connections() > 50, "{report:?}");
}

#[test]
fn an_added_backend_takes_new_connections_only_and_a_removed_one_moves_only_its_own() {
    let (lab, dsrload) = balancing("");
    let third = lab.third_backend();
    let member = format!("-t {VIP}:80 -r {}", third.address);
    let old = heavy().start(&lab.client);
    dsrload.run(&format!("add {member}")).exits(0);
    let new = long_alone(VIP).start(&lab.client);
    let names = answers(&lab.client, VIP, 100);
    assert!(names.iter().any(|name| name == C), "{names:?}");
    old.answers_everywhere();
    // The short ones of this load must not be cut by what comes.
    old.finish().loses_no_connection();

    dsrload.run(&format!("del {member}")).exits(0);
    new.answers_everywhere();
    let gone = answers(&lab.client, VIP, 50);
    assert!(gone.iter().all(|name| name != C), "{gone:?}");
    let report = new.finish();
    assert_eq!(report.long.by_backend.len(), 3, "{report:?}");
    let its_own = (had(&report, C), had(&report, C));
    assert_eq!(
        (report.long.reset, report.long.failed()),
        its_own,
        "{report:?}"
    );
    assert_eq!(report.long.moved, 0, "{report:?}");
}

#[test]
fn a_backend_in_maintenance_loses_its_connections_at_once_and_returns() {
    let (lab, dsrload) = balancing("");
    let load = long_alone(VIP).start(&lab.client);
    dsrload
        .run(&format!("maint {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    let before = connections(&dsrload, BACKENDS[0]);
    load.answers_everywhere();
    only_those_of_a_are_reset(&load.finish());
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
    assert_eq!(connections(&dsrload, BACKENDS[0]), before);
    dsrload
        .run(&format!("ready {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    let names = answers(&lab.client, VIP, 50);
    assert!(names.iter().any(|name| name == A), "{names:?}");
}

fn only_those_of_a_are_reset(report: &Report) {
    let its_own = (had(report, A), had(report, A));
    assert_eq!(
        (report.long.reset, report.long.failed()),
        its_own,
        "{report:?}"
    );
    assert_eq!(report.long.moved, 0, "{report:?}");
    assert!(had(report, B) > 0, "{report:?}");
}

#[test]
fn the_clients_of_a_dead_backend_are_reset_by_the_balancer_if_it_shall() {
    let (lab, dsrload) = balancing("--on-dead reset");
    let load = long_alone(VIP).start(&lab.client);
    lab.cable(&lab.backends[0].host, "down");
    dsrload
        .run(&format!("down {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    load.answers_everywhere();
    let report = load.finish();
    only_those_of_a_are_reset(&report);
    let resets = dsrload.stats().outcome("reset_sent");
    assert!(resets >= had(&report, A) as u64, "{resets}, {report:?}");
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
}

#[test]
fn the_clients_of_a_dead_backend_are_reset_over_ipv6_as_well() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let (service, reals) = (format!("[{VIP6}]:80"), BACKENDS6.join(","));
    dsrload
        .run(&format!(
            "eth0 --mode skb -t {service} -r {reals} --on-dead reset"
        ))
        .exits(0);
    let load = long_alone(&format!("[{VIP6}]")).start(&lab.client);
    lab.cable(&lab.backends[0].host, "down");
    dsrload
        .run(&format!("down {service}/{}", BACKENDS6[0]))
        .exits(0);
    load.answers_everywhere();
    only_those_of_a_are_reset(&load.finish());
    assert!(dsrload.stats().outcome("reset_sent") > 0);
}

#[test]
fn the_clients_of_a_dead_backend_are_refused_by_another_if_they_are_rehashed() {
    let (lab, dsrload) = balancing("--on-dead rehash");
    let load = long_alone(VIP).start(&lab.client);
    lab.cable(&lab.backends[0].host, "down");
    dsrload
        .run(&format!("down {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    load.answers_everywhere();
    only_those_of_a_are_reset(&load.finish());
    assert_eq!(dsrload.stats().outcome("reset_sent"), 0);
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
}

#[test]
fn the_clients_of_a_dead_backend_are_held_for_its_return_if_they_shall() {
    let (lab, dsrload) = balancing("--on-dead hold");
    let mut load = long_alone(VIP);
    load.patience = Duration::from_secs(10);
    let load = load.start(&lab.client);
    lab.cable(&lab.backends[0].host, "down");
    dsrload
        .run(&format!("down {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
    lab.cable(&lab.backends[0].host, "up");
    load.answers_everywhere();
    let report = load.finish();
    report.loses_no_connection();
    assert!(had(&report, A) > 0 && had(&report, B) > 0, "{report:?}");
    // It is still down: its return is for the operator to say.
    assert_eq!(answers(&lab.client, VIP, 50), [B; 50]);
}
