//! Who gets a new connection: weights, affinity, ports, several virtual
//! addresses, both versions of IP, datagrams, lists of clients, floods.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::{BTreeMap, BTreeSet};

use lab::datagram::{Echo, Flow};
use lab::flood;
use lab::load::Load;
use lab::product::Product;
use lab::sentinel::memory;
use lab::web::{answers, content, curl, difference, upload};
use lab::{BACKENDS, BACKENDS6, CLIENT, CLIENT6, Lab, VIP, VIP6};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const A: &str = "backend-a";
const B: &str = "backend-b";

/// A fixed key: the same flows go the same ways in each run.
fn loaded(services: &str) -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = load_on(&lab, "skb", services);
    (lab, dsrload)
}

fn load_on(lab: &Lab, mode: &str, services: &str) -> Product {
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload
        .run(&format!("eth0 --mode {mode} --seed lab {services}"))
        .exits(0);
    dsrload
}

fn shares(names: Vec<String>) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    for name in names {
        *shares.entry(name).or_default() += 1;
    }
    shares
}

#[test]
fn new_connections_are_shared_by_weight() {
    let [a, b] = BACKENDS;
    let (lab, dsrload) = loaded(&format!("-t {VIP}:80 -r {a} -w 3 -r {b} -w 1"));
    let shares = shares(answers(&lab.client, VIP, 400));
    // 300 are expected; the deviation of such a count is 9.
    assert!((240..=360).contains(&shares[A]), "{shares:?}");
    assert_eq!(shares[A] + shares[B], 400, "{shares:?}");
    let counted = dsrload.stats();
    let counted = counted.connections();
    assert_eq!((counted[a], counted[b]), (shares[A], shares[B]));
    let status = dsrload.status().expect("it is loaded");
    let (a, b) = (status.slots(a), status.slots(b));
    assert!((2 * b..4 * b).contains(&a), "{a} slots and {b}");
}

#[test]
fn a_backend_without_weight_gets_nothing_new() {
    let [a, b] = BACKENDS;
    let (lab, dsrload) = loaded(&format!("-t {VIP}:80 -r {a} -w 0 -r {b}"));
    assert_eq!(answers(&lab.client, VIP, 100), [B; 100]);
    assert_eq!(dsrload.stats().connections()[a], 0);
}

#[test]
fn all_connections_of_a_client_go_to_one_backend_with_affinity() {
    let reals = BACKENDS.join(",");
    let (lab, _) = loaded(&format!("-t {VIP}:80 -r {reals} --affinity client"));
    let mut used = BTreeSet::new();
    for client in 1..=16 {
        used.insert(backend_of(&lab, &format!("172.17.1.{client}")));
    }
    assert_eq!(used, [A.to_owned(), B.to_owned()].into());
}

#[test]
fn all_clients_of_a_prefix_go_to_one_backend_with_affinity_to_it() {
    let reals = BACKENDS.join(",");
    let (lab, _) = loaded(&format!("-t {VIP}:80 -r {reals} --affinity client/24"));
    let mut used = BTreeSet::new();
    for prefix in 1..=16 {
        let first = backend_of(&lab, &format!("172.17.{prefix}.1"));
        let last = backend_of(&lab, &format!("172.17.{prefix}.250"));
        assert_eq!(first, last, "172.17.{prefix}.0/24");
        used.insert(first);
    }
    assert_eq!(used, [A.to_owned(), B.to_owned()].into());
}

/// The one backend that answers six connections from `address`.
fn backend_of(lab: &Lab, address: &str) -> String {
    lab.client.ip(&format!("addr add {address}/16 dev eth0"));
    let url = format!("http://{VIP}/?[1-6]");
    let fetched = curl(
        &lab.client,
        &["--interface", address, "-H", "Connection: close", &url],
    );
    let names: BTreeSet<&str> = fetched.lines().into_iter().collect();
    assert_eq!(names.len(), 1, "{address}: {names:?}");
    names.into_iter().collect()
}

