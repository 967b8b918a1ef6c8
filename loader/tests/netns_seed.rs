//! The system that `dsrload` replaces, in namespaces: clients reach both
//! backends through the virtual address, in generic and in native mode.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use lab::load::Load;
use lab::product::Product;
use lab::sentinel::attached;
use lab::web::{answers, answers_on_one_connection, content, curl, difference, upload};
use lab::{BACKENDS, Backend, Lab, VIP};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// Long enough to fill every queue on the way.
const TEN_MEGABYTES: usize = 10_000_000;

fn in_skb_mode() -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run("eth0 --mode skb").exits(0);
    (lab, dsrload)
}

fn in_drv_mode() -> (Lab, Product) {
    let mut lab = Lab::seed();
    lab.native_ready();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run("eth0 --mode drv").exits(0);
    (lab, dsrload)
}

#[test]
fn loading_without_services_takes_the_lab_default_and_says_so() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let run = dsrload
        .run("eth0 --mode skb")
        .exits(0)
        .says("no services given")
        .says(VIP);
    let seen = attached(&lab.balancer, "eth0").expect("it is attached");
    let line = format!(
        "eth0: attached skb, id {}, 1 service, 2 backends\n",
        seen.id
    );
    assert_eq!(run.stdout, line);
    assert_eq!((seen.mode, &*seen.name), ("skb", "dsrload"));

    let balancer = dsrload.status().expect("it is loaded");
    assert_eq!(balancer.interfaces(), ["eth0"]);
    assert_eq!(
        (balancer.program("eth0"), balancer.mode("eth0")),
        (seen.id, "skb")
    );
}

#[test]
fn both_backends_answer_a_hundred_connections_in_skb_mode() {
    let (lab, dsrload) = in_skb_mode();
    both_answer_and_are_counted(&lab, &dsrload);
}

#[test]
fn both_backends_answer_a_hundred_connections_in_drv_mode() {
    let (lab, dsrload) = in_drv_mode();
    assert_eq!(
        attached(&lab.balancer, "eth0")
            .expect("it is attached")
            .mode,
        "drv"
    );
    both_answer_and_are_counted(&lab, &dsrload);
}

fn both_answer_and_are_counted(lab: &Lab, dsrload: &Product) {
    let mut answered = BTreeMap::new();
    for name in answers(&lab.client, VIP, 100) {
        *answered.entry(lab.backend(&name).address).or_default() += 1;
    }
    // Of a random choice among two, a hundred equal ones do not happen.
    assert_eq!(answered.len(), 2, "{answered:?}");
    let stats = dsrload.stats();
    assert_eq!(stats.connections(), answered, "{stats:?}");
    // A connection is at least SYN, ACK, request, FIN.
    assert!(stats.outcome("forwarded") >= 400, "{stats:?}");
}

#[test]
fn a_connection_stays_with_its_backend_in_skb_mode() {
    let (lab, _) = in_skb_mode();
    connections_stay(&lab);
}

#[test]
fn a_connection_stays_with_its_backend_in_drv_mode() {
    let (lab, _) = in_drv_mode();
    connections_stay(&lab);
}

fn connections_stay(lab: &Lab) {
    for _ in 0..5 {
        let names = answers_on_one_connection(&lab.client, VIP, 20);
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    }
    let load = Load::on(VIP).start(&lab.client);
    for _ in 0..5 {
        load.answers_everywhere();
    }
    let report = load.finish();
    report.is_flawless();
    assert_eq!(report.long.by_backend.len(), 2, "{report:?}");
}

#[test]
fn ten_megabytes_go_up_and_down_intact_in_skb_mode() {
    let (lab, _) = in_skb_mode();
    transfers_are_intact(&lab);
}

#[test]
fn ten_megabytes_go_up_and_down_intact_in_drv_mode() {
    let (lab, _) = in_drv_mode();
    transfers_are_intact(&lab);
}

