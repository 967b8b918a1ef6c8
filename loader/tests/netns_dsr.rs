//! What docs/DSR.md says of backends, tried: where a VIP may stand, what a
//! server binds, what the kernel's filters do to packets out of a tunnel.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::net::UdpSocket;
use std::time::Duration;

use lab::behind::{FAR_BACKENDS, FAR_NAMES};
use lab::datagram::{Echo, Flow};
use lab::host::Host;
use lab::product::Product;
use lab::web::{answers, curl};
use lab::{BACKENDS, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

fn load(lab: &Lab, services: &str) -> Product {
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run(&format!("eth0 --mode skb {services}")).exits(0);
    dsrload
}

/// Whether a request gets no answer at all.
fn hangs(client: &Host, address: &str) -> bool {
    let url = format!("http://{address}/");
    curl(client, &["--connect-timeout", "1", &url]).code == 28
}

#[test]
fn a_udp_server_that_is_bound_to_no_address_answers_from_the_wrong_one() {
    let lab = Lab::seed();
    load(&lab, &format!("-u {VIP}:9 -r {}", BACKENDS[0]));
    let backend = &lab.backends[0].host;
    {
        let _server = Echo::start(backend, "0.0.0.0", 9);
        let client = lab.client.inside(|| UdpSocket::bind("0.0.0.0:0"));
        let client = client.expect("a port");
        let patience = Some(Duration::from_secs(2));
        client.set_read_timeout(patience).expect("a timeout");
        client.send_to(b"who?", (VIP, 9)).expect("it is sent");
        let (_, from) = client.recv_from(&mut [0; 100]).expect("an answer");
        assert_eq!(from.ip().to_string(), BACKENDS[0], "not from the VIP");
    }
    let _server = Echo::start(backend, VIP, 9);
    assert_eq!(Flow::open(&lab.client, VIP, 9).ask(b"who?"), "backend-a");
}

/// IPv6 needs no setting against it.
#[test]
fn an_ipv6_address_is_told_to_the_segment_by_eth0_and_not_by_lo() {
    let lab = Lab::seed();
    let backend = &lab.backends[0].host;
    let vip = "2001:db8:17::50";
    let is_found = || {
        let ping = ["-n", "-c", "1", "-W", "1", vip];
        let output = lab.client.command("ping").args(ping).output();
        output.expect("ping starts").status.success()
    };
    backend.ip(&format!("addr add {vip}/128 dev lo nodad"));
    assert!(!is_found());
    backend.ip(&format!(
        "addr del {vip}/128 dev lo
         addr add {vip}/128 dev eth0 nodad"
    ));
    lab.client.run("ip neigh flush dev eth0");
    assert!(is_found());
}

#[test]
fn a_backend_that_forwards_and_has_no_vip_sends_packets_in_circles() {
    let lab = Lab::seed();
    let remote = lab.remote(1500);
    let backend = &lab.backends[0].host;
    backend.set("ipv4/ip_forward", "1");
    backend.ip(&format!(
        "addr del {VIP}/32 dev lo
         route add {VIP}/32 via 172.17.0.7"
    ));
    let dsrload = load(&lab, &format!("-u {VIP}:9 -r {}", BACKENDS[0]));
    let client = remote.client.inside(|| UdpSocket::bind("0.0.0.0:0"));
    let client = client.expect("a port");
    client.send_to(b"round", (VIP, 9)).expect("it is sent");
    lab::deadline::wait_until("one packet to come by ten times", || {
        dsrload.stats().outcome("forwarded") > 10
    });
}

/// What `decap` attaches is what `backend check` looks for.
#[test]
fn a_backend_with_the_far_end_of_a_tunnel_is_found_to_be_all_right() {
    let lab = Lab::seed();
    let behind = lab.behind(1500);
    let far = Product::new(&behind.backends[0].host, DSRLOAD);
    let check = format!("backend check {VIP} --tunnel eth0");
    far.run(&check).exits(1);
    behind.decap(DSRLOAD, "skb", &[]);
    far.run(&check).exits(0);
}

/// Packets out of the tunnel come in by eth0, the way to the client leads out of
/// eth1.
#[test]
fn strict_reverse_path_filtering_drops_what_a_tunnel_brings_and_loose_does_not() {
    let lab = Lab::seed();
    let behind = lab.behind(1500);
    behind.decap(DSRLOAD, "skb", &[]);
    let far = &behind.backends[0].host;
    far.plug("eth1", "d2:7c:06:b9:e3:48", &lab.switch, "second");
    lab.switch.ip("link set second master br0");
    far.ip("addr add 172.17.0.33/16 dev eth1");
    load(
        &lab,
        &format!("-t {VIP}:80 --forward ipip -r {}", FAR_BACKENDS[0]),
    );
    for (value, is_dropped) in [("1", true), ("2", false), ("0", false)] {
        far.set("ipv4/conf/eth0/rp_filter", value);
        assert_eq!(hangs(&lab.client, VIP), is_dropped, "rp_filter {value}");
    }
    assert_eq!(answers(&lab.client, VIP, 3), [FAR_NAMES[0]; 3]);
}
