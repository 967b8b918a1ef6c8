//! Checks by the backend's own path, through the real binary: over the segment and
//! inside tunnels; and this host's own settings, which are no backend's fault.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::agent::{Agent, CHECK};
use lab::behind::{FAR_BACKENDS, FAR_BACKENDS6};
use lab::config::{File, both, until, web};
use lab::product::Product;
use lab::web::curl;
use lab::{BACKENDS, BACKENDS6, Lab, VIP, VIP6};
use nix::sys::signal::Signal;
use std::fs;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// A service at this VIP, forwarded like this.
fn service(vip: &str, forward: &str, backends: &[&str]) -> String {
    let backends: String = (0..)
        .zip(backends)
        .map(|(nth, address)| format!("b{nth} = \"{address}\"\n"))
        .collect();
    format!(
        "[balancer]\nmode = \"skb\"\n\n[service.web]\nvip = \"{vip}\"\nports = \"80/tcp\"\nforward = \"{forward}\"\n{CHECK}\n[service.web.backends]\n{backends}"
    )
}

/// Without the VIP, or without whoever ends the tunnel, a backend is down, and back
/// with it.
fn tunnel_is_checked(test: &str, vip: &str, forward: &str, backends: [&str; 2]) {
    let lab = Lab::seed();
    let behind = lab.behind(1600);
    let [decap, _] = behind.decap(DSRLOAD, "skb", &[]);
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let file = File::new(test, &service(vip, forward, &backends));
    let agent = Agent::start(&dsrload, &format!("eth0 -c {}", file.path()));
    for backend in backends {
        agent.becomes(backend, "ready");
    }
    let bits = if vip.contains(':') { 128 } else { 32 };
    let host = &behind.backends[0].host;
    host.ip(&format!("addr del {vip}/{bits} dev lo"));
    agent.becomes_for(backends[0], "down", "check http");
    host.ip(&format!("addr add {vip}/{bits} dev lo"));
    agent.becomes(backends[0], "ready");
    // Somebody removes what checks leave by: it comes back, and nobody is down for long.
    lab.balancer.ip("link del dsrload0c");
    until("the interface comes back", || {
        lab.balancer.run("ip link show").contains("dsrload0c")
    });
    for backend in backends {
        agent.becomes(backend, "ready");
    }
    decap.answer("--unload eth0");
    agent.becomes_for(backends[0], "down", "check http");
    behind.decap_again(DSRLOAD, "skb", "");
    agent.becomes(backends[0], "ready");
    assert_eq!(agent.backend(backends[1]).0, "ready");
    let (status, log) = agent.end();
    assert!(status.success(), "{log}");
}

#[test]
fn checks_go_through_an_ipip_tunnel() {
    tunnel_is_checked("checks-ipip", VIP, "ipip", FAR_BACKENDS);
}

#[test]
fn checks_go_through_a_gue_tunnel_of_ipv6() {
    tunnel_is_checked("checks-gue", VIP6, "gue", FAR_BACKENDS6);
}

/// A check that is made once in a long time is not made anew because another service
/// has come.
#[test]
fn a_check_through_a_tunnel_goes_on_when_others_change() {
    let lab = Lab::seed();
    let behind = lab.behind(1600);
    let decaps = behind.decap(DSRLOAD, "skb", &[]);
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let seldom = CHECK.replace("200ms", "100s").replace("150ms", "10s");
    let first = service(VIP, "ipip", &FAR_BACKENDS).replace(CHECK, &seldom);
    let first = first + "\n[run]\nlisten = \"127.0.0.1:9111\"\n";
    let file = File::new("checks-kept", &first);
    let agent = Agent::start(&dsrload, &format!("eth0 -c {}", file.path()));
    // How often each has succeeded.
    let made = || -> Vec<String> {
        let fetched = curl(&lab.balancer, &["http://127.0.0.1:9111/metrics"]);
        let lines = fetched.lines().into_iter();
        let is_ours = |line: &&str| {
            line.starts_with("dsrload_check_results_total{service=\"web\"")
                && line.contains("success")
        };
        lines.filter(is_ours).map(str::to_owned).collect()
    };
    until("each has been made", || {
        let made = made();
        made.len() == 2 && made.iter().all(|line| !line.ends_with(" 0"))
    });
    // Those that were made while there was no tunnel yet are over by then.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let before = made();
    let other = format!(
        "\n[service.www]\nvip = \"192.168.25.11\"\nports = \"80/tcp\"\n{}\n[service.www.backends]\nc = \"{}\"\n",
        CHECK.replace("rise", "path = \"real\", rise"),
        BACKENDS[0]
    );
    fs::write(file.path(), first + &other).expect("the file");
    agent.signal(Signal::SIGHUP);
    agent.becomes(BACKENDS[0], "ready");
    // One that began anew would have been made in the first second, and is told a second later.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(made(), before);
    drop(decaps);
}

