//! `dsrload decap`, killed at any moment, leaves the old state or the new one.
//!
//! The moments are spread over the time that a whole run takes here, and a
//! little beyond, until the new state was met: a busy machine is slower than it
//! was when the time was taken. Each test asserts that it met both states.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::far_end::{FarEnd, found};
use lab::product::Product;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const LOAD: &str = "decap eth0 --mode skb --allow 10.0.0.1,10.9.0.0/24";
const UNLOAD: &str = "--unload eth0";

/// How many moments each test tries at least, and at most.
const MOMENTS: u32 = 40;
const MOMENTS_MAX: u32 = 400;

fn lab() -> (FarEnd, Product) {
    let lab = FarEnd::build();
    let dsrload = Product::new(&lab.backend, DSRLOAD);
    (lab, dsrload)
}

#[test]
fn a_killed_load_leaves_what_was_before_or_what_was_asked_for() {
    let (lab, dsrload) = lab();
    let empty = found(&lab.backend);
    let whole = time(&dsrload, LOAD);
    dsrload.run(UNLOAD).exits(0);
    at_each_moment(whole, |moment| {
        kill_at(&dsrload, LOAD, moment);
        let now = found(&lab.backend);
        // A filter alone does nothing before the first tunnel, and is found.
        assert!(now.xdp.is_none() || now.filter.is_some(), "{now:?}");
        assert!(now.filter.is_some() || now == empty, "{now:?}");
        dsrload.run(UNLOAD).exits(0);
        assert_eq!(found(&lab.backend), empty);
        now.xdp.is_some()
    });
}

#[test]
fn a_killed_replacement_leaves_the_old_programs_or_the_new_ones() {
    let (lab, dsrload) = lab();
    let empty = found(&lab.backend);
    dsrload.run(LOAD).exits(0);
    let whole = time(&dsrload, LOAD);
    let mut before = found(&lab.backend);
    at_each_moment(whole, |moment| {
        kill_at(&dsrload, LOAD, moment);
        let now = found(&lab.backend);
        assert!(now.xdp.is_some() && now.filter.is_some(), "{now:?}");
        assert_eq!(now.qdiscs, before.qdiscs);
        let is_new = now.xdp != before.xdp;
        before = now;
        is_new
    });
    dsrload.run(UNLOAD).exits(0);
    assert_eq!(found(&lab.backend), empty);
}

#[test]
fn a_killed_unload_leaves_the_programs_or_nothing_that_another_does_not_find() {
    let (lab, dsrload) = lab();
    let empty = found(&lab.backend);
    dsrload.run(LOAD).exits(0);
    let whole = time(&dsrload, UNLOAD);
    at_each_moment(whole, |moment| {
        dsrload.run(LOAD).exits(0);
        kill_at(&dsrload, UNLOAD, moment);
        let is_gone = found(&lab.backend).xdp.is_none();
        dsrload.run(UNLOAD).exits(0);
        assert_eq!(found(&lab.backend), empty);
        is_gone
    });
}

#[test]
fn a_filter_that_a_killed_loader_left_is_taken_over_or_away() {
    let (lab, dsrload) = lab();
    let empty = found(&lab.backend);
    for last in [UNLOAD, LOAD] {
        dsrload.run(LOAD).exits(0);
        lab.backend.run("ip link set dev eth0 xdpgeneric off");
        assert!(found(&lab.backend).filter.is_some());
        let told = dsrload.answer(last);
        assert!(last == LOAD || told.contains("had left"), "{told}");
        dsrload.run(UNLOAD).exits(0);
        assert_eq!(found(&lab.backend), empty, "{last}");
    }
}

fn time(dsrload: &Product, line: &str) -> Duration {
    let start = Instant::now();
    dsrload.run(line).exits(0);
    start.elapsed()
}

/// Kills `dsrload` at each moment, from the start of a run to half its length
/// beyond its end, or later: `look` tells whether the new state is there then.
fn at_each_moment(whole: Duration, mut look: impl FnMut(Duration) -> bool) {
    let (mut old, mut new) = (0, 0);
    for moment in 0..MOMENTS_MAX {
        if moment >= MOMENTS && new > 0 {
            break;
        }
        if look(whole * 3 * moment / (2 * MOMENTS)) {
            new += 1;
        } else {
            old += 1;
        }
    }
    assert!(old > 0 && new > 0, "old {old} times, new {new} times");
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
