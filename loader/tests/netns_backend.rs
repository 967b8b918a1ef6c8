//! `dsrload backend` makes a backend of a bare host, and a bare host of that
//! again.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use lab::bare::{Bare, state};
use lab::host::Host;
use lab::product::Product;
use lab::web::{answers, curl};
use lab::{BALANCER_MAC, Lab, VIP, VIP6};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// A VIP in the subnet of all hosts, clients included.
const NEAR: &str = "172.17.0.100";

const ADDRESSES: [&str; 2] = ["172.17.0.7", "172.17.0.8"];
const ADDRESSES6: [&str; 2] = ["2001:db8:17::7", "2001:db8:17::8"];

fn bare(lab: &Lab) -> [Bare; 2] {
    let macs = ["0e:a5:3b:c2:d7:94", "b6:19:72:4d:f8:0b"];
    [0, 1].map(|i| Bare::on(lab, ["bare-a", "bare-b"][i], ADDRESSES[i], macs[i]))
}

fn one(lab: &Lab) -> (Host, Product) {
    let [first, _] = bare(lab);
    let dsrload = Product::new(&first.host, DSRLOAD);
    (first.host, dsrload)
}

/// What setup remembers, if it remembers anything.
fn memory(host: &Host) -> Option<String> {
    let path = format!("/run/dsrload/{}/backend.json", host.netns_inode());
    host.inside(|| fs::read_to_string(path).ok())
}

fn nothing_is_left(host: &Host, before: &str) {
    assert_eq!(state(host), before);
    let left = host.inside(|| {
        let path = format!("/run/dsrload/{}", host.netns_inode());
        fs::exists(path).expect("the lab's own /run")
    });
    assert!(!left, "{:?} is left", memory(host));
}

#[test]
fn hosts_that_are_set_up_serve_behind_the_balancer() {
    let lab = Lab::seed();
    let hosts = bare(&lab);
    for bare in &hosts {
        let dsrload = Product::new(&bare.host, DSRLOAD);
        dsrload.answer(&format!("backend setup {VIP} {VIP6}"));
        let checked = dsrload.answer(&format!("backend check {VIP} {VIP6}"));
        assert_eq!(checked, format!("{VIP}: ok\n{VIP6}: ok\n"));
    }
    let balancer = Product::new(&lab.balancer, DSRLOAD);
    let [a, b] = ADDRESSES;
    let [a6, b6] = ADDRESSES6;
    balancer
        .run(&format!(
            "eth0 --mode skb -t {VIP}:80 -r {a},{b} -t [{VIP6}]:80 -r {a6},{b6}"
        ))
        .exits(0);
    for vip in [VIP.to_owned(), format!("[{VIP6}]")] {
        let mut names = answers(&lab.client, &vip, 40);
        names.sort();
        names.dedup();
        assert_eq!(names, ["bare-a", "bare-b"], "{vip}");
    }
}

/// A VIP in the clients' subnet: who asks for it by ARP must find the balancer
/// and nobody else, also after the backends have asked for the client.
#[test]
fn a_vip_in_the_clients_subnet_is_found_at_the_balancer_alone() {
    let lab = Lab::seed();
    let hosts = bare(&lab);
    for bare in &hosts {
        let dsrload = Product::new(&bare.host, DSRLOAD);
        dsrload.answer(&format!("backend setup {NEAR}"));
    }
    lab.balancer.ip(&format!("addr add {NEAR}/32 dev lo"));
    let balancer = Product::new(&lab.balancer, DSRLOAD);
    let reals = ADDRESSES.join(",");
    let service = format!("eth0 --mode skb -t {NEAR}:80 -r {reals}");
    balancer.run(&service).exits(0);

    let found = |host: &Host| {
        let line = host.run(&format!("ip neigh show {NEAR} dev eth0"));
        line.split_once("lladdr ")
            .map(|(_, mac)| mac.split(' ').next().unwrap_or_default().to_owned())
    };
    let ask = || {
        for bare in &hosts {
            // It asks for the client anew, and says as whom.
            bare.host.ip("neigh flush dev eth0");
        }
        let fetched = curl(&lab.client, &[&format!("http://{NEAR}/")]);
        assert_eq!(fetched.code, 0, "{fetched:?}");
        found(&lab.client)
    };
    for _ in 0..20 {
        assert_eq!(ask().as_deref(), Some(BALANCER_MAC));
    }
    assert_eq!(balancer.stats().connections().values().sum::<u64>(), 20);

    // The same without the one setting: the test would see it.
    for bare in &hosts {
        bare.host.set("ipv4/conf/all/arp_announce", "0");
    }
    let astray = (0..20).filter(|_| ask().as_deref() != Some(BALANCER_MAC));
    assert!(astray.count() > 0, "arp_announce makes no difference here");
}

