//! `dsrload show`: what it tells is what is, and how it is watched.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::FromRawFd;
use std::process::{Child, Stdio};

use lab::deadline::wait_until;
use lab::load::Load;
use lab::product::Product;
use lab::talk::Talk;
use lab::web::answers;
use lab::{BACKENDS, BACKENDS6, CLIENT, Lab, VIP, VIP6};
use serde_json::Value;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

fn balancing(service: &str) -> (Lab, Product) {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let reals = BACKENDS.join(",");
    let service = format!("-t {VIP}:80 -r {reals} {service}");
    dsrload.run(&format!("eth0 --mode skb {service}")).exits(0);
    (lab, dsrload)
}

/// What `show WHAT -j` tells of the one balancer.
fn show(dsrload: &Product, what: &str) -> Value {
    let answer = dsrload.answer(&format!("show {what} -j"));
    let mut json: Value = serde_json::from_str(&answer).expect(&answer);
    let balancers = json["balancers"].as_array_mut().expect("a list");
    assert_eq!(balancers.len(), 1, "{answer}");
    balancers.remove(0)
}

fn backend(name: &str) -> &'static str {
    let index = usize::from(name == "backend-b");
    BACKENDS[index]
}

/// Twenty long connections alone.
fn long_alone() -> Load {
    let mut load = Load::on(VIP);
    load.short_per_second = 0;
    load
}

#[test]
fn services_and_backends_agree_with_status_and_stats() {
    let (lab, dsrload) = balancing("");
    let load = long_alone().start(&lab.client);
    dsrload
        .run(&format!("drain {VIP}:80/{}", BACKENDS[0]))
        .exits(0);
    load.answers_everywhere();
    load.finish().loses_no_connection();

    let (status, stats) = (dsrload.status().expect("it is loaded"), dsrload.stats());
    let services = show(&dsrload, "services");
    let service = &services["services"][0];
    assert_eq!(service["name"], format!("{VIP}:80/tcp"));
    assert_eq!(
        (&service["in_rotation"], &service["backends"]),
        (&1.into(), &2.into())
    );
    assert_eq!(service["unsettled"], status.service()["unsettled"]);
    assert_eq!(service["flows"], status.flows());
    let connections: u64 = stats.connections().values().sum();
    assert_eq!(service["connections"], connections);

    let backends = show(&dsrload, "backends");
    let backends = backends["backends"].as_array().expect("a list");
    assert_eq!(backends.len(), 2);
    for told in backends {
        let address = told["address"].as_str().expect("an address");
        assert_eq!(told["mac"], status.macs()[address]);
        assert_eq!(told["slots"], status.slots(address));
        assert_eq!(told["connections"], stats.connections()[address]);
        let had = stats.connections()[address];
        if address == BACKENDS[0] {
            // All of its flows are at risk, and so are known.
            assert_eq!(told["state"], "drain");
            assert_eq!(
                (&told["flows"], &told["live_flows"]),
                (&had.into(), &had.into())
            );
            assert_eq!(told["untraced_slots"], 0);
            assert!(told["last_packet_seconds"].as_u64().expect("a number") < 60);
        } else {
            assert!(told["untraced_slots"].as_u64().expect("a number") > 0);
        }
    }
    let table = dsrload.answer("show backends");
    assert!(
        table.contains("SERVICE") && table.contains("drain"),
        "{table}"
    );
    assert!(table.contains("+ at least"), "{table}");
    assert!(dsrload.answer("show services").contains("1/2"));
}

/// The flow of an open connection, as `show flows --client` tells it.
fn flow(dsrload: &Product, talk: &Talk, service: &str) -> Value {
    let line = format!("flows --client {} --service {service}", talk.client());
    let told = show(dsrload, &line);
    let lookups = told["lookups"].as_array().expect("a list");
    assert_eq!(lookups.len(), 1, "{told}");
    lookups[0].clone()
}

