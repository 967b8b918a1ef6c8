//! What `dsrload run` announces: by the config of the day, and beside others.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::fs;

use lab::VIP;
use lab::agent::{Agent, Watched};
use lab::config::{File, both, until, web};
use lab::host::Host;
use lab::load::Load;
use nix::sys::signal::Signal;
use serde_json::Value;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

const ANNOUNCE: &str = "announce = true\n";

struct Site(Watched);

impl Site {
    fn new(test: &str, more: &str) -> Self {
        let name = format!("announce-{test}");
        Self(Watched::new(DSRLOAD, &name, &web(more, &both())))
    }

    /// Writes the file anew, with this in `[service.web]` and in `[run]`.
    fn reload(&self, agent: &Agent, more: &str, run: &str) {
        let text = format!("{}\n[run]\n{run}", web(more, &both()));
        fs::write(self.0.file.path(), text).expect("the file");
        agent.signal(Signal::SIGHUP);
    }

    /// The route to the VIP in a table, as ip(8) shows it.
    fn route(&self, table: u32) -> String {
        let host = &self.0.lab.balancer;
        // Of a table that never was, ip(8) says that there is none.
        let all = host.run("ip -N route show table all");
        let named = format!("table {table} ");
        let mut lines = all.lines().filter(|line| line.contains(&named));
        let found = lines.find(|line| line.starts_with(VIP));
        found.unwrap_or_default().to_owned()
    }

    /// What the agent says in its own words of whether the service is announced.
    fn is_announced(&self) -> Value {
        let asked = "curl -s --max-time 5 --abstract-unix-socket dsrload-run/eth0 \
                     http://localhost/api/v1/state";
        let state = self.0.lab.balancer.run(asked);
        let state: Value = serde_json::from_str(&state).expect("JSON");
        state["services"][0]["announced"].clone()
    }
}

fn links(host: &Host) -> String {
    host.run("ip -br link show")
}

#[test]
fn a_reload_moves_announcements_to_where_the_config_says() {
    let site = Site::new("reload", "");
    let agent = site.0.start();
    let load = Load::on(VIP).start(&site.0.lab.client);
    assert_eq!(site.is_announced(), Value::Null);

    // The device is made by a process that has given up most of its rights.
    site.reload(&agent, ANNOUNCE, "");
    until("the VIP is announced", || {
        site.route(3700).contains("dev dsrload0")
    });
    until("the agent says so", || site.is_announced() == true);

    let moved = "announce_device = \"lbvips\"\nannounce_table = 3701\nannounce_protocol = 202\n";
    site.reload(&agent, ANNOUNCE, moved);
    until("it is announced elsewhere", || {
        site.route(3701).contains("dev lbvips table 3701 proto 202")
    });
    assert_eq!(site.route(3700), "");
    assert!(!links(&site.0.lab.balancer).contains("dsrload0"));
    until("the agent says so", || site.is_announced() == true);

    // A name that is taken: told, and tried again until it is free.
    site.0.lab.balancer.ip("link add lbtaken type bridge");
    site.reload(&agent, ANNOUNCE, "announce_device = \"lbtaken\"\n");
    agent.says("there is an interface lbtaken already");
    agent.says(&format!("{VIP} is withdrawn"));
    until("the agent says so", || site.is_announced() == false);
    site.0.lab.balancer.ip("link del lbtaken");
    until("it is announced again", || {
        site.route(3700).contains("dev lbtaken")
    });

    site.reload(&agent, "", "");
    until("it is announced no more", || site.route(3700).is_empty());
    until("the agent says so", || site.is_announced().is_null());
    load.answers_everywhere();
    load.finish().is_flawless();
}

#[test]
fn a_second_process_with_the_same_device_is_told_before_anything_is_changed() {
    let site = Site::new("device", ANNOUNCE);
    let agent = site.0.start();
    until("the VIP is announced", || !site.route(3700).is_empty());
    let host = &site.0.lab.balancer;
    host.ip("link add eth1 type veth peer name far1
         link set eth1 up
         link set far1 up
         addr add 10.9.0.1/24 dev eth1");
    let other = |run: &str| {
        format!(
            "[balancer]\nmode = \"skb\"\n[service.other]\nvip = \"192.0.2.77\"\nports = \"80/tcp\"\n\
             announce = true\n[service.other.backends]\n\
             b = {{ ip = \"10.9.0.2\", mac = \"02:00:00:00:00:0b\" }}\n[run]\n{run}"
        )
    };
    let file = File::new("announce-device-other", &other(""));
    let run = site.0.dsrload.run(&format!("run eth1 -c {}", file.path()));
    run.exits(6)
        .says("there is an interface dsrload0 already")
        .says("`announce_device` in `[run]`");
    let eth1 = host.run("ip -d link show eth1");
    assert!(!eth1.contains("xdp"), "{eth1}");
    assert!(site.route(3700).contains("dev dsrload0"), "{}", agent.log());

    fs::write(file.path(), other("announce_device = \"dsrload1\"\n")).expect("the file");
    let second = Agent::spawn(&site.0.dsrload, &format!("eth1 -c {}", file.path()));
    second.says("192.0.2.77 is announced");
    let table = host.run("ip route show table 3700");
    assert!(table.contains("192.0.2.77 dev dsrload1"), "{table}");
    assert!(table.contains(&format!("{VIP} dev dsrload0")), "{table}");
    let (status, log) = second.end();
    assert!(status.success(), "{log}");
    assert!(site.route(3700).contains("dev dsrload0"), "{}", agent.log());
}

#[test]
fn routes_of_others_in_the_table_stay_and_are_told() {
    let site = Site::new("others", ANNOUNCE);
    let host = &site.0.lab.balancer;
    // An administrator's, and one of BIRD's.
    host.ip(&format!(
        "route add {VIP}/32 dev eth0 table 3700 protocol static
         route add 192.0.2.99/32 dev eth0 table 3700 protocol bird"
    ));
    let agent = site.0.start();
    agent.says(&format!(
        "announcement of {VIP}: table 3700 has another route to it"
    ));
    let log = agent.log();
    assert!(!log.contains("is announced"), "{log}");
    until("the agent says so", || site.is_announced() == false);
    assert!(
        site.route(3700).contains("dev eth0"),
        "{}",
        site.route(3700)
    );

    host.ip(&format!("route del {VIP}/32 table 3700"));
    agent.says(&format!("{VIP} is announced"));
    assert!(site.route(3700).contains("dev dsrload0"));
    until("the agent says so", || site.is_announced() == true);
    let (status, log) = agent.end();
    assert!(status.success(), "{log}");
    let table = host.run("ip route show table 3700");
    assert!(table.starts_with("192.0.2.99 dev eth0"), "{table}");
    assert_eq!(table.lines().count(), 1, "{table}");
}
