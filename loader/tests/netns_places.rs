//! Where `dsrload` runs: with and without a BPF file system, in an empty root,
//! with few capabilities, beside other network namespaces; and what it writes
//! to the trace pipe of the machine.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use lab::deadline::wait_until;
use lab::host::Host;
use lab::mounts::Mounts;
use lab::product::Product;
use lab::sentinel::{attached, pinned_namespaces, pins, programs};
use lab::web::{answers, curl};
use lab::{BACKENDS, CLIENT, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

#[test]
fn pins_are_where_the_documentation_says() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run("eth0 --mode skb").exits(0);
    let directory = format!("/sys/fs/bpf/dsrload/{}/eth0", lab.balancer.netns_inode());
    let pins = pins(&lab.balancer);
    assert!(!pins.is_empty());
    assert!(
        pins.iter().all(|pin| pin.starts_with(&directory)),
        "{pins:?}"
    );
    let balancer = dsrload.status().expect("it is loaded");
    assert_eq!(balancer.interface("eth0")["pins"], directory);
    works_to_the_end(&lab, &dsrload);
    assert_eq!(pinned_namespaces(&lab.balancer), Vec::<String>::new());
}

#[test]
fn everything_works_without_a_bpf_file_system() {
    let lab = Lab::seed();
    let host = lab.balancer.with_mounts(Mounts::without_bpffs());
    let dsrload = Product::new(&host, DSRLOAD);
    dsrload.run("eth0 --mode skb").exits(0);
    let balancer = dsrload.status().expect("it is loaded");
    assert!(balancer.interface("eth0")["pins"].is_null(), "{balancer:?}");
    works_to_the_end(&lab, &dsrload);
}

#[test]
fn everything_works_in_an_empty_root() {
    let lab = Lab::seed();
    let binary = Path::new(DSRLOAD);
    let host = lab.balancer.with_mounts(Mounts::empty_root(binary));
    let name = binary.file_name().expect("a program has a file name");
    let dsrload = Product::new(&host, Path::new("/").join(name));
    dsrload.run("eth0 --mode skb").exits(0);
    works_to_the_end(&lab, &dsrload);
}

#[test]
fn the_balancer_is_found_again_where_its_pins_cannot_be_seen() {
    let lab = Lab::seed();
    Product::new(&lab.balancer, DSRLOAD)
        .run("eth0 --mode skb")
        .exits(0);
    let elsewhere = lab.balancer.with_mounts(Mounts::without_bpffs());
    works_to_the_end(&lab, &Product::new(&elsewhere, DSRLOAD));
}

/// From loaded to unloaded: forwards, is shown, is counted, is replaced, goes.
fn works_to_the_end(lab: &Lab, dsrload: &Product) {
    assert_eq!(answers(&lab.client, VIP, 10).len(), 10);
    let program = dsrload.status().expect("it is loaded").program("eth0");
    assert_eq!(
        attached(&lab.balancer, "eth0").expect("it is attached").id,
        program
    );
    assert_eq!(dsrload.stats().connections().values().sum::<u64>(), 10);

    let told = dsrload.answer("eth0 --mode skb");
    assert!(told.contains(&format!("(was {program})")), "{told}");
    assert_eq!(answers(&lab.client, VIP, 10).len(), 10);
    assert_eq!(dsrload.stats().connections().values().sum::<u64>(), 20);

    let program = dsrload.status().expect("it is loaded").program("eth0");
    assert_eq!(
        dsrload.answer("--unload eth0"),
        format!("eth0: unloaded, id {program}\n")
    );
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    assert!(dsrload.status().is_none());
    wait_until("the program to go", || {
        !programs(&lab.balancer, "dsrload").contains(&program)
    });
}

