//! A loader that is killed at any moment leaves the old state or the new one.
//!
//! The moments are spread over the time that a whole run takes here, and a
//! little beyond: each test also asserts that it met both states, so that it
//! has hit the time between.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use lab::product::Product;
use lab::sentinel::{Sentinel, attached, pins};
use lab::web::answers;
use lab::{Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const LOAD: &str = "eth0 --mode skb";
const UNLOAD: &str = "--unload eth0";

/// How many moments each test tries.
const MOMENTS: u32 = 60;

#[test]
fn a_killed_first_load_leaves_nothing_or_a_balancer() {
    let (lab, dsrload, sentinel) = seed();
    let whole = time(&dsrload, LOAD);
    dsrload.run(UNLOAD).exits(0);
    let mut seen = Seen::default();
    for (moment, again) in moments(whole).zip([true, false].into_iter().cycle()) {
        kill_at(&dsrload, LOAD, moment);
        seen.count(works(&lab, &dsrload).is_some());
        // What is left hinders neither the next load nor the next unload.
        if again {
            dsrload.run(LOAD).exits(0);
            assert!(works(&lab, &dsrload).is_some());
        }
        dsrload.run(UNLOAD).exits(0);
        nothing_is_left(&lab);
    }
    seen.both();
    sentinel.sees_nothing_left(&lab.balancer);
}

#[test]
fn a_killed_replacement_leaves_the_old_balancer_or_the_new_one() {
    let (lab, dsrload, sentinel) = seed();
    dsrload.run(LOAD).exits(0);
    let whole = time(&dsrload, LOAD);
    let mut seen = Seen::default();
    let mut before = works(&lab, &dsrload).expect("it is loaded");
    for moment in moments(whole) {
        kill_at(&dsrload, LOAD, moment);
        let now = works(&lab, &dsrload).expect("the old or the new one is loaded");
        seen.count(now != before);
        before = now;
    }
    seen.both();
    dsrload.run(UNLOAD).exits(0);
    nothing_is_left(&lab);
    sentinel.sees_nothing_left(&lab.balancer);
}

#[test]
fn a_killed_unload_leaves_the_balancer_or_nothing() {
    let (lab, dsrload, sentinel) = seed();
    dsrload.run(LOAD).exits(0);
    let whole = time(&dsrload, UNLOAD);
    let mut seen = Seen::default();
    for moment in moments(whole) {
        dsrload.run(LOAD).exits(0);
        let before = works(&lab, &dsrload);
        kill_at(&dsrload, UNLOAD, moment);
        let now = works(&lab, &dsrload);
        assert!(now.is_none() || now == before, "{before:?} became {now:?}");
        seen.count(now.is_none());
        dsrload.run(UNLOAD).exits(0);
        nothing_is_left(&lab);
    }
    seen.both();
    sentinel.sees_nothing_left(&lab.balancer);
}

fn seed() -> (Lab, Product, Sentinel) {
    let lab = Lab::seed_alone();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let sentinel = Sentinel::posted(&lab.balancer);
    (lab, dsrload, sentinel)
}

fn time(dsrload: &Product, line: &str) -> Duration {
    let start = Instant::now();
    dsrload.run(line).exits(0);
    start.elapsed()
}

/// From the start of a run to half its length beyond its end: the last ones
/// find it done.
fn moments(whole: Duration) -> impl Iterator<Item = Duration> {
    (0..MOMENTS).map(move |moment| whole * 3 * moment / (2 * MOMENTS))
}

fn kill_at(dsrload: &Product, line: &str, moment: Duration) {
    let mut child = dsrload.spawn(line);
    thread::sleep(moment);
    child.kill().expect("it is our child");
    let output = child.wait_with_output().expect("it is our child");
    let killed = output.status.signal() == Some(libc::SIGKILL);
    assert!(
        killed || output.status.success(),
        "dsrload {line}: {output:?}"
    );
}

/// The id of the program, if one is loaded; then it forwards, and all who ask
/// agree about it.
fn works(lab: &Lab, dsrload: &Product) -> Option<u32> {
    let told = dsrload.status().map(|balancer| balancer.program("eth0"));
    let seen = attached(&lab.balancer, "eth0").map(|attached| attached.id);
    assert_eq!(told, seen, "status and the kernel disagree");
    if told.is_some() {
        assert_eq!(answers(&lab.client, VIP, 3).len(), 3);
    }
    told
}

fn nothing_is_left(lab: &Lab) {
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    assert!(pins(&lab.balancer).is_empty(), "{:?}", pins(&lab.balancer));
}

/// How often the old state was met, and how often the new one.
#[derive(Debug, Default)]
struct Seen {
    old: u32,
    new: u32,
}

impl Seen {
    fn count(&mut self, new: bool) {
        self.old += u32::from(!new);
        self.new += u32::from(new);
    }

    fn both(&self) {
        assert!(
            self.old > 0 && self.new > 0,
            "the moments missed the run: {self:?}"
        );
    }
}
