//! Checks whose packets a router turns away: what it says is about the backend, in
//! both versions of IP.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use dsrload::agent::check::{Checks, Target, Verdict};
use dsrload::agent::job::Ended;
use dsrload::agent::reach::Reach;
use dsrload::model::check::{Check, Path, Probe, Udp};
use lab::{BACKENDS, BACKENDS6, Lab};
use tokio::sync::mpsc::channel;
use tokio::task::LocalSet;

const TIMEOUT: Duration = Duration::from_secs(5);

fn ask(probe: Probe, to: SocketAddr) -> Verdict {
    let target = Target {
        key: ("web".to_owned(), "b".to_owned(), None),
        check: Rc::new(Check {
            probe,
            port: to.port(),
            path: Path::Real,
            every: TIMEOUT,
            timeout: TIMEOUT,
            rise: 1,
            fall: 1,
            jitter: 0,
        }),
        to,
        reach: Reach::Routes,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let (results, mut reports) = channel(1);
        let mut checks = Checks::new(results, Rc::new(|_| Box::pin(async { Ended::Code(0) })));
        checks.set(vec![target]);
        let report = tokio::time::timeout(TIMEOUT * 3, reports.recv()).await;
        report.expect("in time").expect("a report").verdict
    })
}

#[test]
fn what_a_router_says_of_a_backend_takes_it_down() {
    let lab = Lab::seed();
    let router = &lab.backends[0].host;
    router.set("ipv4/ip_forward", "1");
    router.set("ipv6/conf/all/forwarding", "1");
    // What it says is not rationed: each is asked twice.
    router.set("ipv4/icmp_ratelimit", "0");
    router.set("ipv6/icmp/ratelimit", "0");
    router.ip("route add unreachable 198.51.100.1
         route add prohibit 198.51.100.2
         route add unreachable 2001:db8:100::1
         route add prohibit 2001:db8:100::2");
    lab.balancer.ip(&format!(
        "route add 198.51.100.0/24 via {}
         route add 2001:db8:100::/64 via {}",
        BACKENDS[0], BACKENDS6[0]
    ));
    let silent = Udp {
        send: b"PING".to_vec(),
        expect: None,
    };
    for (to, words) in [
        // Nobody has it: the kernel says so, after it has asked three times.
        ("172.17.9.9:80", "host unreachable"),
        ("198.51.100.1:80", "host unreachable"),
        ("198.51.100.2:80", "host unreachable"),
        ("[2001:db8:100::1]:80", "network unreachable"),
        // As a firewall rejects by default, with ICMPv6.
        ("[2001:db8:100::2]:80", "prohibited"),
    ] {
        let address: SocketAddr = to.parse().expect("an address");
        for probe in [Probe::Tcp, Probe::Udp(silent.clone())] {
            let kind = probe.name();
            match lab.balancer.inside(|| ask(probe, address)) {
                Verdict::Failed(why) => assert!(why.contains(words), "{kind} {to}: {why}"),
                other => panic!("{kind} {to}: {other:?}"),
            }
        }
    }
}