fn transfers_are_intact(lab: &Lab) {
    let (up, down) = (content(TEN_MEGABYTES, 1), content(TEN_MEGABYTES, 2));
    upload(&lab.client, VIP, "up", &up);
    let stored: Vec<_> = lab
        .backends
        .iter()
        .filter_map(|b| b.nginx.stored("up"))
        .collect();
    assert_eq!(stored.len(), 1, "one backend has it");
    assert_eq!(difference(&stored[0], &up), None);

    for backend in &lab.backends {
        backend.nginx.offer("down", &down);
    }
    let fetched = curl(&lab.client, &[&format!("http://{VIP}/files/down")]);
    assert_eq!(fetched.code, 0, "{}", fetched.complaint);
    assert_eq!(difference(&fetched.body, &down), None);
}

#[test]
fn a_backend_that_nobody_has_asked_for_yet_is_resolved() {
    let lab = Lab::seed();
    assert_eq!(
        lab.balancer.run("ip -4 neigh show"),
        "",
        "the balancer knows its neighbours"
    );
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload.run("eth0 --mode skb").exits(0);
    let balancer = dsrload.status().expect("it is loaded");
    let macs = lab
        .backends
        .iter()
        .map(|backend| (backend.address, backend.mac));
    assert_eq!(balancer.macs(), macs.collect());
}

#[test]
fn a_backend_that_does_not_exist_is_named_and_nothing_is_attached() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let services = format!("-t {VIP}:80 -r {},172.17.0.99", BACKENDS[0]);
    let run = dsrload
        .run(&format!("eth0 --mode skb {services}"))
        .exits(1)
        .says("172.17.0.99");
    assert!(
        !run.stderr.contains(BACKENDS[0]),
        "a good backend is blamed: {run:?}"
    );
    assert_eq!(attached(&lab.balancer, "eth0"), None);
    assert!(dsrload.status().is_none());
}

#[test]
fn services_of_the_command_line_replace_the_lab_default() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let only = &lab.backends[1];
    let run = dsrload
        .run(&format!("eth0 --mode skb -t {VIP}:80 -r {}", only.address))
        .exits(0);
    assert!(run.stdout.ends_with(", 1 service, 1 backend\n"), "{run:?}");
    assert_eq!(run.stderr, "");
    assert_eq!(answers(&lab.client, VIP, 20), [only.host.name(); 20]);
}

#[test]
fn a_station_address_of_the_command_line_needs_no_neighbour() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let [given, wrong] = &lab.backends;
    // The address of one with the station address of the other: the latter is
    // what the frame is sent to.
    let service = format!("-t {VIP}:80 -r {}={}", wrong.address, given.mac);
    dsrload.run(&format!("eth0 --mode skb {service}")).exits(0);
    assert_eq!(answers(&lab.client, VIP, 5), [given.host.name(); 5]);
}

#[test]
fn datagrams_are_balanced_too_and_stay_with_their_backend() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = BACKENDS.join(",");
    dsrload
        .run(&format!("eth0 --mode skb -u {VIP}:5353 -r {reals}"))
        .exits(0);
    lab.backends.iter().for_each(answer_datagrams);
    let mut seen = BTreeSet::new();
    lab.client.inside(|| {
        for _ in 0..40 {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .expect("a timeout");
            // Only what comes from there is received.
            socket.connect((VIP, 5353)).expect("a route");
            let ask = || {
                let mut name = [0; 16];
                socket.send(b"who?").expect("it is sent");
                let length = socket.recv(&mut name).expect("an answer");
                String::from_utf8_lossy(&name[..length]).into_owned()
            };
            let first = ask();
            assert_eq!([ask(), ask()], [first.clone(), first.clone()]);
            seen.insert(first);
        }
    });
    assert_eq!(
        seen,
        ["backend-a".to_owned(), "backend-b".to_owned()].into()
    );
}

fn answer_datagrams(backend: &Backend) {
    // Bound to the virtual address, or the answers would leave from another.
    let socket = backend.host.inside(|| UdpSocket::bind((VIP, 5353)));
    let socket = socket.expect("the backend has the virtual address");
    let name = backend.host.name().to_owned();
    thread::spawn(move || {
        let mut question = [0; 16];
        while let Ok((_, client)) = socket.recv_from(&mut question) {
            if socket.send_to(name.as_bytes(), client).is_err() {
                return;
            }
        }
    });
}
