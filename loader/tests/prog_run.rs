//! The program as it ships, in the kernel, by `BPF_PROG_TEST_RUN`: every
//! fixture, and thousands of frames that nobody thought of, against the host
//! build of the same logic.
//!
//! Needs root. Nothing is attached; all is gone when the process ends.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[path = "../../xdp-prog/tests/packets/generator.rs"]
mod generator;
#[path = "../../xdp-prog/tests/packets/mod.rs"]
mod packets;

#[allow(dead_code, reason = "other tests take more of it")]
#[path = "prog_run/subject.rs"]
mod subject;
#[path = "prog_run/trace.rs"]
mod trace;
#[path = "prog_run/verifier.rs"]
mod verifier;

use generator::Generator;
use packets::check::check;
use packets::fixture::{self, Fixture};
use packets::flow;
use packets::site::{LAST_DESTINATION, Site};
use packets::snapshot::{Snapshot, counter};
use packets::subject::{Host, Place, Subject, epoch};
use packets::value::action_name;
use packets::world::World;
use std::path::Path;
use subject::{Kernel, cpus, longest, stay_on};
use xdp_prog::tables::Tables;

const FRAMES: usize = 20_000;

/// Any number; the frames are the same in every run.
const SEED: u64 = 0x00be_11fa_11b0_7b1e;

/// The kernel takes no frame for a test that is shorter than this: EINVAL.
const SHORTEST: usize = 14;

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-prog/tests/fixtures");
    fixture::read_all(&folder).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_fixture_holds_in_the_kernel_and_on_the_host() {
    let world = World::new();
    let mut kernel = Kernel::load(cpus()[0]);
    let mut failures = Vec::new();
    for fixture in fixtures() {
        let lengths = fixture.steps.iter().map(|step| step.frame.len());
        let mut host = Host::at_epoch(0);
        if let Err(failure) = check(&mut host, &world, &fixture) {
            failures.push(format!("on the host: {failure}"));
        }
        let takes = SHORTEST..=longest();
        if lengths.clone().all(|length| takes.contains(&length)) {
            if let Err(failure) = check(&mut kernel, &world, &fixture) {
                failures.push(format!("in the kernel: {failure}"));
            }
        } else {
            // A frame that only the host build can be shown.
            assert_eq!(lengths.count(), 1, "{}", fixture.name);
            let answer = kernel.ask(&mut fixture.steps[0].frame.clone());
            let refusal = answer.expect_err("the kernel takes it: so must the test");
            assert_eq!(
                refusal.raw_os_error(),
                Some(libc::EINVAL),
                "{}",
                fixture.name
            );
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn the_kernel_and_the_host_agree_on_frames_that_nobody_thought_of() {
    let mut generator = Generator::new(SEED, &fixtures());
    let mut kernel = Kernel::load(cpus()[0]);
    let mut host = Host::at_epoch(0);
    let world = World::new();
    world.fill(&kernel);
    world.fill(&host);
    for n in 0..FRAMES {
        let mut frame = generator.frame();
        while frame.len() < SHORTEST {
            frame = generator.frame();
        }
        agree(&mut kernel, &mut host, &frame)
            .unwrap_or_else(|fault| panic!("frame {n}: {fault}\nin:  {frame:02x?}"));
    }
    let [kernel, host] = [Snapshot::of(kernel.tables()), Snapshot::of(host.tables())];
    assert!(
        kernel == host,
        "in the kernel:\n{kernel}on the host:\n{host}"
    );
    assert!(host.flows.len() > 1000, "only {} flows", host.flows.len());
}

/// Gives the same frame to both, in the same epoch.
fn agree(kernel: &mut Kernel, host: &mut Host, frame: &[u8]) -> Result<(), String> {
    let flow = flow::of(frame).and_then(|seen| seen.flow);
    let bucket = flow.and_then(|flow| {
        let (service, _) = Site::of(&flow)?;
        Some(Place::of(&flow, &Site::hashed(service), host.tables()).bucket)
    });
    let before = Part::of(kernel.tables(), bucket);

    let mut from_kernel = frame.to_vec();
    let mut action;
    let mut now;
    loop {
        now = epoch(kernel)?;
        action = kernel.run(&mut from_kernel);
        if epoch(kernel)? == now {
            break;
        }
        before.restore(kernel.tables(), bucket);
        from_kernel = frame.to_vec();
    }
    // As many probes on the host: they are counted.
    host.set_epoch(now);
    epoch(host)?;
    let mut from_host = frame.to_vec();
    let host_action = host.run(&mut from_host);
    epoch(host)?;

    if action != host_action {
        let [kernel, host] = [action, host_action].map(action_name);
        return Err(format!("{kernel} in the kernel, {host} on the host"));
    }
    if from_kernel != from_host {
        return Err(format!(
            "{from_kernel:02x?}\nin the kernel, {from_host:02x?}\non the host"
        ));
    }
    let parts = [
        Part::of(kernel.tables(), bucket),
        Part::of(host.tables(), bucket),
    ];
    if parts[0] != parts[1] {
        return Err(format!(
            "the tables in the kernel and on the host: {parts:#?}"
        ));
    }
    Ok(())
}

/// What one packet can change.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    bucket: Vec<u64>,
    counters: Vec<[u64; 4]>,
    outcomes: Vec<u64>,
}

impl Part {
    fn of(tables: &impl Tables, bucket: Option<u32>) -> Self {
        let words = |bucket| {
            tables
                .bucket(bucket)
                .0
                .iter()
                .map(|word| word.get())
                .collect()
        };
        Self {
            bucket: bucket.map(words).unwrap_or_default(),
            counters: (0..=LAST_DESTINATION)
                .map(|number| counter(tables, number))
                .collect(),
            outcomes: tables.outcomes().0.iter().map(|word| word.get()).collect(),
        }
    }

    /// Puts back what was there.
    fn restore(&self, tables: &impl Tables, bucket: Option<u32>) {
        if let Some(bucket) = bucket {
            let words = tables.bucket(bucket).0.iter();
            words
                .zip(&self.bucket)
                .for_each(|(word, old)| word.set(*old));
        }
        for (number, [packets, bytes, connections, untracked]) in (0..).zip(&self.counters) {
            let counter = tables.counter(number);
            counter.packets.set(*packets);
            counter.bytes.set(*bytes);
            counter.connections.set(*connections);
            counter.untracked.set(*untracked);
        }
        let words = tables.outcomes().0.iter();
        words
            .zip(&self.outcomes)
            .for_each(|(word, old)| word.set(*old));
    }
}

#[test]
fn each_cpu_counts_in_rows_of_its_own() {
    let world = World::new();
    let fixtures = fixtures();
    let named = |name: &str| {
        let found = fixtures.iter().find(|fixture| fixture.name == name);
        found.expect("the fixture").steps[0].frame.clone()
    };
    let mut kernel = Kernel::load(cpus()[0]);
    for cpu in cpus() {
        kernel.look_at(cpu);
        world.fill(&kernel);
    }
    for (n, cpu) in (1..).zip(cpus()) {
        stay_on(cpu);
        for _ in 0..n {
            kernel.run(&mut named("tcp_data.pkt"));
            kernel.run(&mut named("unknown_port_tcp.pkt"));
        }
    }
    for (n, cpu) in (1..).zip(cpus()) {
        kernel.look_at(cpu);
        let row = Part::of(kernel.tables(), None);
        let forwarded: u64 = row.counters.iter().map(|[packets, ..]| packets).sum();
        let refused: u64 = row.outcomes.iter().sum();
        assert_eq!((forwarded, refused), (n, n), "on CPU {cpu}");
    }
}
