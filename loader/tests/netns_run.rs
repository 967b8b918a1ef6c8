//! `dsrload run`: backends that fail and come back, under load, and what becomes of
//! forwarding when the process ends in one way or another.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::fs;
use std::time::Duration;

use lab::agent::{Agent, CHECK, Watched};
use lab::config::{File, both, exported, generation, until, web};
use lab::load::Load;
use lab::product::Product;
use lab::{BACKENDS, Lab, VIP};
use nix::sys::signal::Signal;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

fn site(test: &str, more: &str) -> Watched {
    Watched::new(DSRLOAD, &format!("run-{test}"), &web(more, &both()))
}

#[test]
fn a_backend_that_lost_its_vip_is_down_while_its_own_address_answers() {
    let site = site("vip", CHECK);
    let agent = site.start();
    for backend in BACKENDS {
        agent.becomes(backend, "ready");
    }
    let before = exported(&site.dsrload);
    let generation_before = generation(&site.dsrload);
    let [first, second] = &site.lab.backends;
    let load = Load::on(VIP).start(&site.lab.client);

    first.host.ip(&format!("addr del {VIP}/32 dev lo"));
    agent.becomes_for(BACKENDS[0], "down", "check http");
    let own = site
        .lab
        .balancer
        .run(&format!("curl -s --max-time 5 http://{}/", BACKENDS[0]));
    assert!(own.contains("backend-a"), "its own address answers: {own}");
    agent.says("web/a");
    assert_eq!(agent.backend(BACKENDS[1]).0, "ready");
    // All new connections go to the other one.
    for _ in 0..20 {
        let answer = site
            .lab
            .client
            .run(&format!("curl -s --max-time 5 http://{VIP}/"));
        assert!(answer.contains(second.host.name()), "{answer}");
    }

    first.host.ip(&format!("addr add {VIP}/32 dev lo"));
    agent.becomes(BACKENDS[0], "ready");
    // The config is the operator's: no health stands in it.
    assert_eq!(exported(&site.dsrload), before);
    assert_eq!(generation(&site.dsrload), generation_before);
    load.answers_everywhere();
    let report = load.finish();
    // Who had a connection to it, and nobody else, has lost it.
    assert_eq!(
        report.long.by_backend["backend-b"], report.long.ok,
        "{report:?}"
    );
    assert_eq!(
        report.long.by_backend["backend-a"],
        report.long.failed(),
        "{report:?}"
    );
}

#[test]
fn rules_and_routes_of_checks_are_gone_with_the_process_or_taken_over() {
    let site = site("rules", CHECK);
    let balancer = &site.lab.balancer;
    let rules = || balancer.run("ip -d rule show") + &balancer.run("ip -d -6 rule show");
    let routes = || balancer.run("ip route show table all proto 201");
    let before = rules();
    assert_eq!(routes(), "");
    let agent = site.start();
    agent.becomes(BACKENDS[0], "ready");
    let with = (rules(), routes());
    assert!(with.0.contains("fwmark") && !with.1.is_empty(), "{with:?}");

    agent.kill();
    let agent = site.start();
    agent.becomes(BACKENDS[0], "ready");
    until("those of the killed process are taken over", || {
        (rules(), routes()) == with
    });
    let (status, log) = agent.end();
    assert!(status.success(), "{log}");
    assert_eq!((rules(), routes()), (before, String::new()));
}

#[test]
fn nobody_notices_that_the_process_is_killed_and_started_again() {
    let site = site("killed", CHECK);
    let agent = site.start();
    for backend in BACKENDS {
        agent.becomes(backend, "ready");
    }
    let load = Load::on(VIP).start(&site.lab.client);
    let mut agent = Some(agent);
    for round in 0..10 {
        agent.take().expect("it runs").kill();
        load.answers_everywhere();
        agent = Some(match round % 3 {
            // Sooner than it is up.
            0 => Agent::spawn(&site.dsrload, &format!("eth0 -c {}", site.file.path())),
            _ => site.start(),
        });
    }
    load.answers_everywhere();
    load.finish().is_flawless();
}

#[test]
fn a_backend_that_does_not_resolve_is_down_for_that_reason() {
    // No check: the neighbour tells.
    let site = site("silent", "");
    site.lab.cable(&site.lab.backends[1].host, "down");
    let agent = site.start();
    agent.becomes(BACKENDS[0], "ready");
    agent.becomes_for(BACKENDS[1], "down", "did not answer on eth0");
    let load = Load::on(VIP).start(&site.lab.client);
    site.lab.cable(&site.lab.backends[1].host, "up");
    agent.becomes(BACKENDS[1], "ready");
    load.answers_everywhere();
    load.finish().is_flawless();
}