#[test]
fn setup_says_what_it_changes_and_does_so_once() {
    let lab = Lab::seed();
    let (host, dsrload) = one(&lab);
    host.set("ipv4/conf/all/arp_announce", "1");
    host.set("ipv4/conf/eth0/rp_filter", "1");
    let line = format!("backend setup {VIP} {VIP6} --tunnel eth0");
    assert_eq!(
        dsrload.answer(&line),
        format!(
            "net.ipv4.conf.all.arp_ignore: 1 (was 0)
net.ipv4.conf.all.arp_announce: 2 (was 1)
net.ipv4.conf.eth0.rp_filter: 2 (was 1)
{VIP}: on lo as {VIP}/32 (was not)
{VIP6}: on lo as {VIP6}/128 (was not)
"
        )
    );
    let after = state(&host);
    assert_eq!(
        dsrload.answer(&line),
        format!("{VIP}, {VIP6}: nothing to do\n")
    );
    assert_eq!(state(&host), after);
}

#[test]
fn undo_restores_byte_for_byte() {
    let lab = Lab::seed();
    let (host, dsrload) = one(&lab);
    for lo in ["up", "down"] {
        host.set("ipv4/conf/all/arp_announce", "1");
        host.set("ipv4/conf/eth0/arp_ignore", "3");
        host.set("ipv4/conf/all/rp_filter", "1");
        if lo == "down" {
            host.ip("link set lo down
                 addr del 127.0.0.1/8 dev lo");
        }
        let before = state(&host);
        dsrload.answer(&format!("backend setup {VIP} --tunnel eth0"));
        dsrload.answer(&format!("backend setup {VIP6}"));
        assert_ne!(state(&host), before);
        dsrload.answer(&format!("backend check {VIP} {VIP6}"));
        dsrload.answer(&format!("backend undo {VIP}"));
        assert!(memory(&host).is_some(), "one VIP is still ours");
        dsrload.answer(&format!("backend undo {VIP6}"));
        nothing_is_left(&host, &before);
    }
}

#[test]
fn the_printed_commands_do_the_same() {
    let lab = Lab::seed();
    let [first, second] = bare(&lab);
    let typed = format!("{VIP} {VIP6} --tunnel eth0");
    let by_hand = |line: &str| {
        let dsrload = Product::new(&second.host, DSRLOAD);
        // To look takes no right.
        let commands = dsrload.with_capabilities("+chown").answer(line);
        assert!(!commands.is_empty());
        let mut shell = second.host.command("sh");
        let output = shell.args(["-e", "-c", &commands]).output().expect("sh");
        assert!(output.status.success(), "{commands}{output:?}");
    };
    let of_lo = |bare: &Bare| {
        let settings = state(&bare.host);
        let settings = settings.split_once("/proc/sys").expect("settings").1;
        bare.host.run("ip -json addr show dev lo") + settings
    };
    for host in [&first.host, &second.host] {
        host.set("ipv4/conf/eth0/rp_filter", "1");
        host.ip("link set lo down
                 addr del 127.0.0.1/8 dev lo");
    }
    let before = state(&second.host);
    Product::new(&first.host, DSRLOAD).answer(&format!("backend setup {typed}"));
    by_hand(&format!("backend setup {typed} --print"));
    assert_eq!(of_lo(&first), of_lo(&second));
    assert_ne!(state(&second.host), before);
    assert_eq!(memory(&second.host), None, "to print is to change nothing");

    let dsrload = Product::new(&second.host, DSRLOAD);
    dsrload
        .run(&format!("backend undo {VIP} --print"))
        .exits(1)
        .says(&format!("ip addr del {VIP}/32 dev lo"));

    let before = state(&first.host);
    let commands =
        Product::new(&first.host, DSRLOAD).answer(&format!("backend undo {VIP} {VIP6} --print"));
    assert_eq!(state(&first.host), before, "to print is to change nothing");
    let output = first
        .host
        .command("sh")
        .args(["-e", "-c", &commands])
        .output();
    let output = output.expect("sh");
    assert!(output.status.success(), "{commands}{output:?}");
    Product::new(&first.host, DSRLOAD).answer(&format!("backend undo {VIP} {VIP6}"));
    assert_eq!(memory(&first.host), None);
    let lo = first.host.run("ip -json addr show dev lo");
    assert!(!lo.contains(VIP) && !lo.contains("UP"), "{lo}");
}

#[test]
fn what_setup_did_not_do_undo_does_not_undo() {
    let lab = Lab::seed();
    let (host, dsrload) = one(&lab);
    host.ip(&format!("addr add {VIP}/32 dev lo"));
    let before = state(&host);
    let undo = format!("backend undo {VIP}");
    dsrload
        .run(&undo)
        .exits(1)
        .says(&format!("ip addr del {VIP}/32 dev lo"));
    assert_eq!(state(&host), before);

    // It was there before setup: it is there after undo.
    dsrload.answer(&format!("backend setup {VIP}"));
    dsrload.run(&undo).exits(0).says("was on lo before setup");
    nothing_is_left(&host, &before);

    // What another namespace has left, which had this inode before.
    dsrload.answer(&format!("backend setup {VIP}"));
    let set_up = state(&host);
    let remembered = memory(&host).expect("it was set up");
    let cookie = remembered.lines().find(|line| line.contains("cookie"));
    let other = remembered.replace(cookie.expect("a cookie"), "\"cookie\": 1");
    let path = format!("/run/dsrload/{}/backend.json", host.netns_inode());
    host.inside(|| fs::write(&path, other))
        .expect("the lab's own /run");
    dsrload.run(&undo).exits(1).says("was not set up");
    assert_eq!(state(&host), set_up);
    let garbage = || {
        fs::create_dir_all(format!("/run/dsrload/{}", host.netns_inode()))?;
        fs::write(&path, "{")
    };
    host.inside(garbage).expect("the lab's own /run");
    dsrload.run(&undo).exits(1).says(&path);
    assert_eq!(state(&host), set_up);
}

#[test]
fn a_refusal_changes_nothing() {
    let lab = Lab::seed();
    let (host, dsrload) = one(&lab);
    let refuse = |line: &str, code: i32, words: &str| {
        let before = state(&host);
        let run = dsrload.run(line).exits(code).says(words);
        assert_eq!(run.stdout, "", "{run:?}");
        assert_eq!(state(&host), before, "{line}");
        assert_eq!(memory(&host), None, "{line}");
    };
    let setup = format!("backend setup {VIP} {VIP6}");

    dsrload
        .with_capabilities("+chown")
        .run(&setup)
        .exits(4)
        .says("CAP_NET_ADMIN");
    refuse(&format!("{setup} --tunnel nosuch0"), 1, "nosuch0");

    host.ip(&format!("addr add {VIP}/24 dev eth0"));
    refuse(&setup, 1, &format!("`ip addr del {VIP}/24 dev eth0` first"));
    refuse(&format!("{setup} --print"), 1, "eth0");
    host.ip(&format!(
        "addr del {VIP}/24 dev eth0
         addr add {VIP}/24 dev lo"
    ));
    refuse(&setup, 1, &format!("`ip addr del {VIP}/24 dev lo` first"));
    host.ip(&format!("addr del {VIP}/24 dev lo"));

    // The last of four steps: three are taken back.
    host.set("ipv6/conf/lo/disable_ipv6", "1");
    refuse(&setup, 5, &format!("ip addr add {VIP6}/128 dev lo nodad"));
    host.set("ipv6/conf/lo/disable_ipv6", "0");

    // As containers have it. The first file is still writable.
    let sealed = "/proc/sys/net/ipv4/conf/all/arp_announce";
    host.run(&format!("mount --bind {sealed} {sealed}"));
    host.run(&format!("mount -o remount,bind,ro {sealed}"));
    let sysctl = "--sysctl net.ipv4.conf.all.arp_announce=2";
    refuse(&setup, 5, sealed);
    refuse(&setup, 5, sysctl);
    host.run(&format!("umount {sealed}"));
    dsrload.run(&setup).exits(0);
}

/// Moments from the start of a run to half its length beyond its end.
#[test]
fn whoever_is_killed_leaves_what_the_next_run_takes_care_of() {
    const MOMENTS: u32 = 40;
    let lab = Lab::seed();
    let (host, dsrload) = one(&lab);
    host.set("ipv4/conf/eth0/rp_filter", "1");
    let before = state(&host);
    let [setup, undo] = ["setup", "undo"].map(|verb| format!("backend {verb} {VIP} {VIP6}"));
    let setup = format!("{setup} --tunnel eth0");
    let start = Instant::now();
    dsrload.run(&setup).exits(0);
    let whole = start.elapsed();
    let after = state(&host);
    dsrload.run(&undo).exits(0);
    nothing_is_left(&host, &before);

    let (mut early, mut late) = (0, 0);
    for moment in 0..MOMENTS {
        let wait = whole * 3 * moment / (2 * MOMENTS);
        kill_at(&dsrload, &setup, wait);
        let now = state(&host);
        early += u32::from(now == before);
        late += u32::from(now == after);
        if moment % 2 == 0 {
            // Killed so early that it had not written what it would do, it has
            // done nothing.
            let code = if memory(&host).is_some() { 0 } else { 1 };
            dsrload.run(&undo).exits(code);
        } else {
            dsrload.run(&setup).exits(0);
            assert_eq!(state(&host), after);
            kill_at(&dsrload, &undo, wait);
            let code = if memory(&host).is_some() { 0 } else { 1 };
            dsrload.run(&undo).exits(code);
        }
        nothing_is_left(&host, &before);
    }
    assert!(early > 0 && late > 0, "{early} early, {late} late");
}

fn kill_at(dsrload: &Product, line: &str, moment: Duration) {
    let mut child = dsrload.spawn(line);
    thread::sleep(moment);
    child.kill().expect("it is our child");
    let output = child.wait_with_output().expect("it is our child");
    let killed = output.status.signal() == Some(libc::SIGKILL);
    assert!(killed || output.status.success(), "{line}: {output:?}");
}