#[test]
fn the_flow_of_a_client_is_told_as_the_program_sends_it() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let (v4, v6) = (BACKENDS.join(","), BACKENDS6.join(","));
    dsrload
        .run(&format!(
            "eth0 --mode skb -t {VIP}:80 -r {v4} -t [{VIP6}]:80 -r {v6}"
        ))
        .exits(0);
    for (vip, service, reals) in [
        (VIP, format!("{VIP}:80"), BACKENDS),
        (VIP6, format!("[{VIP6}]:80"), BACKENDS6),
    ] {
        let own = |name: &str| reals[usize::from(name == "backend-b")];
        let mut talks: Vec<Talk> = (0..16).map(|_| Talk::open(&lab.client, vip)).collect();
        let names: Vec<String> = talks.iter_mut().map(Talk::ask).collect();
        for (talk, name) in talks.iter().zip(&names) {
            let told = flow(&dsrload, talk, &service);
            assert_eq!(
                (&told["goes_to"], &told["reason"]),
                (&own(name).into(), &"slot".into())
            );
            assert!(told["is_settled"] == true && told["entry_backend"].is_null());
        }
        dsrload
            .run(&format!("drain {service}/{}", reals[0]))
            .exits(0);
        let mut moved = 0;
        for (talk, name) in talks.iter_mut().zip(&names) {
            let before = flow(&dsrload, talk, &service);
            assert_eq!(before["goes_to"], own(name), "{before}");
            if name == "backend-a" {
                moved += 1;
                assert_eq!(before["reason"], "former owner");
                assert_eq!(
                    (&before["owner"], &before["former_owner"]),
                    (&reals[1].into(), &reals[0].into())
                );
                assert_eq!(talk.ask(), *name);
                let after = flow(&dsrload, talk, &service);
                assert_eq!(
                    (&after["goes_to"], &after["reason"]),
                    (&own(name).into(), &"entry".into())
                );
                assert_eq!(after["entry_backend"], own(name));
                assert_eq!(after["tag"], before["tag"]);
            }
        }
        assert!((1..16).contains(&moved), "{moved} of 16 connections");
        // The entries that were made are those.
        let listed = show(
            &dsrload,
            &format!("flows --service {service} --backend {}", reals[0]),
        );
        assert_eq!(listed["matched"], moved);
        let one = show(&dsrload, &format!("flows --service {service} --limit 1"));
        assert_eq!(one["flows"].as_array().expect("a list").len(), 1);
        assert_eq!(one["flows"][0]["is_live"], true);
    }
}

#[test]
fn a_client_with_affinity_needs_no_port_and_any_port_needs_the_services() {
    let (lab, dsrload) = balancing("--affinity client");
    let name = answers(&lab.client, VIP, 1).remove(0);
    let told = show(&dsrload, &format!("flows --client {CLIENT}"));
    assert_eq!(told["lookups"][0]["goes_to"], backend(&name));

    let any = format!("eth0 --mode skb -t {VIP}:* -r {}", BACKENDS.join(","));
    dsrload.run(&any).exits(0);
    let mut talk = Talk::open(&lab.client, VIP);
    let name = talk.ask();
    let told = flow(&dsrload, &talk, &format!("{VIP}:80"));
    assert_eq!(told["goes_to"], backend(&name));
    let client = talk.client();
    for line in [
        format!("--client {client}"),
        format!("--client {CLIENT} --service {VIP}:80"),
    ] {
        dsrload
            .run(&format!("show flows {line}"))
            .exits(2)
            .says("ADDR:PORT");
    }
    dsrload
        .run("show flows --client 172.17.0.0/16")
        .exits(2)
        .says("no address");
    let other = format!("show flows --client {client} --service 192.0.2.1:80");
    dsrload.run(&other).exits(1).says("no service");
    dsrload
        .run("show flows --backend 192.0.2.1")
        .exits(1)
        .says("no backend");
}

#[test]
fn drops_come_with_what_to_do_about_them() {
    let (lab, dsrload) = balancing("");
    assert!(dsrload.answer("show drops").contains("nothing was dropped"));
    let probe = lab.client.command("curl");
    let mut probe = probe;
    let probe = probe.args(["-s", "-m", "1", &format!("http://{VIP}:81/")]);
    assert!(!probe.status().expect("curl runs").success());
    let text = dsrload.answer("show drops");
    assert!(
        text.contains("no_service") && text.contains("port scan"),
        "{text}"
    );
    let told = show(&dsrload, "drops");
    let drops = told["drops"].as_array().expect("a list");
    let found = drops.iter().find(|dropped| dropped["name"] == "no_service");
    let packets = &found.expect("no_service")["packets"];
    assert_eq!(*packets, dsrload.stats().outcome("no_service"));
}

/// What is told of backend A.
fn neighbour(told: &Value) -> &Value {
    let mut neighbours = told["neighbours"].as_array().expect("a list").iter();
    let found = neighbours.find(|neighbour| neighbour["address"] == BACKENDS[0]);
    found.expect("backend A")
}

