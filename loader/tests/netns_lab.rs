//! The lab itself, without the balancer: what the other tests rely on.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lab::deadline::wait_until;
use lab::host::Host;
use lab::load::Load;
use lab::mounts::Mounts;
use lab::pass::PassProgram;
use lab::sentinel::{attached, programs};
use lab::web::{answers, answers_on_one_connection, content, curl, difference, upload};
use lab::{BACKENDS, Lab, VIP};

const URL: &str = "http://192.168.25.10";

/// Long enough to fill every queue on the way.
const TEN_MEGABYTES: usize = 10_000_000;

#[test]
fn the_virtual_address_is_served_by_the_backend_that_the_client_is_sent_to() {
    let lab = Lab::seed();
    for backend in &lab.backends {
        lab.client_goes_through(backend.address);
        assert_eq!(answers(&lab.client, VIP, 3), [backend.host.name(); 3]);
        assert_eq!(
            answers_on_one_connection(&lab.client, VIP, 3),
            [backend.host.name(); 3]
        );
    }
}

#[test]
fn without_a_balancer_the_virtual_address_is_silent() {
    let lab = Lab::seed();
    let fetched = curl(&lab.client, &["--connect-timeout", "0.3", URL]);
    assert_eq!(fetched.code, 28, "{fetched:?}");
}

#[test]
fn no_backend_answers_for_the_virtual_address_on_the_wire() {
    let lab = Lab::seed();
    lab.client.ip(&format!("route replace {VIP}/32 dev eth0"));
    let fetched = curl(&lab.client, &["--connect-timeout", "5", URL]);
    assert_eq!(
        fetched.code, 7,
        "no route to host, for want of an answer: {fetched:?}"
    );
    assert!(
        lab.client
            .run("ip neigh show")
            .contains(&format!("{VIP} dev eth0 FAILED"))
    );
}

#[test]
fn no_byte_is_the_same_in_two_station_addresses() {
    let lab = Lab::seed();
    let hosts = lab.backends.iter().map(|backend| &backend.host);
    let hosts: Vec<&Host> = hosts.chain([&lab.balancer, &lab.client]).collect();
    let macs: Vec<Vec<u8>> = hosts.iter().map(|host| mac(host)).collect();
    for (index, left) in macs.iter().enumerate() {
        for right in &macs[index + 1..] {
            assert!(
                left.iter().zip(right).all(|(a, b)| a != b),
                "{left:x?} and {right:x?}"
            );
        }
    }
}

fn mac(host: &Host) -> Vec<u8> {
    let links = host.run("ip -oneline link show dev eth0");
    let mac = links
        .split_once("link/ether ")
        .expect("an Ethernet interface")
        .1;
    let mac = mac.split(' ').next().expect("an address");
    mac.split(':')
        .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
        .collect()
}

#[test]
fn ten_megabytes_go_up_and_down_intact() {
    let lab = Lab::seed();
    let [backend, _] = &lab.backends;
    lab.client_goes_through(backend.address);

    let up = content(TEN_MEGABYTES, 1);
    upload(&lab.client, VIP, "up", &up);
    let stored = backend.nginx.stored("up").expect("the upload is kept");
    assert_eq!(difference(&stored, &up), None);

    let down = content(TEN_MEGABYTES, 2);
    backend.nginx.offer("down", &down);
    let fetched = curl(&lab.client, &[&format!("{URL}/files/down")]);
    assert_eq!(fetched.code, 0, "{}", fetched.complaint);
    assert_eq!(difference(&fetched.body, &down), None);
    assert_ne!(difference(&fetched.body, &up), None);
}

#[test]
fn the_load_counts_what_is_answered() {
    let lab = Lab::seed();
    lab.client_goes_through(BACKENDS[0]);
    let load = Load::on(VIP).start(&lab.client);
    load.answers_everywhere();
    let report = load.finish();
    report.is_flawless();
    assert_eq!(
        report.long.by_backend,
        [("backend-a".to_owned(), 20)].into()
    );
    assert!(report.short.connections() >= 3, "{report:?}");
}

#[test]
fn the_load_sees_another_backend_answer_on_the_same_connection() {
    let lab = Lab::seed();
    let mut load = Load::on(BACKENDS[0]);
    // A location that answers another name each time.
    load.path = "/changing";
    let load = load.start(&lab.client);
    load.answers_everywhere();
    let report = load.finish();
    assert!(report.long.moved >= report.long.connections(), "{report:?}");
}

#[test]
fn the_load_counts_a_killed_server_as_closed_and_then_refused() {
    let mut lab = Lab::seed();
    let load = Load::on(BACKENDS[0]).start(&lab.client);
    lab.backends[0].nginx.kill();
    load.answers_everywhere();
    let report = load.finish();
    assert_eq!(
        (report.long.closed, report.long.failed()),
        (20, 20),
        "{report:?}"
    );
    assert!(report.short.refused >= 3, "{report:?}");
    assert_eq!(report.short.timed_out, 0, "{report:?}");
}

/// What happens when a balancer forgets a connection: its packets come to a
/// backend that does not know it.
#[test]
fn the_load_counts_each_connection_that_a_wrong_backend_gets_as_reset() {
    let lab = Lab::seed();
    lab.client_goes_through(BACKENDS[0]);
    let load = Load::on(VIP).start(&lab.client);
    lab.client_goes_through(BACKENDS[1]);
    load.answers_everywhere();
    let report = load.finish();
    assert_eq!(
        (report.long.reset, report.long.failed()),
        (20, 20),
        "{report:?}"
    );
    assert!(
        report.short.by_backend.contains_key("backend-b"),
        "{report:?}"
    );
}

