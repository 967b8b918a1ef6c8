//! `dsrload backend check` finds each fault that is made here, and the command
//! that it names mends it.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use lab::bare::Bare;
use lab::deadline::wait_until;
use lab::host::Host;
use lab::pass::PassProgram;
use lab::product::{Product, Run};
use lab::{Lab, VIP, VIP6};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");
const ADDRESS: &str = "172.17.0.7";

fn set_up(lab: &Lab) -> (Host, Product) {
    let bare = Bare::on(lab, "bare", ADDRESS, "0e:a5:3b:c2:d7:94");
    let dsrload = Product::new(&bare.host, DSRLOAD);
    dsrload.answer(&format!("backend setup {VIP} {VIP6}"));
    (bare.host, dsrload)
}

fn check(dsrload: &Product) -> Run {
    dsrload.run(&format!("backend check {VIP} {VIP6}"))
}

fn is_well(dsrload: &Product) {
    let run = check(dsrload).exits(0);
    assert_eq!(run.stdout, format!("{VIP}: ok\n{VIP6}: ok\n"));
}

fn shell(host: &Host, line: &str) {
    let output = host.command("sh").args(["-e", "-c", line]).output();
    let output = output.expect("sh");
    assert!(output.status.success(), "{line}: {output:?}");
}

/// The faults that are told, each with its command.
fn faults(run: &Run) -> Vec<(&str, &str)> {
    run.stdout
        .lines()
        .filter(|line| !line.starts_with("warning: ") && !line.ends_with(": ok"))
        .map(|line| {
            line.split_once("; fix: ")
                .unwrap_or_else(|| panic!("no fix: {line}"))
        })
        .collect()
}

#[test]
fn each_fault_is_found_and_its_command_mends_it() {
    let lab = Lab::seed();
    let (host, dsrload) = set_up(&lab);
    is_well(&dsrload);
    is_well(&dsrload.with_capabilities("+chown"));
    for (damage, words) in [
        (format!("ip addr del {VIP}/32 dev lo"), "is on no interface"),
        (
            format!("ip addr del {VIP6}/128 dev lo"),
            "is on no interface",
        ),
        (
            format!("sysctl -w net.ipv4.ip_forward=1 && ip addr del {VIP}/32 dev lo"),
            "net.ipv4.ip_forward is 1",
        ),
        (
            format!("ip addr del {VIP}/32 dev lo && ip addr add {VIP}/24 dev eth0"),
            "is on eth0, not on lo",
        ),
        (
            format!("ip addr add {VIP}/32 dev eth0"),
            "is on eth0, not on lo",
        ),
        (
            format!("ip addr del {VIP}/32 dev lo && ip addr add {VIP}/24 dev lo"),
            "is on lo as a /24",
        ),
        (
            format!("ip addr del {VIP6}/128 dev lo && ip addr add {VIP6}/64 dev eth0"),
            "neighbour discovery",
        ),
        (
            "sysctl -w net.ipv4.conf.all.arp_ignore=0".into(),
            "eth0 (arp_ignore is 0)",
        ),
        (
            "sysctl -w net.ipv4.conf.eth0.arp_ignore=3".into(),
            "eth0 (arp_ignore is 3)",
        ),
        (
            "sysctl -w net.ipv4.conf.all.arp_announce=1".into(),
            "eth0 (arp_announce is 1)",
        ),
        ("ip link set lo down".into(), "lo: is down"),
    ] {
        shell(&host, &damage);
        // With lo down, its IPv6 addresses are gone, too: two rounds.
        let mut rounds = 0;
        loop {
            let run = check(&dsrload);
            let found = faults(&run);
            if rounds == 0 {
                assert!(
                    found.iter().any(|(fault, _)| fault.contains(words)),
                    "{damage}: no '{words}' in {found:#?}"
                );
            }
            if found.is_empty() {
                break;
            }
            assert_eq!(run.code, Some(1), "{run:?}");
            found.iter().for_each(|(_, command)| shell(&host, command));
            rounds += 1;
            assert!(rounds < 3, "{damage}: {found:#?}");
        }
        is_well(&dsrload);
    }
}

