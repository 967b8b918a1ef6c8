//! `dsrload drain --wait`: it returns when no live flow is left, and not before.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr};
use std::thread;
use std::time::{Duration, Instant};

use lab::datagram::{Echo, Flow};
use lab::load::{Load, Running};
use lab::product::Product;
use lab::talk::Talk;
use lab::web::answers;
use lab::{BACKENDS, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const A: &str = "backend-a";
const B: &str = "backend-b";

/// Longer than any of these waits takes on a busy machine.
const LONG: &str = "--wait 90s --idle 2s";

fn balancing(service: &str) -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = BACKENDS.join(",");
    dsrload
        .run(&format!("eth0 --mode skb {service} -r {reals}"))
        .exits(0);
    (lab, dsrload)
}

fn drain(port: &str, how: &str) -> String {
    format!("drain {VIP}:{port}/{} {how}", BACKENDS[0])
}

/// Twenty long connections alone, which send a hundred requests a second.
fn talk(lab: &Lab) -> Running {
    let mut load = Load::on(VIP);
    load.short_per_second = 0;
    load.start(&lab.client)
}

fn state(dsrload: &Product) -> String {
    let status = dsrload.status().expect("it is loaded");
    let state = status.backend(BACKENDS[0])["state"].as_str();
    state.expect("a word").to_owned()
}

/// A wait in progress.
struct Wait {
    child: Child,
    talk: BufReader<ChildStderr>,
}

impl Wait {
    fn start(dsrload: &Product, line: &str) -> Self {
        let mut child = dsrload.spawn(line);
        let talk = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, talk }
    }

    /// Its next line of progress that contains `words`.
    fn until(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            self.talk.read_line(&mut line).expect("a line");
            assert!(!line.is_empty(), "it ended before it said {words:?}");
            if line.contains(words) {
                return line;
            }
        }
    }

    fn is_waiting(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    fn interrupt(&self) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a pid");
        // SAFETY: a signal for our own child, which nobody has waited for yet.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
    }

    /// Its exit code and all that it says from here on.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut rest = String::new();
        while self.talk.read_line(&mut rest).expect("a line") > 0 {}
        let output = self.child.wait_with_output().expect("it is our child");
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), answer, rest)
    }
}

#[test]
fn it_returns_once_the_last_connection_has_ended_and_breaks_none() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let load = talk(&lab);
    let had = dsrload.stats().connections()[BACKENDS[0]];
    let mut wait = Wait::start(&dsrload, &drain("80", LONG));
    // All are heard of, and then there is none that nobody knows of.
    wait.until(&format!(": {had} live flow"));
    for _ in 0..5 {
        load.answers_everywhere();
        assert!(wait.is_waiting());
    }
    assert_eq!(answers(&lab.client, VIP, 20), [B; 20]);
    let report = load.finish();
    report.loses_no_connection();
    assert_eq!(report.long.by_backend[A] as u64, had);
    let (code, answer, talk) = wait.end();
    assert_eq!(code, Some(0), "{talk}");
    let last = answer.lines().last().expect("an answer");
    assert!(
        last.contains(&format!(
            "no live flow is left ({had} idle): none was heard of for 2s"
        )),
        "{answer}"
    );
    assert!(!talk.contains('\x1b') && !answer.contains('\x1b'));
    assert_eq!(state(&dsrload), "drain");

    // Once more there is nothing to wait for.
    let start = Instant::now();
    dsrload.run(&drain("80", LONG)).exits(0);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn it_gives_up_when_a_connection_is_alive_to_the_end() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let load = talk(&lab);
    let run = dsrload.run(&drain("80", "--wait 4s --idle 1s")).exits(1);
    let run = run
        .says("live flow")
        .says("after 4s")
        .says("it stays drained");
    assert!(run.stdout.contains("drain (was ready)"), "{run:?}");
    assert_eq!(state(&dsrload), "drain");
    load.answers_everywhere();
    load.finish().loses_no_connection();
}

