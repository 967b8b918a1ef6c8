//! `dsrload run` under faults: forwarding goes on, and what the process does about
//! them is what docs/RUN.md says.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lab::agent::{Agent, CHECK, Watched};
use lab::config::{File, both, generation, guards, until, web};
use lab::load::Load;
use lab::pass::PassProgram;
use lab::product::Product;
use lab::{BACKENDS, BALANCER_MAC, VIP};
use nix::sys::signal::Signal;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

fn site(test: &str, text: &str) -> Watched {
    Watched::new(DSRLOAD, &format!("faults-{test}"), text)
}

/// An agent that has found both of the lab's backends well.
fn started(site: &Watched) -> Agent {
    let agent = site.start();
    for backend in BACKENDS {
        agent.becomes(backend, "ready");
    }
    agent
}

/// The whole of it: killed for a minute, again and again, also while it starts.
#[test]
fn a_minute_of_kills_costs_no_request_and_leaves_nothing() {
    let site = site("kills", &web(CHECK, &both()));
    let balancer = &site.lab.balancer;
    let rules = || balancer.run("ip rule show");
    let before = rules();
    drop(started(&site));
    let load = Load::on(VIP).start(&site.lab.client);
    let start = Instant::now();
    let mut kills = 0;
    while start.elapsed() < Duration::from_secs(60) {
        let agent = Agent::spawn(&site.dsrload, &site.arguments());
        // At another moment of its start each time, and well after it.
        thread::sleep(Duration::from_millis(kills * 37 % 700));
        agent.kill();
        kills += 1;
    }
    load.answers_everywhere();
    load.finish().is_flawless();
    assert!(kills > 50, "{kills}");
    until("the processes that start programs are gone as well", || {
        guards(balancer).is_empty()
    });
    // The next one takes over what the last one left, and takes it along.
    let (status, log) = started(&site).end();
    assert!(status.success(), "{log}");
    assert_eq!(rules(), before);
    site.dsrload.answer("--unload eth0");
}

#[test]
fn an_interface_that_comes_back_is_loaded_again_with_its_tables() {
    let site = site("interface", &web(CHECK, &both()));
    let agent = started(&site);
    let balancer = &site.lab.balancer;
    let maps = site.dsrload.status().expect("it is loaded").maps("eth0");
    site.dsrload.answer("drain web/a");
    let before = generation(&site.dsrload);
    balancer.ip("link del eth0");
    agent.says("is gone with its interface");
    balancer.plug("eth0", BALANCER_MAC, &site.lab.switch, "balancer");
    site.lab.switch.ip("link set balancer master br0");
    balancer.ip("addr add 172.17.0.2/16 dev eth0");
    agent.says("eth0 is back: loaded again");
    let status = site.dsrload.status().expect("it is loaded");
    // Two are the program's own: its settings, and what links to its port.
    let kept = status.maps("eth0").intersection(&maps).count();
    assert_eq!(kept, maps.len() - 2);
    assert_eq!(generation(&site.dsrload), before + 1, "loading is a change");
    agent.becomes(BACKENDS[0], "drain");
    until("clients are served", || {
        let mut curl = site.lab.client.command("curl");
        let output = curl.args(["-s", "--max-time", "2", &format!("http://{VIP}/")]);
        let output = output.output().expect("curl");
        String::from_utf8_lossy(&output.stdout).contains("backend-b")
    });
    agent.becomes(BACKENDS[1], "ready");
}

/// Nothing of a stranger's is touched, and the process, which has nothing to look
/// after any more, ends.
#[test]
fn a_program_of_somebody_else_is_left_alone() {
    let site = site("stranger", &web(CHECK, &both()));
    let mut agent = started(&site);
    let balancer = &site.lab.balancer;
    let stranger = PassProgram::load("lab_foreign");
    let pin = "/sys/fs/bpf/lab_foreign";
    stranger.pin(balancer, pin);
    balancer.run(&format!(
        "ip -force link set dev eth0 xdpgeneric pinned {pin}"
    ));
    agent.says("eth0 has a program that is not dsrload's now: it is looked after no longer");
    let status = agent.wait();
    assert!(status.success(), "{}", agent.log());
    let link = balancer.run("ip -details link show dev eth0");
    assert!(
        link.contains(&format!("prog/xdp id {} ", stranger.id())),
        "{link}"
    );
}

