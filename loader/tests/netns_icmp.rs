//! ICMP and the virtual address: echo, traces, and errors on the way back from
//! the backends, which must find the backend that they are about.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::host::Host;
use lab::product::Product;
use lab::router::{FAR, FAR6, ROUTER, ROUTER6};
use lab::web::{answers, content, curl};
use lab::{BACKENDS, BACKENDS6, Backend, Lab, VIP, VIP6};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// Port 80 of both virtual addresses, in a mode, by a policy.
fn load(lab: &Lab, mode: &str, policy: &str) -> Product {
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let (v4, v6) = (BACKENDS.join(","), BACKENDS6.join(","));
    let services =
        format!("-t {VIP}:80 -r {v4} --policy {policy} -t [{VIP6}]:80 -r {v6} --policy {policy}");
    dsrload
        .run(&format!("eth0 --mode {mode} {services}"))
        .exits(0);
    dsrload
}

/// Whether each of three pings is answered. `ping` itself compares what comes
/// back with what it sent, and the kernel the checksum.
fn pings(host: &Host, address: &str, size: &str) -> bool {
    let arguments = ["-n", "-c", "3", "-i", "0.05", "-W", "1", "-s", size];
    let output = host.command("ping").args(arguments).arg(address).output();
    let output = output.expect("ping (package iputils-ping) starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("wrong data"), "{text}");
    assert!(text.contains("3 packets transmitted"), "{output:?}");
    text.contains(" 3 received")
}

#[test]
fn a_virtual_address_answers_pings_in_skb_mode() {
    let lab = Lab::seed();
    pings_are_answered(&lab, "skb");
}

#[test]
fn a_virtual_address_answers_pings_in_drv_mode() {
    let mut lab = Lab::seed();
    lab.native_ready();
    pings_are_answered(&lab, "drv");
}

fn pings_are_answered(lab: &Lab, mode: &str) {
    let dsrload = load(lab, mode, "maglev");
    let mut count = 0;
    for address in [VIP, VIP6] {
        // None, the usual number, an odd one, the most of a frame.
        for size in ["0", "56", "57", "1452"] {
            assert!(pings(&lab.client, address, size), "{address}, {size} bytes");
            count += 3;
        }
    }
    assert_eq!(dsrload.stats().outcome("echo_answered"), count);
    // Its own address is the kernel's to answer.
    assert!(pings(&lab.client, lab::BALANCER, "56"));
    assert!(pings(&lab.client, lab::BALANCER6, "56"));
    assert_eq!(dsrload.stats().outcome("echo_answered"), count);
}

#[test]
fn a_virtual_address_is_silent_to_pings_if_it_shall() {
    let lab = Lab::seed();
    let dsrload = load(&lab, "skb --no-echo", "maglev");
    for address in [VIP, VIP6] {
        assert!(!pings(&lab.client, address, "56"), "{address}");
    }
    assert_eq!(dsrload.stats().outcome("echo_answered"), 0);
    assert_eq!(answers(&lab.client, VIP, 5).len(), 5);
    assert!(pings(&lab.client, lab::BALANCER, "56"));
}

#[test]
fn a_trace_of_echo_requests_ends_at_the_virtual_address() {
    let lab = Lab::seed();
    load(&lab, "skb", "maglev");
    traces_end(&lab, "-I");
}

#[test]
fn a_trace_of_connection_attempts_ends_at_the_virtual_address() {
    let lab = Lab::seed();
    load(&lab, "skb", "maglev");
    traces_end(&lab, "-T -p 80");
}

/// Over a router: its address is the first hop, the virtual one the second.
fn traces_end(lab: &Lab, method: &str) {
    let remote = lab.remote(1500);
    for (version, vip, router) in [("-4", VIP, ROUTER), ("-6", VIP6, ROUTER6)] {
        let line = format!("traceroute {version} {method} -n -q 1 -m 5 {vip}");
        let text = remote.client.run(&line);
        let hops: Vec<&str> = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split_whitespace().nth(1))
            .collect();
        assert_eq!(hops, [router, vip], "{text}");
    }
}

/// The hash of the quoted packet tells the backend.
#[test]
fn a_smaller_mtu_on_the_way_back_is_told_to_the_backend_that_has_to_know() {
    let lab = Lab::seed();
    load(&lab, "skb", "maglev");
    downloads_fit_the_line(&lab);
}