#[test]
fn a_vip_that_is_all_right_is_said_to_be_beside_one_that_is_not() {
    let lab = Lab::seed();
    let (host, dsrload) = set_up(&lab);
    host.ip(&format!("addr del {VIP}/32 dev lo"));
    let run = check(&dsrload).exits(1).says("1 fault");
    assert!(run.stdout.ends_with(&format!("\n{VIP6}: ok\n")), "{run:#?}");
    assert_eq!(run.stdout.lines().count(), 2, "{run:#?}");
}

#[test]
fn a_udp_server_on_all_addresses_is_a_warning() {
    let lab = Lab::seed();
    let (host, dsrload) = set_up(&lab);
    let any = host.inside(|| UdpSocket::bind("0.0.0.0:53"));
    let any = any.expect("the port is free");
    let run = check(&dsrload).exits(0);
    let warning = format!("warning: {VIP}: a UDP server");
    assert!(
        run.stdout.contains(&warning) && run.stdout.contains("port 53"),
        "{run:#?}"
    );
    assert!(run.stdout.ends_with(&format!("{VIP}: ok\n{VIP6}: ok\n")));
    drop(any);
    is_well(&dsrload);
    let bound = host.inside(|| UdpSocket::bind((VIP, 53)));
    is_well(&dsrload);
    drop(bound);
}

/// A segment whose checksum a card should have computed, and none did.
#[test]
fn segments_with_wrong_checksums_are_a_warning() {
    let lab = Lab::seed();
    let (_host, dsrload) = set_up(&lab);
    is_well(&dsrload);
    lab.client.inside(|| {
        let raw = socket(
            AddressFamily::Inet,
            SockType::Raw,
            SockFlag::empty(),
            SockProtocol::Tcp,
        );
        let raw = raw.expect("a raw socket: the lab needs root");
        let mut segment = [0; 20];
        (segment[1], segment[3], segment[12], segment[13]) = (80, 80, 0x50, 0x02);
        let to = SockaddrIn::from(SocketAddrV4::new(ADDRESS.parse().expect("an address"), 0));
        sendto(raw.as_raw_fd(), &segment, &to, MsgFlags::empty()).expect("it is sent");
    });
    wait_until("the host to count the segment", || {
        let run = check(&dsrload).exits(0);
        run.stdout
            .contains("warning: 1 TCP segments had a wrong checksum")
    });
}

#[test]
fn the_end_of_a_tunnel_is_looked_at() {
    let lab = Lab::seed();
    let (host, dsrload) = set_up(&lab);
    let check = || dsrload.run(&format!("backend check {VIP} {VIP6} --tunnel eth0"));
    let has = |words: &str| {
        let run = check();
        let found = faults(&run);
        found.iter().any(|(fault, _)| fault.contains(words))
    };

    assert!(has("eth0: no decapsulator is attached"));
    let foreign = PassProgram::load("lab_pass").attach_generic(&host, "eth0");
    assert!(has("eth0: no decapsulator is attached"));
    drop(foreign);
    let _decap = PassProgram::load("dsrdecap").attach_generic(&host, "eth0");
    assert!(!has("decapsulator"));

    host.set("ipv4/conf/all/rp_filter", "1");
    assert!(has("rp_filter is 1"));
    dsrload.answer(&format!("backend setup {VIP} --tunnel eth0"));
    assert!(!has("rp_filter"));

    // One after the other, each of the three ways out mends it.
    let long = "longer than the MTU of 1500";
    host.ip("route add default via 172.17.0.1 dev eth0 metric 7
         route add default via 2001:db8:17::1 dev eth0");
    assert!(has(long));
    let run = check();
    let found = faults(&run);
    let ways: Vec<&str> = found[0].1.split(", or: ").collect();
    assert_eq!(ways.len(), 3, "{ways:?}");
    shell(&host, ways[1]);
    check().exits(0);
    host.ip("route change default via 172.17.0.1 dev eth0 metric 7");
    assert!(has(long));
    let mtu = ways[2].split(" (").next().expect("a command");
    shell(&host, mtu);
    check().exits(0);
    shell(&host, "ip link set eth0 mtu 1500");
    assert!(has(long));

    PassProgram::load_filter("dsrclamp").pin(&host, "/sys/fs/bpf/dsrclamp");
    shell(
        &host,
        "tc qdisc add dev eth0 clsact && tc filter add dev eth0 egress bpf da pinned /sys/fs/bpf/dsrclamp",
    );
    check().exits(0);
    let run = dsrload.run(&format!("backend check {VIP} --tunnel nosuch0"));
    run.exits(1).says("nosuch0");
}