#[test]
fn pins_of_a_namespace_that_is_gone_are_swept_and_those_of_a_living_one_are_not() {
    let lab = Lab::seed();
    let dying = lab.add_host("dying", "172.17.0.6", "ca:6d:f5:18:49:b2");
    let living = lab.add_host("living", "172.17.0.7", "0e:a5:3b:c2:d7:94");
    let [dsrload, on_dying, on_living] =
        [&lab.balancer, &dying, &living].map(|host| Product::new(host, DSRLOAD));
    on_dying.run("eth0 --mode skb").exits(0);
    on_living.run("eth0 --mode skb").exits(0);
    let program = on_dying.status().expect("it is loaded").program("eth0");
    let inodes = |hosts: &[&Host]| {
        let mut names: Vec<_> = hosts
            .iter()
            .map(|host| host.netns_inode().to_string())
            .collect();
        names.sort();
        names
    };
    assert_eq!(pinned_namespaces(&lab.balancer), inodes(&[&dying, &living]));
    let left = inodes(&[&lab.balancer, &living]);

    // No process is in the namespace that lives on either: only a descriptor
    // holds it, as a file does for `ip netns`.
    drop((dying, on_dying));
    let ports = || lab.switch.run("ip -oneline link show");
    wait_until("the namespace to go", || !ports().contains("dying"));
    dsrload.run("eth0 --mode skb").exits(0);
    assert_eq!(pinned_namespaces(&lab.balancer), left);
    wait_until("its program to go", || {
        !programs(&lab.switch, "dsrload").contains(&program)
    });

    let balancer = on_living.status().expect("it is loaded");
    let pins = format!("/sys/fs/bpf/dsrload/{}/eth0", living.netns_inode());
    assert_eq!(balancer.interface("eth0")["pins"], pins);
    on_living.run("--unload eth0").exits(0);
}

#[test]
fn three_capabilities_are_enough() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let dsrload = dsrload.with_capabilities("+bpf,+net_admin,+perfmon");
    dsrload.run("eth0 --mode skb").exits(0);
    works_to_the_end(&lab, &dsrload);
}

#[test]
fn a_missing_capability_is_named() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    for (held, missing) in [
        ("+net_admin,+perfmon", "CAP_BPF"),
        ("+bpf,+perfmon", "CAP_NET_ADMIN"),
    ] {
        let dsrload = dsrload.with_capabilities(held);
        let run = dsrload.run("eth0 --mode skb").exits(4).says(missing);
        assert_eq!(run.stdout, "");
        assert_eq!(attached(&lab.balancer, "eth0"), None);
    }
}

#[test]
fn the_trace_pipe_tells_of_each_packet_while_it_is_switched_on() {
    let lab = Lab::seed_alone();
    // Whoever has looked at it through debugfs has it mounted already.
    let path = "/sys/kernel/tracing/trace_pipe";
    if !lab.balancer.inside(|| Path::new(path).exists()) {
        lab.balancer
            .run("mount -t tracefs tracefs /sys/kernel/tracing");
    }
    let mut pipe = lab.balancer.inside(|| {
        let nonblocking = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .clone();
        nonblocking.open(path).expect("the trace pipe")
    });
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let service = format!("-t {VIP}:80 -r {}", BACKENDS[0]);
    dsrload.run(&format!("eth0 --mode skb {service}")).exits(0);
    let mut request = |port: &str| {
        let fetched = curl(
            &lab.client,
            &["--local-port", port, &format!("http://{VIP}")],
        );
        assert_eq!(fetched.lines(), ["backend-a"]);
        // A line is written before its packet goes on.
        lines_about(&mut pipe, &format!("{CLIENT}:{port}"))
    };

    assert_eq!(request("40001"), Vec::<String>::new());
    dsrload.run("trace-pipe eth0 on").exits(0);
    let lines = request("40002");
    // SYN, ACK, request, FIN.
    assert!(lines.len() >= 4, "{lines:#?}");
    for (index, line) in lines.iter().enumerate() {
        let flow = if index == 0 { "new flow" } else { "known flow" };
        let service = format!("{VIP}:80");
        for part in [&service, flow, BACKENDS[0], "forwarded"] {
            assert!(line.contains(part), "no {part:?} in {line:?}");
        }
    }
    dsrload.run("trace-pipe eth0 off").exits(0);
    assert_eq!(request("40003"), Vec::<String>::new());
}

/// The lines about a client that are in the trace pipe now. The pipe is the
/// machine's: others may write to it too.
fn lines_about(pipe: &mut File, client: &str) -> Vec<String> {
    let mut text = Vec::new();
    if let Err(error) = pipe.read_to_end(&mut text) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    }
    let text = String::from_utf8_lossy(&text);
    let ours = text
        .lines()
        .filter(|line| line.contains("dsrload") && line.contains(client));
    ours.map(str::to_owned).collect()
}
