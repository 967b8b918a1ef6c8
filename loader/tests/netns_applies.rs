//! Twenty random applies, one after the other, of a config with six services while
//! all of them are asked without a pause: nobody notices.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

mod applies;
#[allow(dead_code, reason = "each test binary uses its part of the dice")]
#[path = "connections/dice.rs"]
mod dice;
#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use std::collections::BTreeSet;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use applies::{CHANGES, Config, Vips};
use dice::Dice;
use lab::behind::{Behind, FAR_BACKENDS, FAR_BACKENDS6};
use lab::config::File;
use lab::datagram::{Echo, Flow};
use lab::deadline::wait_until;
use lab::host::Host;
use lab::load::{Load, Report, Running};
use lab::product::{Product, Stats};
use lab::{BACKENDS, BACKENDS6, BALANCER, Backend, Lab, VIP, VIP6};

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// Of the changes: the same in every run, unless the environment has another in
/// `APPLIES_SEED`.
const SEED: u64 = 0x51c5_ea71_0a99_11e5;

const APPLIES: usize = 20;

const VIPS: Vips = Vips {
    v4: VIP,
    v6: VIP6,
    several: ["192.168.25.11", "192.168.25.12"],
    tunnel: "192.168.25.13",
};

/// What is asked by TCP, and a service's address as `stats` tells it.
const TARGETS: [(&str, &str); 6] = [
    ("192.168.25.10:80", "192.168.25.10:80/tcp"),
    ("[2001:db8:25::10]:80", "[2001:db8:25::10]:80/tcp"),
    ("192.168.25.10:8080", "192.168.25.10:*/tcp"),
    ("192.168.25.11:80", "192.168.25.11:80/tcp"),
    ("192.168.25.12:8080", "192.168.25.11:80/tcp"),
    ("192.168.25.13:80", "192.168.25.13:80/tcp"),
];

/// The service of datagrams.
const NAMES: &str = "192.168.25.10:53/udp";

/// Short connections to each target, at least: after each apply, three of each are
/// waited for.
const LEAST: usize = 3 * APPLIES;

