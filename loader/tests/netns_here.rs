//! A balancer whose host is one of the backends: it holds the VIP on its own
//! `lo`, its web server answers for its share of the flows, and all others are
//! sent on.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::BTreeMap;

use lab::datagram::{Echo, Flow};
use lab::load::Load;
use lab::product::Product;
use lab::web::{Nginx, answers, answers_on_one_connection, content, upload};
use lab::{BACKENDS, BACKENDS6, BALANCER, BALANCER6, Lab, VIP, VIP6};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// A lab whose balancer serves, too.
fn serving() -> (Lab, Product, Nginx) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.answer(&format!("backend setup {VIP} {VIP6}"));
    let nginx = Nginx::start(&lab.balancer);
    (lab, dsrload, nginx)
}

fn service() -> String {
    format!(
        "-t {VIP}:80 -r {BALANCER},{} -t [{VIP6}]:80 -r {BALANCER6},{} -u {VIP}:53 -r {BALANCER},{}",
        BACKENDS[0], BACKENDS6[0], BACKENDS[0]
    )
}

/// How often each host answered.
fn shares(lab: &Lab, address: &str, count: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for name in answers(&lab.client, address, count) {
        *shares.entry(name).or_default() += 1;
    }
    shares
}

#[test]
fn the_host_and_another_backend_both_answer() {
    let (mut lab, dsrload, _nginx) = serving();
    lab.native_ready();
    for mode in ["skb", "drv"] {
        let line = format!("eth0 --mode {mode} {}", service());
        dsrload.run(&line).exits(0);
        for address in [VIP.to_owned(), format!("[{VIP6}]")] {
            let shares = shares(&lab, &address, 60);
            let names: Vec<&str> = shares.keys().map(String::as_str).collect();
            assert_eq!(names, ["backend-a", "balancer"], "{mode} {address}");
            assert!(shares.values().all(|&n| n >= 10), "{mode} {shares:?}");
        }
        let stats = dsrload.stats();
        let connections = stats.connections();
        let both = connections[BALANCER] + connections[BACKENDS[0]];
        assert_eq!(both, 60, "{connections:?}");
        dsrload.run("--unload eth0").exits(0);
    }
}

#[test]
fn status_names_this_host() {
    let (_lab, dsrload, _nginx) = serving();
    dsrload
        .run(&format!("eth0 --mode skb {}", service()))
        .exits(0);
    let status = dsrload.status().expect("it is loaded");
    let here = status.backend(BALANCER);
    assert_eq!(here["is_this_host"], true);
    assert!(here["mac"].is_null() && here["interface"].is_null());
    assert_eq!(status.backend(BACKENDS[0])["is_this_host"], false);
    let text = dsrload.answer("status");
    assert!(text.contains(&format!("  {BALANCER} ready, weight 1")));
    assert!(text.contains(" slots, this host\n"), "{text}");
}

#[test]
fn large_and_small_and_udp_come_to_this_host_whole() {
    let (lab, dsrload, nginx) = serving();
    let alone = format!("eth0 --mode skb -t {VIP}:80 -r {BALANCER} -u {VIP}:53 -r {BALANCER}");
    dsrload.run(&alone).exits(0);
    let up = content(3_000_000, 5);
    upload(&lab.client, VIP, "up", &up);
    assert_eq!(nginx.stored("up").expect("it is kept"), up);
    let _echo = Echo::start(&lab.balancer, VIP, 53);
    let flow = Flow::open(&lab.client, VIP, 53);
    assert_eq!(flow.ask(b"small"), "balancer");
    // In several fragments, of which only the first has ports.
    assert_eq!(flow.ask(&content(9000, 7)), "balancer");
}

#[test]
fn draining_this_host_gives_it_no_new_connections_and_keeps_the_old_ones() {
    let (lab, dsrload, _nginx) = serving();
    let web = format!("-t {VIP}:80 -r {BALANCER},{}", BACKENDS[0]);
    dsrload.run(&format!("eth0 --mode skb {web}")).exits(0);
    let load = Load::on(VIP).start(&lab.client);
    load.answers_everywhere();
    let here = format!("{VIP}:80/{BALANCER}");
    dsrload.run(&format!("drain {here}")).exits(0);
    assert_eq!(shares(&lab, VIP, 30), [("backend-a".to_owned(), 30)].into());
    load.answers_everywhere();
    dsrload.run(&format!("ready {here}")).exits(0);
    assert_eq!(shares(&lab, VIP, 60).len(), 2);
    load.answers_everywhere();
    let report = load.finish();
    report.is_flawless();
    assert!(report.long.by_backend.len() == 2, "{report:?}");

    dsrload.run(&format!("down {here}")).exits(0);
    assert_eq!(shares(&lab, VIP, 20), [("backend-a".to_owned(), 20)].into());
    let target = format!("{VIP}:80/{}", BACKENDS[0]);
    dsrload.run(&format!("ready {here}")).exits(0);
    dsrload.run(&format!("down {target}")).exits(0);
    assert_eq!(
        answers_on_one_connection(&lab.client, VIP, 3),
        ["balancer"; 3]
    );
}

#[test]
fn this_host_is_added_and_removed_like_any_other() {
    let (lab, dsrload, _nginx) = serving();
    let service = format!("-t {VIP}:80");
    dsrload
        .run(&format!("eth0 --mode skb {service} -r {}", BACKENDS[0]))
        .exits(0);
    dsrload
        .run(&format!("add {service} -r {BALANCER}"))
        .exits(0);
    assert_eq!(shares(&lab, VIP, 60).len(), 2);
    dsrload
        .run(&format!("del {service} -r {BALANCER}"))
        .exits(0);
    assert_eq!(shares(&lab, VIP, 30), [("backend-a".to_owned(), 30)].into());
}

/// An address may move from this host to another and back; its flows keep
/// their destination, which is reached in another way.
#[test]
fn an_address_that_moves_is_found_where_it_is() {
    let (lab, dsrload, _nginx) = serving();
    let floating = "172.17.0.99";
    let load = || {
        let line = format!("eth0 --mode skb -t {VIP}:80 -r {floating}");
        dsrload.run(&line).exits(0);
        shares(&lab, VIP, 10)
    };
    let backend = &lab.backends[1].host;
    for _ in 0..2 {
        lab.balancer.ip(&format!("addr add {floating}/16 dev eth0"));
        assert_eq!(load(), [("balancer".to_owned(), 10)].into());
        lab.balancer.ip(&format!("addr del {floating}/16 dev eth0"));
        backend.ip(&format!("addr add {floating}/16 dev eth0"));
        assert_eq!(load(), [("backend-b".to_owned(), 10)].into());
        backend.ip(&format!("addr del {floating}/16 dev eth0"));
    }
}

#[test]
fn a_host_without_the_vip_is_no_backend() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload
        .run(&format!("eth0 --mode skb -t {VIP}:80 -r {BALANCER}"))
        .exits(3)
        .says(BALANCER)
        .says(&format!("`ip addr add {VIP}/32 dev lo` first"));
    assert!(dsrload.status().is_none());
}
