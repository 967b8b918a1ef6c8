//! Snapshots to be served: a site with troubles, an empty one, a large one, and one
//! whose names are not to be trusted.

use super::now;
use dsrload::report::run::{
    Backend, CheckState, Config, Event, Flows, Interface, Outcome, Service, Snapshot,
};

/// Three services of five backends: one down, one drained, one out for
/// maintenance, one service without its quorum whose sorry backend answers.
pub fn troubled() -> Snapshot {
    let time = now();
    Snapshot {
        time,
        started: time - 400_000.0,
        version: "0.1.0".into(),
        interfaces: vec![interface("eth0", "drv", 41), interface("eth1", "skb", 42)],
        config: Config {
            generation: 17,
            digest: "5f1c9a0e3b7d2846".into(),
            refused: Some("line 12: unknown key 'wieght', do you mean 'weight'?".into()),
            reloaded: time - 3_600.0,
        },
        services: troubled_services(time),
        outcomes: outcomes(),
        flows: Flows {
            entries: 181_243,
            capacity: 1_048_576,
            swept: time - 1.5,
            sweep_seconds: 0.004_2,
        },
        events: events(time),
        warnings: vec![
            "eth1: send_redirects is on: hosts of its network may be told to go around this host"
                .into(),
        ],
    }
}

fn troubled_services(time: f64) -> Vec<Service> {
    let mut web = service(
        "web",
        &["192.0.2.10:443/tcp", "[2001:db8:25::10]:443/tcp"],
        "https",
    );
    let mut dns = service("dns", &["192.0.2.53:53/udp", "192.0.2.53:53/tcp"], "dns");
    let mut mail = service("mail", &["192.0.2.25:25/tcp"], "tcp");
    fill(&mut web, 10, 40_000.0);
    fill(&mut dns, 20, 900.0);
    fill(&mut mail, 30, 12.0);
    web.unsettled = 8_192;
    put(
        &mut web.backends[1],
        "down",
        "connection refused",
        time - 192.0,
    );
    put(
        &mut web.backends[3],
        "drain",
        "by the operator",
        time - 4_000.0,
    );
    web.backends[3].wanted = "drain".into();
    web.backends[4].address = "2001:db8:1234:5678:9abc:def0:1234:5678".into();
    web.backends[4].forward = "gue:6080".into();
    put(
        &mut dns.backends[2],
        "maint",
        "by the operator",
        time - 90_000.0,
    );
    dns.backends[2].wanted = "maint".into();
    dns.announced = None;
    dns.in_rotation = 4;
    web.in_rotation = 3;
    for backend in &mut mail.backends {
        let reason = "no SYN-ACK within 2 s from 192.0.2.25:25 by way of its own path";
        put(backend, "down", reason, time - 35.0);
    }
    mail.backends.push(sorry());
    mail.in_rotation = 0;
    mail.quorum = 2;
    mail.is_up = false;
    mail.announced = Some(false);
    vec![dns, mail, web]
}

/// Nothing but a version: before the first services.
pub fn empty() -> Snapshot {
    Snapshot {
        time: now(),
        version: "0.1.0".into(),
        ..Snapshot::default()
    }
}

/// Ten services of `count` backends together.
pub fn large(count: usize) -> Snapshot {
    let mut snapshot = troubled();
    let per_service = count / 10;
    snapshot.services = (0..10).map(|i| large_service(i, per_service)).collect();
    snapshot
}

fn large_service(index: usize, backends: usize) -> Service {
    let mut large = service(&format!("service-{index}"), &["192.0.2.10:443/tcp"], "http");
    large.backends = (0..backends)
        .map(|b| {
            backend(
                &format!("node-{b}"),
                &format!("10.{index}.{}.{}", b / 250, b % 250),
                900.0,
            )
        })
        .collect();
    let slots = u64::try_from(backends).expect("a number");
    large.slots = slots * 3_000;
    put(
        &mut large.backends[7],
        "down",
        "connection refused",
        now() - 60.0,
    );
    large
}

/// Names and reasons that would be HTML, or the end of a label.
pub fn hostile() -> Snapshot {
    let mut snapshot = troubled();
    let evil = "<img src=x onerror=alert(1)>\"} 1\nevil 2\\ \u{202e}";
    let service = &mut snapshot.services[2];
    evil.clone_into(&mut service.name);
    evil.clone_into(&mut service.backends[0].name);
    evil.clone_into(&mut service.backends[0].reason);
    "__proto__".clone_into(&mut service.backends[2].name);
    evil.clone_into(&mut snapshot.config.digest);
    evil.clone_into(&mut snapshot.outcomes[0].name);
    evil.clone_into(&mut snapshot.interfaces[0].name);
    evil.clone_into(&mut snapshot.warnings[0]);
    snapshot
}