#[test]
fn a_service_of_any_port_takes_each_port_that_no_other_service_has() {
    let [a, b] = BACKENDS;
    let (lab, dsrload) = loaded(&format!("-t {VIP}:* -r {a} -t {VIP}:80 -r {b}"));
    assert_eq!(answers(&lab.client, VIP, 10), [B; 10]);
    assert_eq!(answers(&lab.client, &format!("{VIP}:8080"), 10), [A; 10]);
    // A closed port: the backend itself says so.
    let fetched = curl(&lab.client, &[&format!("http://{VIP}:81")]);
    assert_eq!(fetched.code, 7, "{fetched:?}");
    assert_eq!(dsrload.stats().outcome("no_service"), 0);
}

#[test]
fn a_port_without_a_service_is_silent_and_counted() {
    let (lab, dsrload) = loaded(&format!("-t {VIP}:80 -r {}", BACKENDS[0]));
    let url = format!("http://{VIP}:8080");
    let fetched = curl(&lab.client, &["--connect-timeout", "0.3", &url]);
    assert_eq!(fetched.code, 28, "{fetched:?}");
    assert!(dsrload.stats().outcome("no_service") > 0);
}

#[test]
fn a_service_can_have_two_virtual_addresses() {
    const SECOND: &str = "192.168.25.11";
    let lab = Lab::seed();
    for backend in &lab.backends {
        backend.host.ip(&format!("addr add {SECOND}/32 dev lo"));
    }
    lab.client
        .ip(&format!("route add {SECOND}/32 via {}", lab::BALANCER));
    let reals = BACKENDS.join(",");
    let dsrload = load_on(&lab, "skb", &format!("-t {VIP}:80,{SECOND}:80 -r {reals}"));
    for address in [VIP, SECOND] {
        let shares = shares(answers(&lab.client, address, 50));
        assert_eq!(shares.len(), 2, "{address}: {shares:?}");
    }
    dsrload
        .run(&format!("drain {SECOND}:80/{}", BACKENDS[0]))
        .exits(0);
    for address in [VIP, SECOND] {
        assert_eq!(answers(&lab.client, address, 20), [B; 20], "{address}");
    }
}

#[test]
fn ipv6_is_balanced_in_skb_mode() {
    let lab = Lab::seed();
    ipv6_is_balanced(&lab, "skb");
}

#[test]
fn ipv6_is_balanced_in_drv_mode() {
    let mut lab = Lab::seed();
    lab.native_ready();
    ipv6_is_balanced(&lab, "drv");
}

fn ipv6_is_balanced(lab: &Lab, mode: &str) {
    let reals = BACKENDS6.join(",");
    let dsrload = load_on(lab, mode, &format!("-t [{VIP6}]:80 -r {reals}"));
    // Found by neighbour discovery.
    let status = dsrload.status().expect("it is loaded");
    let macs = BACKENDS6
        .into_iter()
        .zip(lab.backends.iter().map(|b| b.mac));
    assert_eq!(status.macs(), macs.collect());

    let address = format!("[{VIP6}]");
    let shares = shares(answers(&lab.client, &address, 100));
    assert_eq!(shares.len(), 2, "{shares:?}");
    let load = Load::on(&address).start(&lab.client);
    load.answers_everywhere();
    load.finish().loses_no_connection();

    let (up, down) = (content(10_000_000, 1), content(10_000_000, 2));
    upload(&lab.client, &address, "up", &up);
    let stored = lab.backends.iter().find_map(|b| b.nginx.stored("up"));
    assert_eq!(difference(&stored.expect("one has it"), &up), None);
    for backend in &lab.backends {
        backend.nginx.offer("down", &down);
    }
    let fetched = curl(&lab.client, &[&format!("http://{address}/files/down")]);
    assert_eq!(fetched.code, 0, "{}", fetched.complaint);
    assert_eq!(difference(&fetched.body, &down), None);
}