#[test]
fn neighbours_that_do_not_agree_are_told() {
    let (lab, dsrload) = balancing("");
    let told = show(&dsrload, "neigh");
    for neighbour in told["neighbours"].as_array().expect("a list") {
        assert_eq!(neighbour["agrees"], true, "{neighbour}");
        assert_eq!(neighbour["interface"], "eth0");
        assert_eq!(neighbour["is_managed"], true);
    }
    lab.balancer.ip(&format!(
        "neigh replace {} lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        BACKENDS[0]
    ));
    let told = show(&dsrload, "neigh");
    let first = neighbour(&told);
    assert_eq!(
        (&first["agrees"], &first["kernel_state"]),
        (&false.into(), &"permanent".into())
    );
    assert!(dsrload.answer("show neigh").contains("dsrload refresh"));
    dsrload.run("refresh").exits(0);
    assert_eq!(neighbour(&show(&dsrload, "neigh"))["agrees"], true);
}

#[test]
fn nothing_loaded_is_said_and_no_failure() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    for what in [
        "services",
        "backends",
        "flows",
        "drops",
        "neigh",
        "flows --client 192.0.2.1:1",
    ] {
        assert_eq!(dsrload.answer(&format!("show {what}")), "not loaded\n");
    }
    dsrload
        .run("show services nosuch0")
        .exits(1)
        .says("nosuch0");
}

fn interrupt(child: &Child) {
    let pid = libc::pid_t::try_from(child.id()).expect("a pid");
    // SAFETY: a signal for our own child, which nobody has waited for yet.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);
}

fn line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line
}

#[test]
fn a_watch_shows_rates_until_it_is_interrupted() {
    let (lab, dsrload) = balancing("");
    let load = long_alone().start(&lab.client);
    let mut child = dsrload.spawn("show services --watch 300ms");
    let mut answer = BufReader::new(child.stdout.take().expect("it is piped"));
    assert!(line(&mut answer).contains("PACKETS "));
    assert!(line(&mut answer).contains(VIP));
    assert_eq!(line(&mut answer), "---\n");
    let head = line(&mut answer);
    assert!(
        head.contains("PACKETS/S") && !head.contains('\x1b'),
        "{head}"
    );
    interrupt(&child);
    let status = child.wait().expect("it is our child");
    assert_eq!(status.code(), Some(0));

    let mut child = dsrload.spawn("show backends -j --watch 300ms");
    let mut answer = BufReader::new(child.stdout.take().expect("it is piped"));
    let looks = [0, 1].map(|_| serde_json::from_str::<Value>(&line(&mut answer)).expect("JSON"));
    let backends = |look: &Value| look["balancers"][0]["backends"].clone();
    assert!(backends(&looks[0])[0].get("packets_per_second").is_none());
    let rate = |n: usize| backends(&looks[1])[n]["packets_per_second"].as_f64();
    assert!(rate(0).expect("a rate") + rate(1).expect("a rate") > 0.0);
    // Nobody reads any more.
    drop(answer);
    let status = child.wait().expect("it is our child");
    assert_eq!(status.code(), Some(0));
    load.finish().loses_no_connection();
}

/// A terminal of 24 rows and 80 columns: what is written to the one end is read
/// from the other.
fn terminal() -> (File, File) {
    let size = libc::winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let mut ends = [0, 0];
    let [master, slave] = &mut ends;
    // SAFETY: writes two descriptors, reads the size; null asks for no name and
    // the usual settings.
    let opened = unsafe {
        libc::openpty(
            master,
            slave,
            std::ptr::null_mut(),
            std::ptr::null(),
            &raw const size,
        )
    };
    assert_eq!(opened, 0, "openpty");
    // SAFETY: the kernel has just made these descriptors for us.
    let [master, slave] = ends.map(|end| unsafe { File::from_raw_fd(end) });
    (master, slave)
}

#[test]
fn on_a_terminal_each_look_takes_the_place_of_the_one_before() {
    let (lab, _dsrload) = balancing("");
    let (mut master, slave) = terminal();
    let mut child = lab.balancer.command(DSRLOAD);
    child.args(["show", "services", "--watch", "300ms"]);
    let mut child = child
        .stdin(Stdio::null())
        .stdout(slave)
        .spawn()
        .expect("it starts");
    let mut seen = String::new();
    wait_until("three looks", || {
        let mut some = [0; 1024];
        let length = master.read(&mut some).expect("it writes");
        seen.push_str(&String::from_utf8_lossy(&some[..length]));
        seen.matches("\x1b[H").count() >= 3
    });
    interrupt(&child);
    assert_eq!(child.wait().expect("it is our child").code(), Some(0));
    let longest = seen.split(['\n', '\r']).map(|line| {
        line.replace("\x1b[H", "")
            .replace("\x1b[K", "")
            .replace("\x1b[J", "")
    });
    assert!(longest.map(|line| line.chars().count()).max() <= Some(80));
    assert!(!seen.contains("---"), "{seen}");
}