/// Puts a backend into a state.
pub fn put(backend: &mut Backend, state: &str, reason: &str, since: f64) {
    backend.state = state.into();
    backend.reason = reason.into();
    backend.since = since;
    if state == "ready" {
        return;
    }
    backend.slots = 0;
    backend.packet_rates = vec![0.0; 60];
    backend.byte_rates = vec![0.0; 60];
    if let (Some(check), "down") = (&mut backend.check, state) {
        check.last = Some(false);
        check.reason = reason.into();
        check.seconds = 2.0;
    }
}

fn service(name: &str, addresses: &[&str], check: &str) -> Service {
    Service {
        name: name.into(),
        addresses: addresses.iter().map(|&a| a.into()).collect(),
        in_rotation: 5,
        quorum: 1,
        is_up: true,
        announced: Some(true),
        check: Some(check.into()),
        slots: 65_536,
        unsettled: 0,
        backends: Vec::new(),
    }
}

fn fill(service: &mut Service, net: u8, rate: f64) {
    for number in 1..=5_u8 {
        let name = format!("{}-{number}", service.name);
        let address = format!("10.0.{net}.{number}");
        let rate = rate * (1.0 + f64::from(number) / 10.0);
        service.backends.push(backend(&name, &address, rate));
    }
}

fn sorry() -> Backend {
    let mut sorry = backend("sorry", "10.0.99.1", 7.0);
    sorry.is_sorry = true;
    sorry.check = None;
    sorry.slots = 65_536;
    sorry.reason = "no quorum: it answers for all".into();
    sorry
}

fn backend(name: &str, address: &str, rate: f64) -> Backend {
    let wave = |i: u32| rate * (1.0 + 0.3 * (f64::from(i) / 7.0).sin());
    Backend {
        name: name.into(),
        address: address.into(),
        wanted: "ready".into(),
        state: "ready".into(),
        reason: String::new(),
        since: now() - 300_000.0,
        is_sorry: false,
        mac: Some("02:00:00:00:00:0a".into()),
        forward: "l2".into(),
        weight: 100,
        slots: 13_107,
        live_flows: 1_204,
        packets: 123_456_789,
        bytes: 98_765_432_109,
        connections: 4_567_890,
        untracked: 3,
        packet_rates: (0..60).map(wave).collect(),
        byte_rates: (0..60).map(|i| wave(i + 11) * 640.0).collect(),
        check: Some(CheckState {
            last: Some(true),
            reason: String::new(),
            seconds: 0.001_4,
            succeeded: 20_100,
            failed: 4,
            buckets: vec![
                120, 19_000, 20_000, 20_050, 20_080, 20_090, 20_095, 20_100, 20_104, 20_104,
            ],
            seconds_sum: 44.25,
        }),
    }
}

fn interface(name: &str, mode: &str, program: u32) -> Interface {
    Interface {
        name: name.into(),
        mode: mode.into(),
        program,
    }
}

fn outcomes() -> Vec<Outcome> {
    let known = xdp_prog::abi::outcome::Outcome::ALL.iter();
    let counts = [
        918_273_645,
        12_000,
        0,
        99,
        0,
        7,
        1_234_567,
        31_337,
        0,
        0,
        12,
    ];
    let named = known.zip(counts.into_iter().chain(std::iter::repeat(0)));
    named
        .map(|(outcome, packets)| Outcome {
            name: outcome.name().into(),
            verdict: outcome.verdict().name().into(),
            help: outcome.help().into(),
            packets,
        })
        .collect()
}

fn events(time: f64) -> Vec<Event> {
    let event =
        |ago: f64, service: &str, backend: &str, from: &str, to: &str, reason: &str| Event {
            time: time - ago,
            service: service.into(),
            backend: backend.into(),
            from: from.into(),
            to: to.into(),
            reason: reason.into(),
        };
    vec![
        event(
            34.0,
            "mail",
            "",
            "up",
            "down",
            "0 of 2 backends in rotation",
        ),
        event(
            35.0,
            "mail",
            "mail-5",
            "ready",
            "down",
            "no SYN-ACK within 2 s",
        ),
        event(192.0, "web", "web-2", "ready", "down", "connection refused"),
        event(
            3_600.0,
            "",
            "",
            "generation 16",
            "refused",
            "line 12: unknown key 'wieght'",
        ),
        event(4_000.0, "web", "web-4", "ready", "drain", "by the operator"),
        event(
            90_000.0,
            "dns",
            "dns-3",
            "ready",
            "maint",
            "by the operator",
        ),
    ]
}