#[test]
fn nobody_notices_twenty_random_applies_of_a_config_with_six_services() {
    let seed = env::var("APPLIES_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    eprintln!("APPLIES_SEED={seed}");
    let mut dice = Dice::new(seed, 0);
    let site = Site::new();
    let near = [
        [BACKENDS[0], BACKENDS[1], site.third.address],
        [BACKENDS6[0], BACKENDS6[1], "2001:db8:17::6"],
    ];
    let config = Config::new(&VIPS, near, [FAR_BACKENDS[0], FAR_BACKENDS6[1]]);
    let file = File::new("applies-first", &config.text());
    let dsrload = &site.dsrload;
    dsrload.run(&format!("eth0 -c {}", file.path())).exits(0);

    let mut traffic = vec![Traffic::start(&site.lab.client, true)];
    let config = apply_at_random(&site, config, &mut dice, &mut traffic);
    let mut counts = traffic.into_iter().map(Traffic::finish);
    let (mut reports, questions) = counts.next().expect("the first wave");
    reports.extend(counts.flat_map(|(reports, _)| reports));
    all_is_counted(&dsrload.stats(), &reports, questions);

    // Where all of it led to can be loaded as it is.
    let export = File::new("applies-export", &dsrload.answer("export"));
    let check = format!("check {}", export.path());
    assert!(dsrload.answer(&check).contains("no error"));
    let again = format!("apply {}", export.path());
    assert_eq!(dsrload.answer(&again), "nothing to do\n", "{config:?}");
}

/// Applies one config after the other; the last one.
fn apply_at_random(
    site: &Site,
    mut config: Config,
    dice: &mut Dice,
    traffic: &mut Vec<Traffic>,
) -> Config {
    let mut before = Seen::of(&site.dsrload);
    let mut deck = Vec::new();
    for number in 1..=APPLIES {
        let old = config.clone();
        if deck.is_empty() {
            deck = CHANGES.to_vec();
            dice.shuffle(&mut deck);
        }
        // Each kind comes up, and often together with others.
        let mut changes = vec![deck.pop().expect("a kind")];
        while dice.chance(40) {
            changes.push(dice.pick(&CHANGES));
        }
        for (_, change) in &changes {
            change(&mut config, dice);
        }
        let names: Vec<_> = changes.iter().map(|(name, _)| name).collect();
        eprintln!("apply {number}: {names:?}");

        let file = File::new(&format!("applies-{number}"), &config.text());
        let answer = site.dsrload.answer(&format!("apply {}", file.path()));
        eprintln!("{answer}");
        traffic.iter().for_each(Traffic::goes_on);
        let now = Seen::of(&site.dsrload);
        let text = config.text();
        let is_same = (
            config.content() == old.content(),
            config.meaning() == old.meaning(),
        );
        let was_told_same = (answer == "nothing to do\n", now.digest == before.digest);
        assert_eq!(was_told_same, is_same, "{text}");
        assert_eq!(now.generation == before.generation, is_same.0, "{text}");
        let plan = site.dsrload.answer(&format!("plan {}", file.path()));
        assert!(plan.starts_with("nothing to do"), "{plan}\n{text}");
        now.goes_on_from(&before);
        before = now;
        config.is_applied(dice);
        // Connections that begin among the changes, and stay.
        if number % 7 == 0 {
            traffic.push(Traffic::start(&site.lab.client, false));
        }
    }
    config
}

/// The hosts.
struct Site {
    lab: Lab,
    third: Backend,
    _behind: Behind,
    _echoes: Vec<Echo>,
    dsrload: Product,
}

impl Site {
    fn new() -> Self {
        let lab = Lab::seed();
        let third = lab.third_backend();
        let behind = lab.behind(1500);
        let near: Vec<&Backend> = lab.backends.iter().chain([&third]).collect();
        for vip in VIPS.several {
            for backend in &near {
                backend.host.ip(&format!("addr add {vip}/32 dev lo"));
            }
        }
        for backend in &behind.backends {
            backend
                .host
                .ip(&format!("addr add {}/32 dev lo", VIPS.tunnel));
        }
        for vip in VIPS.several.iter().chain([&VIPS.tunnel]) {
            lab.client.ip(&format!("route add {vip}/32 via {BALANCER}"));
        }
        behind.decap(DSRLOAD, "skb", &[]);
        let echoes = near.iter().map(|b| Echo::start(&b.host, VIP, 53)).collect();
        let dsrload = Product::new(&lab.balancer, DSRLOAD);
        Self {
            lab,
            third,
            _behind: behind,
            _echoes: echoes,
            dsrload,
        }
    }
}

/// What is told between two applies.
struct Seen {
    stats: Stats,
    digest: String,
    generation: u64,
}

impl Seen {
    fn of(dsrload: &Product) -> Self {
        let export = dsrload.answer("export");
        let mut lines = export.lines();
        let digest = lines.find_map(|line| line.strip_prefix("# digest "));
        let digest = digest.expect("an export has one").to_owned();
        assert_eq!(digest, lab::config::digest(dsrload));
        Self {
            stats: dsrload.stats(),
            digest,
            generation: lab::config::generation(dsrload),
        }
    }

    /// Panics unless all counters went on, and each service was used.
    fn goes_on_from(&self, before: &Self) {
        self.stats.is_not_behind(&before.stats);
        for address in TARGETS.map(|(_, address)| address).iter().chain([&NAMES]) {
            let (was, is) = (
                before.stats.of_service(address),
                self.stats.of_service(address),
            );
            assert!(is.0 > was.0, "packets of {address}: {was:?}, {is:?}");
            let opened = *address == NAMES || is.1 > was.1;
            assert!(opened, "connections of {address}: {was:?}, {is:?}");
        }
    }
}

/// All that the client sends.
struct Traffic {
    loads: Vec<Running>,
    datagrams: Option<Datagrams>,
}

impl Traffic {
    /// Long connections, and with `short` short ones and datagrams as well.
    fn start(client: &Host, short: bool) -> Self {
        let loads = TARGETS.map(|(target, _)| Load {
            target: target.to_owned(),
            long: 6,
            pause: Duration::from_millis(20),
            short_per_second: if short { 20 } else { 0 },
            ..Load::on(VIP)
        });
        Self {
            loads: loads.map(|load| load.start(client)).into(),
            datagrams: short.then(|| Datagrams::start(client)),
        }
    }

    /// Waits until everyone has asked and been answered, from now on.
    fn goes_on(&self) {
        self.loads.iter().for_each(Running::answers_everywhere);
        self.datagrams.iter().for_each(Datagrams::goes_on);
    }

    /// Panics if anyone was not answered; what was sent otherwise.
    fn finish(self) -> (Vec<Report>, u64) {
        let questions = self.datagrams.map_or(0, Datagrams::finish);
        let reports: Vec<Report> = self.loads.into_iter().map(Running::finish).collect();
        for (report, (target, _)) in reports.iter().zip(TARGETS) {
            eprintln!("{target}: {report:?}");
        }
        reports.iter().for_each(Report::loses_no_connection);
        (reports, questions)
    }
}

/// Datagrams that are answered.
struct Datagrams {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

impl Datagrams {
    fn start(client: &Host) -> Self {
        let (stop, rounds) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (host, stopped, done) = (client.clone(), Arc::clone(&stop), Arc::clone(&rounds));
        let thread = thread::spawn(move || ask(&host, &stopped, &done));
        let datagrams = Self {
            stop,
            rounds,
            thread,
        };
        datagrams.goes_on();
        datagrams
    }

    fn goes_on(&self) {
        // The round that is on may have begun before.
        let enough = self.rounds.load(Ordering::SeqCst) + 2;
        wait_until("datagrams to be answered", || {
            assert!(!self.thread.is_finished(), "a datagram was not answered");
            self.rounds.load(Ordering::SeqCst) >= enough
        });
    }

    /// How many datagrams were sent; all were answered.
    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("every datagram to be answered")
    }
}

/// Twenty flows that last, and a new one in each round.
fn ask(client: &Host, stopped: &AtomicBool, rounds: &AtomicU64) -> u64 {
    let open = || {
        let flow = Flow::open(client, VIP, 53);
        let name = flow.ask(b"first");
        (flow, name)
    };
    let lasting: Vec<_> = (0..20).map(|_| open()).collect();
    let mut sent = lasting.len() as u64;
    while !stopped.load(Ordering::SeqCst) {
        for (flow, name) in lasting.iter().chain([&open()]) {
            assert_eq!(flow.ask(b"again"), *name, "another backend");
            sent += 1;
        }
        sent += 1;
        rounds.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(20));
    }
    sent
}