#[test]
fn the_load_counts_silence_as_timed_out() {
    let lab = Lab::seed();
    lab.client_goes_through(BACKENDS[0]);
    let mut load = Load::on(VIP);
    load.patience = Duration::from_millis(1100);
    let load = load.start(&lab.client);
    lab.switch.ip("link set backend-a down");
    load.answers_everywhere();
    let report = load.finish();
    assert_eq!(
        (report.long.timed_out, report.long.failed()),
        (20, 20),
        "{report:?}"
    );
    assert!(report.short.timed_out >= 3, "{report:?}");
    assert!(report.retransmitted >= 3, "{report:?}");
}

#[test]
fn a_program_attached_by_link_goes_with_it_and_one_left_on_stays() {
    let lab = Lab::seed();
    let program = PassProgram::load("lab_pass");
    let link = program.attach_native(&lab.switch, "client");
    let seen = attached(&lab.switch, "client").expect("it is attached");
    assert_eq!(
        (seen.mode, seen.id, &*seen.name),
        ("drv", program.id(), "lab_pass")
    );
    drop(link);
    assert_eq!(attached(&lab.switch, "client"), None);

    let id = program.id();
    program.leave_on(&lab.balancer, "eth0");
    drop(program);
    let seen = attached(&lab.balancer, "eth0").expect("it is attached");
    assert_eq!((seen.mode, seen.id, &*seen.name), ("skb", id, "lab_pass"));
}

#[test]
fn an_empty_root_has_nothing_but_the_program() {
    let program = env::current_exe().expect("this test");
    let host = Host::new("host", &Mounts::without_bpffs());
    let host = host.with_mounts(Mounts::empty_root(&program));
    let names = host.inside(|| {
        let entries = std::fs::read_dir("/").expect("the root");
        entries
            .map(|entry| entry.expect("an entry").path())
            .collect::<Vec<_>>()
    });
    let only = Path::new("/").join(program.file_name().expect("a file"));
    assert_eq!(names, std::slice::from_ref(&only));
    let listed = host
        .command(&only)
        .arg("--list")
        .output()
        .expect("it runs there");
    assert!(listed.status.success(), "{listed:?}");
}

#[test]
fn the_views_differ_in_the_bpf_file_system_alone() {
    let lab = Lab::seed();
    let kind = |host: &Host| host.run("stat --file-system --format %T /sys/fs/bpf");
    let without = lab.balancer.with_mounts(Mounts::without_bpffs());
    assert_eq!(kind(&lab.balancer).trim(), "bpf_fs");
    assert_eq!(kind(&without).trim(), "sysfs");
    assert_eq!(without.netns_inode(), lab.balancer.netns_inode());
}

/// Tells the copy of the next test that is to be killed where to leave traces.
const WITNESS: &str = "DSRLOAD_LAB_WITNESS";

#[test]
fn nothing_of_a_lab_outlives_its_killed_process() {
    if let Ok(witness) = env::var(WITNESS) {
        wait_to_be_killed(&witness);
    }
    // Each host of the victim's lab has a cable to the witness. The cable goes
    // when the network namespace of either end does.
    let witness = Host::new("witness", &Mounts::with_bpffs());
    let cables = || {
        witness
            .run("ip -oneline link show type veth")
            .lines()
            .count()
    };
    let mut victim = witness.command(env::current_exe().expect("this test"));
    victim.args([
        "--exact",
        "--nocapture",
        "nothing_of_a_lab_outlives_its_killed_process",
    ]);
    victim
        .env(WITNESS, witness.netns_path())
        .stdout(Stdio::piped());
    let mut victim = victim.spawn().expect("this test starts");
    let stdout = BufReader::new(victim.stdout.take().expect("it is piped"));
    let facts = stdout.lines().map_while(Result::ok).find_map(|line| {
        let facts = line.split_once("victim:")?.1;
        Some(
            facts
                .split_whitespace()
                .map(|n| n.parse().expect("a number"))
                .collect::<Vec<u32>>(),
        )
    });
    let facts = facts.expect("the victim tells what it has");
    let [program, servers @ ..] = &facts[..] else {
        panic!("too few facts: {facts:?}")
    };
    let running = |pid: &u32| Path::new(&format!("/proc/{pid}")).exists();
    assert_eq!(cables(), 5);
    assert!(
        servers.len() == 2 && servers.iter().all(running),
        "{facts:?}"
    );
    assert!(programs(&witness, VICTIM).contains(program));

    victim.kill().expect("it is our child");
    victim.wait().expect("it is our child");
    wait_until("the servers to die", || !servers.iter().any(running));
    wait_until("the network namespaces to go", || cables() == 0);
    // It was pinned on the lab's bpffs: gone means that this is gone too.
    wait_until("the program to go", || {
        !programs(&witness, VICTIM).contains(program)
    });
}

const VICTIM: &str = "lab_victim";

fn wait_to_be_killed(witness: &str) -> ! {
    let lab = Lab::seed();
    let program = PassProgram::load(VICTIM);
    program.pin(&lab.balancer, "/sys/fs/bpf/victim");
    let backends = lab.backends.iter().map(|backend| &backend.host);
    for host in backends.chain([&lab.switch, &lab.balancer, &lab.client]) {
        let name = host.name();
        host.ip(&format!(
            "link add witness type veth peer name {name} netns {witness}"
        ));
    }
    let servers = lab.backends.each_ref().map(|backend| backend.nginx.pid());
    let facts = format!("victim: {} {} {}\n", program.id(), servers[0], servers[1]);
    drop(program);
    // Not by println!, which the test harness may keep.
    std::io::stdout()
        .write_all(facts.as_bytes())
        .expect("somebody listens");
    loop {
        std::thread::park();
    }
}
