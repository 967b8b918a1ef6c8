//! Three balancers behind a router: BIRD announces what we put in our table, and
//! whoever leaves takes no connection along.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]
#![allow(
    clippy::print_stdout,
    reason = "the times of docs/ANNOUNCE.md, for who asks with --nocapture"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use lab::deadline::wait_until;
use lab::ecmp::{COUNT, EcmpLab, VIPS, reals};
use lab::host::Host;
use lab::load::{Load, Report, Running};
use lab::mounts::{Mounts, RUN};
use nix::sys::signal::Signal;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// What a failure may take: from the event to the router's routes, and between two
/// short connections that end well.
const BOUND: Duration = Duration::from_secs(1);

/// 300 long connections, and 300 short ones in a second.
fn load(lab: &EcmpLab, authority: &str) -> Running {
    let mut load = Load::on(authority);
    load.long = 300;
    load.pause = Duration::from_millis(300);
    load.short_per_second = 300;
    load.short_at_once = 150;
    load.start(&lab.client)
}

/// Waits until the router spreads flows over exactly these balancers; how long that
/// took.
fn wait_for_hops(lab: &EcmpLab, wanted: &[usize]) -> Duration {
    let start = Instant::now();
    for vip in VIPS {
        wait_until(&format!("{wanted:?} for {vip}"), || {
            lab.next_hops(vip).into_iter().eq(wanted.iter().copied())
        });
    }
    start.elapsed()
}

/// The lab with an agent on each balancer; `more` is what else stands in
/// each service.
fn announced(more: &str) -> EcmpLab {
    let mut lab = EcmpLab::build(DSRLOAD, more);
    for balancer in &mut lab.balancers {
        balancer.start_agent();
    }
    let took = wait_for_hops(&lab, &[0, 1, 2]);
    println!("announced by all after {took:?}");
    for balancer in &lab.balancers {
        for nth in 0..COUNT {
            balancer.sees(nth, "ready");
        }
    }
    lab
}

fn all_have_a_part(lab: &EcmpLab, service: &str) {
    for balancer in &lab.balancers {
        let (packets, _) = balancer.dsrload.stats().of_service(service);
        assert!(packets > 0, "{} has no part", balancer.host.name());
    }
}

/// A way in which a balancer leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// Its agent is told to end.
    Terminated,
    /// Its agent is killed.
    Killed,
    /// Its routing daemon is killed.
    Muted,
    /// Its cable is cut.
    Cut,
}

const WAYS: [Leaving; 4] = [
    Leaving::Terminated,
    Leaving::Killed,
    Leaving::Muted,
    Leaving::Cut,
];

impl Leaving {
    /// Makes a balancer leave; how long the router took to see that.
    fn leaves(self, lab: &mut EcmpLab, nth: usize) -> Duration {
        let start = Instant::now();
        let balancer = &mut lab.balancers[nth];
        match self {
            Self::Terminated => balancer.agent().signal(Signal::SIGTERM),
            Self::Killed => balancer.kill_agent(),
            Self::Muted => balancer.bird.kill(),
            Self::Cut => lab.cable(nth, "down"),
        }
        let others: Vec<usize> = (0..COUNT).filter(|&other| other != nth).collect();
        wait_for_hops(lab, &others);
        let took = start.elapsed();
        if let Self::Terminated = self {
            let (status, log) = lab.balancers[nth].end_agent();
            assert!(status.success(), "{log}");
        }
        took
    }

    /// Makes it come back; how long that took.
    fn comes_back(self, lab: &mut EcmpLab, nth: usize) -> Duration {
        let start = Instant::now();
        let balancer = &mut lab.balancers[nth];
        match self {
            Self::Terminated | Self::Killed => balancer.start_agent(),
            Self::Muted => balancer.start_bird(),
            Self::Cut => lab.cable(nth, "up"),
        }
        wait_for_hops(lab, &[0, 1, 2]);
        start.elapsed()
    }
}

/// Panics unless somebody was served at any time.
fn is_never_away(report: &Report) {
    println!("{report:?}");
    assert!(report.gap < BOUND, "nobody was served for {:?}", report.gap);
}