/// As under the unit of systemd: without CAP_SYS_ADMIN the kernel shows nobody a
/// program that he has not pinned.
#[test]
fn a_program_of_somebody_else_on_another_interface_stops_no_start() {
    let site = site("neighbour", &web(CHECK, &both()));
    let balancer = &site.lab.balancer;
    balancer.ip("link add other type veth peer name far");
    let stranger = PassProgram::load("lab_foreign");
    let _attached = stranger.attach_generic(balancer, "other");
    let starter = Product::new(balancer, "setpriv");
    let arguments = format!(
        "--bounding-set=-sys_admin {DSRLOAD} run {}",
        site.arguments()
    );
    // Once to load, and once to find what is loaded.
    for _ in 0..2 {
        let agent = Agent::spawn_as(&site.dsrload, &starter, &arguments);
        for backend in BACKENDS {
            agent.becomes(backend, "ready");
        }
        let asked = starter.answer(&format!("--bounding-set=-sys_admin {DSRLOAD} status"));
        assert!(asked.contains("run: looked after"), "{asked}");
        let (status, log) = agent.end();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn a_log_that_nobody_takes_stops_nothing() {
    let site = site("log", &web(CHECK, &both()));
    drop(started(&site));
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("a full disk");
    let mut command = site.lab.balancer.command(DSRLOAD);
    command.arg("run").args(site.arguments().split(' '));
    command.stdout(std::process::Stdio::null()).stderr(full);
    let mut child = command.spawn().expect("dsrload");
    let is_looked_after = || site.dsrload.answer("status").contains("run: looked after");
    until("it is looked after", is_looked_after);
    site.lab.backends[0]
        .host
        .ip(&format!("addr del {VIP}/32 dev lo"));
    until("the backend is down", || {
        site.dsrload.answer("status").contains("172.17.0.3 down")
    });
    child.kill().expect("it is our child");
    child.wait().expect("it is our child");
}

/// More backends than descriptors, all of which accept and say nothing: who is not
/// asked is not down.
#[test]
fn without_descriptors_no_backend_goes_down() {
    let more =
        "check = { type = \"tcp\", every = \"300ms\", timeout = \"250ms\", path = \"real\" }\n";
    let site = site("descriptors", &web(more, &both()));
    // Enough to start, and for nothing besides.
    let limited = Product::new(&site.lab.balancer, "prlimit");
    let agent = Agent::spawn_as(
        &site.dsrload,
        &limited,
        &format!("--nofile=64 {DSRLOAD} run {}", site.arguments()),
    );
    for backend in BACKENDS {
        agent.becomes(backend, "ready");
    }
    let load = Load::on(VIP).start(&site.lab.client);
    let pid = nix::unistd::Pid::from_raw(agent.pid());
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("it lives")
        .count();
    let set = std::process::Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--nofile={}", open - 4)])
        .status();
    assert!(set.expect("prlimit").success());
    agent.says("are not made: this host");
    thread::sleep(Duration::from_secs(2));
    let status = site.dsrload.answer("status -j");
    assert!(!status.contains("\"state\": \"down\""), "{status}");
    load.answers_everywhere();
    load.finish().is_flawless();
}

/// 400 backends whose port opens and closes, 4,000 checks in a second; another
/// service is served meanwhile, and the process answers.
#[test]
fn a_storm_of_checks_disturbs_nobody() {
    let mut text = web("", &both());
    text += "\n[service.storm]\nvip = \"192.168.25.11\"\nports = \"81/tcp\"\ncheck = { type = \"tcp\", port = 8100, path = \"real\", every = \"100ms\", timeout = \"90ms\", rise = 1, fall = 1 }\n\n[service.storm.backends]\n";
    let names: Vec<String> = (0..400)
        .map(|nth| format!("172.17.{}.{}", 100 + nth / 200, 1 + nth % 200))
        .collect();
    for (nth, address) in names.iter().enumerate() {
        text += &format!("s{nth} = {{ ip = \"{address}\", mac = \"02:00:00:00:00:01\" }}\n");
    }
    let site = site("storm", &text);
    let target = &site.lab.backends[1].host;
    let batch: Vec<String> = names
        .iter()
        .map(|address| format!("addr add {address}/16 dev eth0"))
        .collect();
    target.ip(&batch.join("\n"));
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&is_over);
    let flapping = target.inside(|| {
        thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                let open = TcpListener::bind("0.0.0.0:8100").expect("a port");
                thread::sleep(Duration::from_millis(400));
                drop(open);
                thread::sleep(Duration::from_millis(400));
            }
        })
    });
    let agent = started(&site);
    let load = Load::on(VIP).start(&site.lab.client);
    let before = ticks(agent.pid());
    let start = Instant::now();
    let mut asked = 0;
    while start.elapsed() < Duration::from_secs(10) {
        assert!(agent.state().is_some(), "it answers:\n{}", agent.log());
        asked += 1;
    }
    let used = ticks(agent.pid()) - before;
    let share = used * 100 / u64::try_from(start.elapsed().as_millis()).expect("few") * 10;
    let mut out = std::io::stderr();
    let _ = writeln!(
        out,
        "4,000 checks a second: {share} % of a CPU in a debug build, {asked} times status"
    );
    load.answers_everywhere();
    load.finish().is_flawless();
    is_over.store(true, Ordering::SeqCst);
    flapping.join().expect("a thread of the test");
    let log = agent.log();
    assert!(
        log.contains("storm/s") && log.contains("were not written"),
        "{log}"
    );
}

