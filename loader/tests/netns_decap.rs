//! The far end of the tunnels: what comes out of them reaches real servers, what
//! is refused is left alone, and what leaves is clamped.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;
#[path = "../../xdp-prog/tests/tunnels/mod.rs"]
mod tunnels;

use lab::datagram::{Echo, Flow};
use lab::deadline::{wait_for, wait_until};
use lab::far_end::{self, BACKENDS, EDGES, FarEnd, Relay, VIPS, Wrap};
use lab::host::Host;
use lab::product::Product;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use tunnels::bytes::{UDP, V4, V6, udp};
use tunnels::cases::{Between, wrapped};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// More than fits any buffer between client and server.
const UPLOAD: usize = 300_000;

/// Long enough for a busy machine; whoever waits that long waits in vain.
const PATIENCE: Duration = Duration::from_secs(15);

fn lab() -> (FarEnd, Product) {
    let lab = FarEnd::build();
    let dsrload = Product::new(&lab.backend, DSRLOAD);
    (lab, dsrload)
}

fn load(mode: &str) -> String {
    format!("decap eth0 --mode {mode} --allow {},{}", EDGES[0], EDGES[1])
}

/// A tunnel from the edge to the backend: version outside, what is between, and
/// bytes of outer headers.
type Tunnel = (bool, Between, u32);

const TUNNELS: [Tunnel; 6] = [
    (false, Between::Nothing, 20),
    (false, Between::Gue1, 28),
    (false, Between::Gue0, 32),
    (true, Between::Nothing, 40),
    (true, Between::Gue1, 48),
    (true, Between::Gue0, 52),
];

fn wrap((is_v6, between, _): Tunnel) -> Box<Wrap> {
    let [edge, backend] =
        [EDGES, BACKENDS].map(|pair| pair.map(|text| text.parse::<IpAddr>().expect("an address")));
    Box::new(move |inner| {
        let (protocol, payload) = wrapped(between, inner);
        match (edge[usize::from(is_v6)], backend[usize::from(is_v6)]) {
            (IpAddr::V4(edge), IpAddr::V4(backend)) => {
                V4::new(edge.octets(), backend.octets(), protocol).packet(&payload)
            }
            (IpAddr::V6(edge), IpAddr::V6(backend)) => {
                V6::new(edge.octets(), backend.octets(), protocol).packet(&payload)
            }
            _ => unreachable!("of one version"),
        }
    })
}

/// What `stats -j` says of the one far end.
fn stats(dsrload: &Product) -> Value {
    let answer = dsrload.answer("stats -j");
    let mut stats: Value = serde_json::from_str(&answer).expect("JSON");
    stats["decaps"][0].take()
}

fn outcome(dsrload: &Product, name: &str) -> u64 {
    let stats = stats(dsrload);
    let outcomes = stats["outcomes"].as_array().expect("a list");
    let found = outcomes.iter().find(|outcome| outcome["name"] == name);
    found.expect("the outcome")["packets"]
        .as_u64()
        .expect("a number")
}

fn status(dsrload: &Product) -> Value {
    let answer = dsrload.answer("status -j");
    let mut status: Value = serde_json::from_str(&answer).expect("JSON");
    status["decaps"][0].take()
}

/// A server that reads all that a client sends, and answers with how much that
/// was.
struct Counter(TcpListener);

impl Counter {
    fn on(host: &Host, vip: &str, port: u16) -> Self {
        let address: IpAddr = vip.parse().expect("an address");
        let listener = host.inside(|| TcpListener::bind((address, port)));
        Self(listener.expect("the host has the virtual address"))
    }

    fn serve_one(&self) {
        let (mut stream, _) = self.0.accept().expect("a client");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("all of it arrives");
        write!(stream, "{}", all.len()).expect("the client listens");
    }
}