/// It has no entry: nobody can know of it before it speaks.
#[test]
fn a_connection_that_was_silent_since_the_drain_is_found_as_soon_as_it_speaks() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let mut connections: Vec<Talk> = (0..30).map(|_| Talk::open(&lab.client, VIP)).collect();
    let of_a = |talk: &mut Talk| talk.ask() == A;
    let one = connections.iter_mut().position(of_a).expect("one of A");
    let mut one = connections.swap_remove(one);
    drop(connections);

    let mut wait = Wait::start(&dsrload, &drain("80", "--wait 90s --idle 6s"));
    let line = wait.until("at least");
    assert!(line.contains("0 live flows"), "{line}");
    assert_eq!(one.ask(), A);
    wait.until("1 live flow");
    // It speaks less often than every other second, and is alive all the time.
    for _ in 0..4 {
        thread::sleep(Duration::from_secs(3));
        assert!(wait.is_waiting());
        assert_eq!(one.ask(), A);
    }
    drop(one);
    let (code, answer, talk) = wait.end();
    assert_eq!(code, Some(0), "{talk}");
    assert!(answer.contains("no live flow is left"), "{answer}");
}

#[test]
fn too_short_a_wait_claims_nothing_although_nobody_is_there() {
    let (_lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let run = dsrload.run(&drain("80", "--wait 1s --idle 60s")).exits(1);
    run.says("more to be sure that none is left");
}

#[test]
fn new_flows_of_datagrams_are_sent_elsewhere_soon_and_do_not_hold_it() {
    let (lab, dsrload) = balancing(&format!("-u {VIP}:53"));
    let _servers = [0, 1].map(|n| Echo::start(&lab.backends[n].host, VIP, 53));
    let mut wait = Wait::start(&dsrload, &drain("53/udp", LONG));
    wait.until("live flow");
    // One flow after the other, until it is over.
    let mut names = Vec::new();
    while wait.is_waiting() {
        names.push(Flow::open(&lab.client, VIP, 53).ask(b"new"));
        thread::sleep(Duration::from_millis(20));
    }
    let (code, _, talk) = wait.end();
    assert_eq!(code, Some(0), "{talk}");
    assert!(names.iter().any(|name| name == A), "it was open at first");
    let lately = &names[names.len() - 20..];
    assert!(lately.iter().all(|name| name == B), "{lately:?}");
}

#[test]
fn who_changes_the_backend_meanwhile_ends_the_wait() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let load = talk(&lab);
    let backend = format!("{VIP}:80/{}", BACKENDS[0]);
    for (line, words) in [
        (format!("ready {backend}"), "is ready again"),
        (format!("del -t {VIP}:80 -r {}", BACKENDS[0]), "was removed"),
    ] {
        let mut wait = Wait::start(&dsrload, &drain("80", LONG));
        wait.until("live flow");
        dsrload.run(&line).exits(0);
        let (code, _, talk) = wait.end();
        assert_eq!(code, Some(1), "{talk}");
        assert!(talk.contains(words), "{talk}");
    }
    drop(load);
}

#[test]
fn an_interrupt_ends_the_wait_and_leaves_it_drained() {
    let (lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    let load = talk(&lab);
    let mut wait = Wait::start(&dsrload, &drain("80", LONG));
    wait.until("live flow");
    wait.interrupt();
    let (code, _, talk) = wait.end();
    assert_eq!(code, Some(1), "{talk}");
    assert!(talk.contains("interrupted"), "{talk}");
    assert_eq!(state(&dsrload), "drain");
    load.finish().loses_no_connection();
}

#[test]
fn a_service_that_tracks_nothing_has_nothing_to_wait_for() {
    let (_lab, dsrload) = balancing(&format!("-t {VIP}:80 --tracking none"));
    let run = dsrload.run(&drain("80", LONG)).exits(0);
    assert!(run.stdout.contains("tracks nothing"), "{run:?}");
}

#[test]
fn times_that_make_no_sense_are_refused_before_anything_is_done() {
    let (_lab, dsrload) = balancing(&format!("-t {VIP}:80"));
    dsrload
        .run(&drain("80", "--idle 5s"))
        .exits(2)
        .says("--wait");
    dsrload
        .run(&drain("80", "--wait soon"))
        .exits(2)
        .says("10m");
    assert_eq!(state(&dsrload), "ready");
}