/// Ticks of CPU time that a process has used: 100 in a second.
fn ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields[index].parse::<u64>().expect("a number");
    number(11) + number(12)
}

/// The kernel's news overflow while nobody reads; a MAC that changed among them is
/// found all the same.
#[test]
fn news_that_are_lost_are_looked_for() {
    let site = site("overrun", &web("", &both()));
    let agent = started(&site);
    let balancer = &site.lab.balancer;
    agent.signal(Signal::SIGSTOP);
    let mut batch = String::new();
    for nth in 0..6_000 {
        batch += &format!(
            "neigh replace 172.17.{}.{} lladdr 02:00:00:00:01:01 dev eth0\n",
            150 + nth / 250 % 50,
            1 + nth % 250
        );
    }
    let mac = "02:00:00:00:aa:02";
    batch += &format!(
        "neigh replace {} lladdr {mac} dev eth0 nud reachable\n",
        BACKENDS[0]
    );
    balancer.ip(&batch);
    agent.signal(Signal::SIGCONT);
    until("the new MAC is in the tables", || {
        site.dsrload.status().expect("it is loaded").macs()[BACKENDS[0]] == mac
    });
}

#[test]
fn a_hook_that_hangs_and_one_that_is_missing_stop_nothing() {
    let run = "\n[run]\nhook = [\"/bin/sleep\", \"100\"]\nhook_timeout = \"1s\"\n";
    let site = site("hook", &(web(CHECK, &both()) + run));
    let agent = started(&site);
    let host = &site.lab.backends[0].host;
    for _ in 0..3 {
        host.ip(&format!("addr del {VIP}/32 dev lo"));
        agent.becomes(BACKENDS[0], "down");
        host.ip(&format!("addr add {VIP}/32 dev lo"));
        agent.becomes(BACKENDS[0], "ready");
    }
    agent.says("hook");
    let missing = web(CHECK, &both()) + &run.replace("/bin/sleep", "/no/such/hook");
    fs::write(site.file.path(), missing).expect("the file");
    agent.signal(Signal::SIGHUP);
    agent.says("generation 2");
    host.ip(&format!("addr del {VIP}/32 dev lo"));
    agent.becomes(BACKENDS[0], "down");
    agent.says("/no/such/hook");
}

/// Health is the weather: changes of the operator's go on beside it, are undone
/// beside it, and it stands in none of them.
#[test]
fn an_apply_that_is_rolled_back_leaves_health_alone() {
    let site = site("rollback", &web(CHECK, &both()));
    let agent = started(&site);
    let host = &site.lab.backends[0].host;
    let other = both().replace("\"172.17.0.4\"", "{ ip = \"172.17.0.4\", weight = 5 }");
    let file = File::new("faults-rollback-other", &web(CHECK, &other));
    site.dsrload
        .answer(&format!("apply {} --confirm 3s", file.path()));
    // While it waits, a backend fails: that is not the operator's doing.
    host.ip(&format!("addr del {VIP}/32 dev lo"));
    agent.becomes(BACKENDS[0], "down");
    until("the apply is rolled back", || {
        site.dsrload.status().expect("it").backend(BACKENDS[1])["weight"] == 1
    });
    assert_eq!(agent.backend(BACKENDS[0]).0, "down");
    assert!(!site.dsrload.answer("export").contains("down"));
    host.ip(&format!("addr add {VIP}/32 dev lo"));
    agent.becomes(BACKENDS[0], "ready");
}