#[test]
fn whoever_leaves_takes_no_connection_along() {
    let mut lab = announced("");
    let load = load(&lab, VIPS[0]);
    all_have_a_part(&lab, "192.0.2.10:80/tcp");
    for (way, nth) in WAYS.into_iter().zip([0, 1, 2, 0]) {
        let left = way.leaves(&mut lab, nth);
        load.answers_everywhere();
        let back = way.comes_back(&mut lab, nth);
        load.answers_everywhere();
        println!("{way:?}: {left:?}, back after {back:?}");
        assert!(left < BOUND, "{way:?} {left:?}");
    }
    let report = load.finish();
    report.loses_no_connection();
    is_never_away(&report);
}

#[test]
fn a_backend_that_fails_meanwhile_takes_its_own_connections_along_and_no_others() {
    let mut lab = announced("");
    // By the other VIP: all of this is the same for IPv6.
    let load = load(&lab, &format!("[{}]", VIPS[1]));
    all_have_a_part(&lab, "[2001:db8:c0::10]:80/tcp");
    for (way, nth) in WAYS.into_iter().zip([0, 1, 2, 0]) {
        lab.serve(0, false);
        let left = way.leaves(&mut lab, nth);
        load.answers_everywhere();
        // One that is dead keeps nobody from being announced.
        let back = way.comes_back(&mut lab, nth);
        load.answers_everywhere();
        for balancer in &lab.balancers {
            balancer.sees(0, "down");
        }
        lab.serve(0, true);
        for balancer in &lab.balancers {
            balancer.sees(0, "ready");
        }
        load.answers_everywhere();
        println!("{way:?}: {left:?}, back after {back:?}");
        assert!(left < BOUND, "{way:?} {left:?}");
    }
    let report = load.finish();
    is_never_away(&report);
    let own = report.long.by_backend["backend-1"];
    let lost = BTreeMap::from([("backend-1".to_owned(), own)]);
    assert_eq!(report.long.lost, lost, "{report:?}");
    assert_eq!((report.long.failed(), report.long.moved), (own, 0));
}

#[test]
fn a_balancer_that_alone_reaches_no_backend_withdraws_by_itself() {
    // With `rehash` it would give connections of the backend that is down first to
    // those that are not down yet.
    let lab = announced("on_dead = \"hold\"");
    let load = load(&lab, VIPS[0]);
    let start = Instant::now();
    lab.answer_checks_of(0, false);
    wait_for_hops(&lab, &[1, 2]);
    println!("no quorum: {:?}", start.elapsed());
    for vip in VIPS {
        let said = format!("{vip} is withdrawn");
        lab.balancers[0].agent().says(&said);
    }
    load.answers_everywhere();
    let report = load.finish();
    is_never_away(&report);
    // A short one that began in this time may have met two answers to who is well.
    assert_eq!((report.long.failed(), report.long.moved), (0, 0));
}

#[test]
fn who_comes_back_is_announced_when_all_its_checks_have_spoken() {
    let mut lab = announced("");
    lab.answer_checks_of(0, false);
    wait_for_hops(&lab, &[1, 2]);
    let load = load(&lab, VIPS[0]);
    // The next agent finds that all were down, and announces nothing before its
    // checks have spoken, nor when they say the same.
    lab.balancers[0].kill_agent();
    lab.balancers[0].start_agent();
    let agent = lab.balancers[0].agent();
    wait_until("all checks to have failed", || {
        for vip in VIPS {
            assert!(!lab.next_hops(vip).contains(&0), "{}", agent.log());
        }
        let mut backends = (0..COUNT).flat_map(reals);
        backends.all(|own| agent.backend(&own).1.contains("check http"))
    });
    // Backends are up one after the other. Were the first one enough, connections
    // of the others would come here, and be given to it.
    let start = Instant::now();
    lab.answer_checks_of(0, true);
    wait_for_hops(&lab, &[0, 1, 2]);
    println!("checks answered, announced after {:?}", start.elapsed());
    load.answers_everywhere();
    let report = load.finish();
    report.loses_no_connection();
    is_never_away(&report);
}

#[test]
fn the_configurations_of_the_documentation_are_ones_for_bird() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ANNOUNCE.md");
    let page = fs::read_to_string(page).expect("the page");
    let host = Host::new("reader", &Mounts::with_bpffs());
    let blocks: Vec<&str> = page
        .split("```bird\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(blocks.len(), 2, "a balancer's and a router's");
    for block in blocks {
        let path = format!("{RUN}/bird.conf");
        host.inside(|| fs::write(&path, block))
            .expect("the lab's own /run");
        host.run(&format!("bird -p -c {path}"));
    }
}
