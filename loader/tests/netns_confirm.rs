//! Changes that nobody confirms are taken back, whoever dies; and several processes
//! that change one balancer at once take turns.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use lab::config::{File, balancing, config, digest, exported, generation, guards, until, web};
use lab::web::answers;
use lab::{BACKENDS, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

#[test]
fn an_apply_that_nobody_confirms_is_taken_back() {
    let (lab, dsrload, first) = balancing(DSRLOAD, "confirm");
    let (before, alone) = (exported(&dsrload), format!("b = \"{}\"\n", BACKENDS[1]));
    let new = File::new("confirm", &web("", &alone));
    // The guard holds no pipe of ours: `run` returns, though it waits for their end.
    dsrload
        .run(&format!("apply {} --confirm 2s", new.path()))
        .exits(0);
    assert_eq!(answers(&lab.client, VIP, 20), ["backend-b"; 20]);
    assert_eq!(guards(&lab.balancer).len(), 1);
    // Nothing else may change meanwhile; looking is allowed.
    dsrload
        .run("drain web/b")
        .exits(1)
        .says("waits to be confirmed");
    dsrload
        .run(&format!("apply {}", first.path()))
        .exits(1)
        .says("waits to be confirmed");
    dsrload
        .run(&format!("eth0 -c {}", first.path()))
        .exits(1)
        .says("waits to be confirmed");
    dsrload.run("stats").exits(0).says("waits to be confirmed");
    until("it is rolled back", || config(&dsrload)["given_up"] == 2);
    assert_eq!(exported(&dsrload), before);
    let names = answers(&lab.client, VIP, 40);
    assert!(names.iter().any(|name| name == "backend-a"), "{names:?}");
    dsrload
        .run("confirm")
        .exits(1)
        .says("was not confirmed in time");

    dsrload
        .run(&format!("apply {} --confirm 1s", new.path()))
        .exits(0);
    dsrload.run("confirm").exits(0);
    until("the guard ends", || guards(&lab.balancer).is_empty());
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(answers(&lab.client, VIP, 20), ["backend-b"; 20]);

    // Given up at once, and unloaded: the guard ends with it.
    dsrload
        .run(&format!("apply {} --confirm 1h", first.path()))
        .exits(0);
    dsrload.run("rollback").exits(0);
    assert_eq!(answers(&lab.client, VIP, 20), ["backend-b"; 20]);
    dsrload
        .run(&format!("apply {} --confirm 1h", first.path()))
        .exits(0);
    dsrload.run("--unload eth0").exits(0);
    until("the guards end", || guards(&lab.balancer).is_empty());
}

#[test]
fn a_killed_guard_is_told_of_by_every_later_command() {
    let (lab, dsrload, _first) = balancing(DSRLOAD, "guard");
    let before = exported(&dsrload);
    let new = File::new("guard", &web("", &format!("b = \"{}\"\n", BACKENDS[1])));
    dsrload
        .run(&format!("apply {} --confirm 1s", new.path()))
        .exits(0);
    for guard in guards(&lab.balancer) {
        lab.balancer.run(&format!("kill -9 {guard}"));
    }
    until("the time is over", || {
        config(&dsrload)["rolled_back_in"]
            .as_i64()
            .is_some_and(|left| left < -5)
    });
    let words = "its guard, which would have rolled it back, is gone: `dsrload rollback`";
    assert!(dsrload.answer("status").contains(words));
    dsrload.run("stats").exits(0).says(words);
    dsrload.run("export").exits(0).says(words);
    dsrload.run("settle").exits(0).says(words);
    dsrload.run("drain web/b").exits(1).says(words);
    dsrload.run("rollback").exits(0);
    assert_eq!(exported(&dsrload), before);
    dsrload.run("drain web/b").exits(0);
}

/// The moments are spread over a whole run and a little beyond, as in
/// `netns_kill.rs`; each is followed by the deadline.
#[test]
fn an_apply_that_is_killed_at_any_moment_is_taken_back_or_never_was() {
    let (lab, dsrload, _first) = balancing(DSRLOAD, "killed");
    let before = digest(&dsrload);
    let new = File::new("killed", &web("", &format!("b = \"{}\"\n", BACKENDS[1])));
    let line = format!("apply {} --confirm 1s", new.path());
    let start = Instant::now();
    dsrload.run(&line).exits(0);
    let whole = start.elapsed();
    dsrload.run("rollback").exits(0);
    let (mut never, mut back) = (0, 0);
    for moment in 0..12 {
        let generation_before = generation(&dsrload);
        let mut child = dsrload.spawn(&line);
        thread::sleep(whole * moment / 8);
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
        until("the guard is done", || guards(&lab.balancer).is_empty());
        assert_eq!(digest(&dsrload), before, "moment {moment}");
        match generation(&dsrload) - generation_before {
            0 => never += 1,
            2 => back += 1,
            other => panic!("{other} changes at moment {moment}"),
        }
        assert_eq!(answers(&lab.client, VIP, 3).len(), 3);
    }
    assert!(
        never > 0 && back > 0,
        "the moments missed the run: {never}, {back}"
    );
}

#[test]
fn several_at_once_take_turns_and_each_sees_what_the_others_did() {
    let (lab, dsrload, _first) = balancing(DSRLOAD, "turns");
    let line =
        |n: u32| format!("add -t {VIP}:80 -r 172.17.1.{n}=02:00:00:00:01:{n:02} --name n{n}");
    let mut children: Vec<_> = (1..=10).map(|n| dsrload.spawn(&line(n))).collect();
    // One of them dies at some moment, and hinders nobody.
    thread::sleep(Duration::from_millis(30));
    let mut last = children.pop().expect("there are ten");
    last.kill().expect("it is our child");
    last.wait().expect("it is our child");
    let ended: Vec<Output> = children
        .into_iter()
        .map(|child| child.wait_with_output().expect("it is our child"))
        .collect();
    for output in &ended {
        assert!(output.status.success(), "{output:?}");
    }
    let text = exported(&dsrload);
    for n in 1..10 {
        assert!(text.contains(&format!("n{n} = ")), "{n} in {text}");
    }
    let has_last = text.contains("n10 = ");
    assert_eq!(generation(&dsrload), 10 + u64::from(has_last));
    let status = dsrload.status().expect("it is loaded");
    assert_eq!(status.macs().len(), 11 + usize::from(has_last));
    drop(lab);
}
