//! Checks whose packets a router turns away: what it says is about the backend, in
//! both versions of IP.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "made for more checks than these")]
mod asking;
#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::net::SocketAddr;
use std::time::Duration;

use asking::target;
use dsrload::agent::check::Verdict;
use dsrload::model::check::{Probe, Udp};
use lab::{BACKENDS, BACKENDS6, Lab};

const TIMEOUT: Duration = Duration::from_secs(5);

fn ask(probe: Probe, to: SocketAddr) -> Verdict {
    asking::first(target("b", probe, to, TIMEOUT, TIMEOUT))
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