#[test]
fn a_new_mac_reaches_the_tables_without_traffic() {
    let site = site("mac", "");
    let agent = site.start();
    agent.becomes(BACKENDS[0], "ready");
    let mac = "02:00:00:00:aa:01";
    let host = &site.lab.backends[0].host;
    host.ip(&format!("link set eth0 address {mac}"));
    // As whoever takes an address over says it.
    site.lab.balancer.ip(&format!(
        "neighbour replace {} lladdr {mac} dev eth0 nud reachable",
        BACKENDS[0]
    ));
    until("the new MAC is in the tables", || {
        site.dsrload.status().expect("it is loaded").macs()[BACKENDS[0]] == mac
    });
    agent.says("mac 02:00:00:00:aa:01 (was ");
}

#[test]
fn a_file_is_read_again_and_a_broken_one_changes_nothing() {
    let site = site("reload", CHECK);
    let agent = site.start();
    agent.becomes(BACKENDS[0], "ready");
    let load = Load::on(VIP).start(&site.lab.client);
    let before = generation(&site.dsrload);
    fs::write(site.file.path(), web("chekc = 1\n", &both())).expect("the file");
    agent.signal(Signal::SIGHUP);
    agent.says("not reloaded");
    until("status says that it was refused, and why", || {
        let status = site.dsrload.answer("status");
        status.contains("the last reload was refused") && status.contains("chekc")
    });
    assert_eq!(generation(&site.dsrload), before);

    let weights = both().replace("\"172.17.0.4\"", "{ ip = \"172.17.0.4\", weight = 3 }");
    fs::write(site.file.path(), web(CHECK, &weights)).expect("the file");
    agent.signal(Signal::SIGHUP);
    until("the new weight is in force", || {
        site.dsrload.status().expect("it").backend(BACKENDS[1])["weight"] == 3
    });
    until("status forgets what was refused", || {
        !site.dsrload.answer("status").contains("refused")
    });
    assert_eq!(generation(&site.dsrload), before + 1);

    // What another command does is followed just as well.
    let other = File::new("run-reload-other", &web("", &both()));
    site.dsrload.answer(&format!("apply {}", other.path()));
    site.lab.backends[0]
        .host
        .ip(&format!("addr del {VIP}/32 dev lo"));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        agent.backend(BACKENDS[0]).0,
        "ready",
        "no check is in force"
    );
    site.lab.backends[0]
        .host
        .ip(&format!("addr add {VIP}/32 dev lo"));
    load.answers_everywhere();
    drop(load);
}

#[test]
fn a_second_process_for_the_same_interface_is_refused() {
    let site = site("second", "");
    let agent = site.start();
    let run = site
        .dsrload
        .run(&format!("run eth0 -c {}", site.file.path()));
    run.exits(1).says("another `dsrload run` looks after eth0");
    let mut agent = agent;
    site.dsrload.answer("--unload eth0");
    let status = agent.wait();
    assert!(status.success(), "{}", agent.log());
}

#[test]
fn sigterm_keeps_forwarding_or_takes_it_off_as_the_config_says() {
    let site = site("term", "");
    let agent = site.start();
    let load = Load::on(VIP).start(&site.lab.client);
    let (status, log) = agent.end();
    assert!(status.success(), "{log}");
    load.answers_everywhere();
    load.finish().is_flawless();
    assert!(site.dsrload.status().is_some());

    let text = web("", &both()) + "\n[run]\non_exit = \"unload\"\nexit_after = \"0s\"\n";
    fs::write(site.file.path(), text).expect("the file");
    let agent = site.start();
    let (status, log) = agent.end();
    assert!(status.success(), "{log}");
    assert!(site.dsrload.status().is_none());
}

#[test]
fn the_sorry_backend_stands_in_below_the_quorum() {
    let lab = Lab::seed();
    let third = lab.third_backend();
    let more = format!("{CHECK}quorum = 2\nsorry = \"{}\"\n", third.address);
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let file = File::new("run-sorry", &web(&more, &both()));
    let agent = Agent::start(&dsrload, &format!("eth0 -c {}", file.path()));
    for backend in BACKENDS {
        agent.becomes(backend, "ready");
    }
    let ask = || {
        lab.client
            .run(&format!("curl -s --max-time 5 http://{VIP}/"))
    };
    for _ in 0..20 {
        assert!(!ask().contains("backend-c"));
    }
    lab.backends[0]
        .host
        .ip(&format!("addr del {VIP}/32 dev lo"));
    agent.becomes(BACKENDS[0], "down");
    until("new connections go to the sorry backend", || {
        ask().contains("backend-c")
    });
    for _ in 0..20 {
        assert!(ask().contains("backend-c"));
    }
    agent.says("stands in");
    lab.backends[0]
        .host
        .ip(&format!("addr add {VIP}/32 dev lo"));
    agent.becomes(BACKENDS[0], "ready");
    until("new connections go to the others again", || {
        !ask().contains("backend-c")
    });
}