/// As it is for a second after its interface came up (RFC 4862, section 5.4).
#[test]
fn backends_are_found_although_the_balancers_own_address_is_still_tentative() {
    let lab = Lab::seed();
    lab.balancer.set("ipv6/conf/eth0/accept_dad", "1");
    let again = format!(
        "link set eth0 down
         link set eth0 up
         addr add {}/64 dev eth0",
        lab::BALANCER6
    );
    lab.balancer.ip(&again);
    let tentative = lab.balancer.run("ip -6 addr show dev eth0 tentative");
    assert!(tentative.contains(lab::BALANCER6), "{tentative}");
    load_on(&lab, "skb", &format!("-t [{VIP6}]:80 -r {}", BACKENDS6[0]));
    assert_eq!(answers(&lab.client, &format!("[{VIP6}]"), 5), [A; 5]);
}

#[test]
fn datagrams_and_their_fragments_are_answered_whole_by_one_backend() {
    let (lab, dsrload) = loaded(&format!("-u {VIP}:5353 -r {}", BACKENDS.join(",")));
    datagrams_are_answered(&lab, &dsrload, VIP);
}

#[test]
fn datagrams_and_their_fragments_are_answered_whole_over_ipv6() {
    let (lab, dsrload) = loaded(&format!("-u [{VIP6}]:5353 -r {}", BACKENDS6.join(",")));
    datagrams_are_answered(&lab, &dsrload, VIP6);
}

fn datagrams_are_answered(lab: &Lab, dsrload: &Product, vip: &str) {
    let _servers = lab
        .backends
        .each_ref()
        .map(|backend| Echo::start(&backend.host, vip, 5353));
    let large = content(4000, 3);
    let mut used = BTreeSet::new();
    for _ in 0..40 {
        let flow = Flow::open(&lab.client, vip, 5353);
        let small = flow.ask(b"who?");
        // Three packets, of which only the first tells the ports.
        assert_eq!(
            [flow.ask(&large), flow.ask(&large)],
            [small.clone(), small.clone()]
        );
        used.insert(small);
    }
    assert_eq!(used, [A.to_owned(), B.to_owned()].into());
    // One small and six fragments each.
    assert_eq!(dsrload.stats().outcome("forwarded"), 40 * 7);
}

#[test]
fn clients_on_no_list_are_not_served_where_there_is_a_list_of_those_who_are() {
    let (lab, dsrload) = loaded(&format!(
        "-t {VIP}:80 -r {} --allow {CLIENT}/32 -t [{VIP6}]:80 -r {} --allow {CLIENT6}/128",
        BACKENDS[0], BACKENDS6[0]
    ));
    let others = ["172.17.1.9", "2001:db8:17::19"];
    only_the_first_are_served(&lab, &dsrload, [CLIENT, CLIENT6], others);
}

#[test]
fn clients_on_a_list_of_those_who_are_not_served_get_no_answer() {
    let (lab, dsrload) = loaded(&format!(
        "-t {VIP}:80 -r {} --deny 172.17.1.0/24,10.0.0.0/8
         -t [{VIP6}]:80 -r {} --deny 2001:db8:17::10/124",
        BACKENDS[0], BACKENDS6[0]
    ));
    let others = ["172.17.1.9", "2001:db8:17::19"];
    only_the_first_are_served(&lab, &dsrload, [CLIENT, CLIENT6], others);
}

/// The tables hold IPv4 among IPv6.
#[test]
fn a_list_of_all_ipv6_clients_says_nothing_of_ipv4() {
    let [a, _] = BACKENDS;
    let (lab, dsrload) = loaded(&format!("-t {VIP}:80 -r {a} --deny ::/0"));
    assert_eq!(answers(&lab.client, VIP, 3), [A; 3]);
    dsrload
        .run(&format!("eth0 --seed lab -t {VIP}:80 -r {a} --allow ::/0"))
        .exits(0);
    let url = format!("http://{VIP}/");
    let fetched = curl(&lab.client, &["--connect-timeout", "1", &url]);
    assert_eq!(fetched.code, 28, "{fetched:?}");
    assert!(dsrload.stats().outcome("source_denied") > 0);
}