/// Panics unless everything that was sent is in the counters, and nothing else.
fn all_is_counted(stats: &Stats, reports: &[Report], questions: u64) {
    assert_eq!(stats.dropped(), [].into());
    assert_eq!(stats.of_service(NAMES).0, questions);
    // Of the first wave, which was there from the first to the last apply.
    for (report, (target, _)) in reports.iter().zip(TARGETS) {
        assert!(report.short.ok >= LEAST, "{target}: {report:?}");
        let used = report.long.by_backend.keys();
        let used = used.chain(report.short.by_backend.keys());
        let used: BTreeSet<_> = used.collect();
        assert!(used.len() > 1, "{target}: {report:?}");
    }
    for (_, address) in TARGETS {
        let waves = reports.iter().zip(TARGETS.iter().cycle());
        let of_service = waves.filter(|(_, target)| target.1 == address);
        let opened =
            of_service.map(|(report, _)| report.long.connections() + report.short.connections());
        let opened = opened.sum::<usize>() as u64;
        // A connection request that is sent again counts twice.
        let again = reports.iter().map(|report| report.retransmitted).max();
        let counted = stats.of_service(address).1;
        let bounds = opened..=opened + again.unwrap_or(0);
        assert!(
            bounds.contains(&counted),
            "{address}: {counted} of {bounds:?}"
        );
    }
}