#[test]
fn an_ipv6_vip_is_checked_by_the_backends_own_mac() {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let file = File::new("checks-v6", &service(VIP6, "l2", &BACKENDS6));
    let agent = Agent::start(&dsrload, &format!("eth0 -c {}", file.path()));
    for backend in BACKENDS6 {
        agent.becomes(backend, "ready");
    }
    let host = &lab.backends[0].host;
    host.ip(&format!("addr del {VIP6}/128 dev lo"));
    agent.becomes_for(BACKENDS6[0], "down", "check http");
    host.ip(&format!("addr add {VIP6}/128 dev lo"));
    agent.becomes(BACKENDS6[0], "ready");
}

/// This host refuses the answers: no backend is down for that, the operator is told
/// what to do, and when that is done a lost VIP is found again.
#[test]
fn a_false_alarm_of_the_balancers_own_is_told_with_its_remedy() {
    let lab = Lab::seed();
    let balancer = &lab.balancer;
    balancer.set("ipv4/conf/all/rp_filter", "1");
    // The way to the VIP leads elsewhere than to the backends.
    balancer.ip("link add other type veth peer name far
         link set other up
         addr add 198.51.100.1/24 dev other
         route add 192.168.25.0/24 dev other");
    let dsrload = Product::new(balancer, DSRLOAD);
    let file = File::new("checks-filter", &web(CHECK, &both()));
    let agent = Agent::start(&dsrload, &format!("eth0 -c {}", file.path()));
    for backend in BACKENDS {
        agent.becomes(backend, "ready");
    }
    let remedy = "sysctl -w net.ipv4.conf.eth0.rp_filter=2";
    agent.says(remedy);
    until("status says so as well", || {
        dsrload.answer("status").contains(remedy)
    });
    let host = &lab.backends[0].host;
    host.ip(&format!("addr del {VIP}/32 dev lo"));
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(
        agent.backend(BACKENDS[0]).0,
        "ready",
        "its own address answers"
    );
    balancer.run(remedy);
    agent.signal(Signal::SIGHUP);
    agent.becomes_for(BACKENDS[0], "down", "check http");
}

/// All kinds of checks at once, inside the fences that the process has put around
/// itself.
#[test]
fn every_kind_of_check_is_made_by_the_confined_process() {
    let lab = Lab::seed();
    let text = |name: &str, vip: &str, ports: &str, check: &str| {
        format!(
            "[service.{name}]\nvip = \"{vip}\"\nports = \"{ports}\"\ncheck = {{ {check}, path = \"real\", every = \"300ms\", timeout = \"250ms\" }}\n\n[service.{name}.backends]\nb = \"{}\"\n\n",
            BACKENDS[0]
        )
    };
    let mut config = "[balancer]\nmode = \"skb\"\n\n".to_owned();
    config += &text("a-tcp", "192.0.2.1", "80/tcp", "type = \"tcp\"");
    config += &text("b-http", "192.0.2.2", "80/tcp", "type = \"http\"");
    config += &text(
        "c-https",
        "192.0.2.3",
        "80/tcp",
        "type = \"https\", verify = false",
    );
    config += &text("d-udp", "192.0.2.4", "5000/udp", "type = \"udp\"");
    config += &text("e-dns", "192.0.2.5", "5000/udp", "type = \"dns\"");
    config += &text(
        "f-exec",
        "192.0.2.6",
        "80/tcp",
        "type = \"exec\", command = [\"/bin/sh\", \"-c\", \"test $DSRLOAD_ADDRESS = 172.17.0.3\"]",
    );
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let file = File::new("checks-kinds", &config);
    let agent = Agent::start(&dsrload, &format!("eth0 -c {}", file.path()));
    let told = |agent: &Agent| -> Vec<(String, String)> {
        let state = agent.state().unwrap_or_default();
        let services = state["services"].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let backend = |service: &serde_json::Value| {
            let backend = &service["backends"][0];
            (text(&backend["state"]), text(&backend["reason"]))
        };
        services.iter().map(backend).collect()
    };
    // Nobody speaks TLS there, and nobody listens for datagrams.
    let wanted = [
        ("ready", ""),
        ("ready", ""),
        ("down", "check https: TLS"),
        ("down", "check udp: connection refused"),
        ("down", "check dns: connection refused"),
        ("ready", ""),
    ];
    until("all have said what they have to say", || {
        let told = told(&agent);
        told.len() == wanted.len()
            && told.iter().zip(&wanted).all(|((state, reason), wanted)| {
                state == wanted.0 && (reason.contains(wanted.1) && reason != "not checked yet")
            })
    });
}