/// Even if it is allowed by itself, too.
#[test]
fn a_client_on_both_lists_is_not_served() {
    let (lab, dsrload) = loaded(&format!(
        "-t {VIP}:80 -r {} --allow 172.17.0.0/16,172.17.1.9/32 --deny 172.17.1.0/24
         -t [{VIP6}]:80 -r {} --allow 2001:db8::/32,2001:db8:17::19/128 --deny 2001:db8:17::10/124",
        BACKENDS[0], BACKENDS6[0]
    ));
    let others = ["172.17.1.9", "2001:db8:17::19"];
    only_the_first_are_served(&lab, &dsrload, [CLIENT, CLIENT6], others);
}

/// One client of IPv4 and one of IPv6 that are served, and two that are not.
fn only_the_first_are_served(lab: &Lab, dsrload: &Product, served: [&str; 2], others: [&str; 2]) {
    for [v4, v6] in [served, others] {
        // "replace": the client has some of them already.
        lab.client.ip(&format!(
            "addr replace {v4}/16 dev eth0
             addr replace {v6}/64 dev eth0"
        ));
    }
    let urls = [format!("http://{VIP}"), format!("http://[{VIP6}]")];
    let get = |client: &str, url: &str| {
        let patience = ["--connect-timeout", "0.3", "--interface"];
        curl(&lab.client, &[&patience[..], &[client, url]].concat())
    };
    for (client, url) in served.into_iter().zip(&urls) {
        assert_eq!(get(client, url).lines(), [A], "{client}");
    }
    assert_eq!(dsrload.stats().outcome("source_denied"), 0);
    for (client, url) in others.into_iter().zip(&urls) {
        let before = dsrload.stats().outcome("source_denied");
        let fetched = get(client, url);
        assert_eq!(fetched.code, 28, "{client}: {fetched:?}");
        assert!(
            dsrload.stats().outcome("source_denied") > before,
            "{client}"
        );
    }
}

/// How many connection attempts a flood has.
const FLOOD: u32 = 1_000_000;

#[test]
fn a_flood_leaves_settled_connections_and_the_flow_table_untouched() {
    let reals = BACKENDS.join(",");
    let (lab, dsrload) = loaded(&format!("-t {VIP}:80 -r {reals}"));
    connections_survive_a_flood(&lab, &dsrload);
    let status = dsrload.status().expect("it is loaded");
    assert_eq!(status.flows(), 0);
    assert_eq!(dsrload.stats().untracked(), 0);
}

#[test]
fn a_flood_does_not_displace_the_connections_that_the_flow_table_holds() {
    let reals = BACKENDS.join(",");
    let (lab, dsrload) = loaded(&format!(
        "--flows 65536 -t {VIP}:80 -r {reals} --policy random"
    ));
    connections_survive_a_flood(&lab, &dsrload);
    assert!(dsrload.stats().untracked() > u64::from(FLOOD) / 2);
}

fn connections_survive_a_flood(lab: &Lab, dsrload: &Product) {
    let maps = dsrload.status().expect("it is loaded").maps("eth0");
    let before = memory(&lab.balancer, &maps);
    assert_eq!(before.len(), maps.len(), "{before:?}");
    let load = Load::on(VIP).start(&lab.client);
    flood::syn(&lab.client, flood::target(VIP, 80), FLOOD);
    load.answers_everywhere();
    load.finish().loses_no_connection();
    let forwarded = dsrload.stats().outcome("forwarded");
    assert!(forwarded > u64::from(FLOOD) * 9 / 10, "{forwarded}");
    assert_eq!(memory(&lab.balancer, &maps), before);
}