/// The flow table tells the backend.
#[test]
fn a_smaller_mtu_on_the_way_back_is_told_to_the_backend_of_a_random_choice() {
    let lab = Lab::seed();
    load(&lab, "skb", "random");
    downloads_fit_the_line(&lab);
}

fn downloads_fit_the_line(lab: &Lab) {
    let remote = lab.remote(1400);
    // What comes tells who sent it.
    let contents = [content(10_000_000, 4), content(10_000_000, 6)];
    for (backend, content) in lab.backends.iter().zip(&contents) {
        backend.nginx.offer("down", content);
    }
    for (authority, client, vip) in [
        (VIP.to_owned(), FAR, VIP),
        (format!("[{VIP6}]"), FAR6, VIP6),
    ] {
        let told = || lab.backends.each_ref().map(|b| knows_mtu(b, client, vip));
        let mut served = [false; 2];
        assert_eq!(told(), served);
        // Of a choice between two, thirty times the same does not happen.
        for _ in 0..30 {
            let url = format!("http://{authority}/files/down");
            let fetched = curl(&remote.client, &[&url]);
            assert_eq!(fetched.code, 0, "{authority}: {}", fetched.complaint);
            let from = contents.iter().position(|c| *c == fetched.body);
            served[from.expect("a whole content of one backend")] = true;
            // Nobody was told who need not know.
            assert_eq!(told(), served, "{authority}");
            if served == [true, true] {
                break;
            }
        }
        assert_eq!(served, [true, true], "{authority}");
    }
}

/// Whether the backend has learned that the way to `client` carries 1400 bytes.
fn knows_mtu(backend: &Backend, client: &str, vip: &str) -> bool {
    let route = backend
        .host
        .run(&format!("ip -oneline route get {client} from {vip}"));
    route.contains(" mtu 1400")
}

/// What the two tests before rely on.
#[test]
fn a_download_hangs_if_nobody_tells_the_backend_of_a_smaller_mtu() {
    let lab = Lab::seed();
    load(&lab, "skb", "maglev");
    let remote = lab.remote(1400);
    for backend in &lab.backends {
        backend.nginx.offer("down", &content(100_000, 5));
    }
    for (prefix, authority) in [
        (format!("{VIP}/32"), VIP.to_owned()),
        (format!("{VIP6}/128"), format!("[{VIP6}]")),
    ] {
        let url = format!("http://{authority}/files/down");
        // What the router itself says to the VIP, unlike what it passes on.
        let version = if prefix.contains(':') { "-6" } else { "-4" };
        remote.router.run(&format!(
            "ip {version} rule add pref 10 iif lo to {prefix} blackhole"
        ));
        let patience = ["--connect-timeout", "5", "--max-time", "2"];
        let fetched = curl(&remote.client, &[&patience[..], &[&url]].concat());
        assert_eq!(fetched.code, 28, "{fetched:?}");
        assert!(fetched.complaint.contains("bytes received"), "{fetched:?}");
        remote.router.run(&format!("ip {version} rule del pref 10"));
        let fetched = curl(&remote.client, &[&url]);
        assert_eq!(fetched.code, 0, "{}", fetched.complaint);
    }
}

#[test]
fn an_error_about_no_connection_of_a_service_goes_to_no_backend() {
    let lab = Lab::seed();
    let dsrload = load(&lab, "skb", "maglev");
    let remote = lab.remote(1500);
    // The router has no way to these addresses and tells the sender of the
    // echo replies so, as which it sees the virtual address.
    let strangers = [("10.9.1.77", "/32", VIP), ("2001:db8:91::77", "/128", VIP6)];
    for (number, (stranger, length, vip)) in (1..).zip(strangers) {
        remote
            .client
            .ip(&format!("addr add {stranger}{length} dev eth0"));
        let ping = ["-n", "-c", "1", "-W", "1", "-I", stranger, vip];
        let ping = remote.client.command("ping").args(ping).output();
        assert!(!ping.expect("ping starts").status.success());
        let stats = dsrload.stats();
        assert_eq!(stats.outcome("echo_answered"), number, "{stats:?}");
        assert_eq!(stats.outcome("icmp_unrelated"), number, "{stats:?}");
        assert_eq!(stats.outcome("forwarded"), 0, "{stats:?}");
    }
}