fn connect(host: &Host, vip: &str, port: u16) -> TcpStream {
    let address: IpAddr = vip.parse().expect("an address");
    let address = SocketAddr::from((address, port));
    let stream = host.inside(|| TcpStream::connect_timeout(&address, PATIENCE));
    let stream = stream.expect("a connection through the tunnel");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends much to the virtual address, and is told how much has arrived.
fn upload(host: &Host, vip: &str, port: u16) -> String {
    let mut stream = connect(host, vip, port);
    stream.write_all(&vec![7; UPLOAD]).expect("it is taken");
    stream.shutdown(Shutdown::Write).expect("it was open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn through_every_tunnel(mode: &str, offload: &str) {
    let (lab, dsrload) = lab();
    lab.backend.run(&format!("ethtool -K eth0 tx {offload}"));
    // What is left to the hardware is done here, and so is looked at.
    lab.edge.run("ethtool -K c0 tx off");
    let servers = VIPS.map(|vip| Counter::on(&lab.backend, vip, 80));
    let _echoes = VIPS.map(|vip| Echo::start(&lab.backend, vip, 53));
    let mut longest = 0;
    for tunnel in TUNNELS {
        // Each load starts with what was seen before, so from the shortest on.
        dsrload.run(&load(mode)).exits(0);
        let relay = Relay::start(&lab, wrap(tunnel));
        for (vip, server) in VIPS.iter().zip(&servers) {
            let before = stats(&dsrload)["clamped"].as_u64();
            let flow = Flow::open(&lab.client, vip, 53);
            assert_eq!(flow.ask(b"is anybody there?"), "backend", "{tunnel:?}");
            thread::scope(|scope| {
                scope.spawn(|| server.serve_one());
                let told = upload(&lab.client, vip, 80);
                assert_eq!(told, UPLOAD.to_string(), "{tunnel:?}");
            });
            let now = stats(&dsrload)["clamped"].as_u64();
            assert!(now > before, "{tunnel:?}: {now:?} clamped");
        }
        longest = longest.max(tunnel.2);
        assert_eq!(status(&dsrload)["overhead"], longest, "{tunnel:?}");
        assert_eq!(relay.too_long(), 0, "{tunnel:?}");
        let sent = u64::from(relay.sent());
        assert!(outcome(&dsrload, "decapsulated") >= sent, "{tunnel:?}");
    }
    dsrload.run("--unload eth0").exits(0);
}

#[test]
fn every_tunnel_reaches_the_servers_in_skb_mode() {
    through_every_tunnel("skb", "on");
}

#[test]
fn every_tunnel_reaches_the_servers_in_drv_mode() {
    through_every_tunnel("drv", "on");
}

#[test]
fn every_tunnel_reaches_the_servers_without_offloads() {
    through_every_tunnel("skb", "off");
}

#[test]
fn without_the_clamp_a_client_sends_what_fits_no_tunnel() {
    let (lab, dsrload) = lab();
    dsrload.run(&load("skb")).exits(0);
    lab.backend.run("tc filter del dev eth0 egress pref 213");
    assert_eq!(status(&dsrload)["clamp"], Value::Null);
    let relay = Relay::start(&lab, wrap(TUNNELS[0]));
    let _server = Counter::on(&lab.backend, VIPS[0], 80);
    let mut stream = connect(&lab.client, VIPS[0], 80);
    stream.write_all(&[7; 20_000]).expect("it is taken");
    wait_until("a packet that is too long", || relay.too_long() > 0);
    // The next load puts it right.
    dsrload.run(&load("skb")).exits(0);
    assert_ne!(status(&dsrload)["clamp"], Value::Null);
}

/// Sends a packet to the backend and gives what its stack is shown of it.
fn shown(lab: &FarEnd, packet: &[u8]) -> Vec<u8> {
    let seen = far_end::packets(&lab.backend, "eth0");
    far_end::listen(&seen);
    let to = far_end::packets(&lab.edge, "e0");
    far_end::send(&to, packet).expect("it is sent");
    let macs = far_end::frame(packet)[..12].to_vec();
    wait_for("the packet", || {
        far_end::next(&seen).filter(|frame| frame[..12] == macs)
    })
}

#[test]
fn what_is_refused_stays_untouched_and_is_counted() {
    let (lab, dsrload) = lab();
    dsrload.run(&load("skb")).exits(0);
    let backend = [10, 0, 0, 2];
    let (edge, other) = ([10, 0, 0, 1], [10, 0, 0, 9]);
    let inner = V4::new([198, 51, 100, 7], [192, 0, 2, 10], UDP).packet(&udp(53, b"let me in"));
    let own = V4::new([198, 51, 100, 7], backend, UDP).packet(&udp(53, b"let me in"));
    let cases = [
        ("foreign_source", V4::new(other, backend, 4).packet(&inner)),
        ("not_local_vip", V4::new(edge, backend, 4).packet(&own)),
        ("bad_inner", V4::new(edge, backend, 41).packet(&inner)),
    ];
    for (name, packet) in cases {
        let before = outcome(&dsrload, name);
        assert_eq!(shown(&lab, &packet), far_end::frame(&packet), "{name}");
        assert_eq!(outcome(&dsrload, name), before + 1, "{name}");
    }
    let allowed = V4::new(edge, backend, 4).packet(&inner);
    assert_eq!(shown(&lab, &allowed), far_end::frame(&inner));
    assert_eq!(outcome(&dsrload, "decapsulated"), 1);
}

#[test]
fn another_port_and_other_vips_are_those_that_were_named() {
    let (lab, dsrload) = lab();
    let line = format!(
        "decap eth0 --mode skb --allow 10.0.0.0/30 --vip {} --gue-port 9999 --mtu 1400",
        VIPS[1]
    );
    let told = dsrload.answer(&line);
    assert!(
        told.contains("1 balancer allowed, 1 VIP, MSS clamped"),
        "{told}"
    );
    let v4 = V4::new([198, 51, 100, 7], [192, 0, 2, 10], UDP).packet(&udp(53, b"no VIP"));
    let packet = V4::new([10, 0, 0, 3], [10, 0, 0, 2], UDP).packet(&udp(9999, &v4));
    assert_eq!(shown(&lab, &packet), far_end::frame(&packet));
    assert_eq!(outcome(&dsrload, "not_local_vip"), 1);
    let status = status(&dsrload);
    assert_eq!(status["allow"], serde_json::json!(["10.0.0.0/30"]));
    assert_eq!(status["vips"], serde_json::json!([VIPS[1]]));
    assert_eq!(
        (&status["gue_port"], &status["mtu"]),
        (&9999.into(), &1400.into())
    );
}
