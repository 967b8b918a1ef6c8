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

use dsrload::EMBEDDED;
use dsrload::datapath;
use dsrload::datapath::program::{Loaded, Maker};
use dsrload::object::Spec;
use dsrload::sys::bpf::{BPF_ANY, TestRun, map_lookup, map_update, test_run};
use generator::Generator;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use packets::check::check;
use packets::fixture::{self, Fixture, action_name};
use packets::flow;
use packets::snapshot::Snapshot;
use packets::subject::{Host, Place, Subject, epoch};
use packets::world::{INTERFACE, OTHER_PORT, PORT, World};
use std::io;
use std::path::Path;
use xdp_prog::abi::word::{Word16, Word32};
use xdp_prog::abi::{Bucket, Control, Counter, Destination, OutcomeRow, Port, Service, Settings};
use xdp_prog::tables::Tables;

const FRAMES: usize = 20_000;

/// Any number; the frames are the same in every run.
const SEED: u64 = 0x00be_11fa_11b0_7b1e;

/// The kernel takes no frame for a test that is shorter than this: EINVAL.
const SHORTEST: usize = 14;

/// What fits one buffer of a test run on x86-64: a page less the headroom of
/// XDP (256) and `struct skb_shared_info` (320).
const ONE_BUFFER: usize = 3520;

/// Since this release the rest of a longer frame goes into further buffers, 17
/// pages at most (found on 6.18: 73,152 bytes are taken, one more is ENOMEM).
/// That is more than the largest IP packet. The program sees the first buffer.
const FURTHER_BUFFERS_SINCE: (u32, u32) = (5, 18);

/// The shipped program with tables of its own.
struct Kernel {
    loaded: Loaded,
    tables: KernelTables,
}

/// Its tables, mapped. What has a row for each CPU is that of one CPU.
struct KernelTables {
    settings: Settings,
    all: datapath::Tables,
    cpu: usize,
}

impl Kernel {
    /// Loads it, and keeps this thread on `cpu`: counters are per CPU, and
    /// test runs run where they are asked for.
    fn load(cpu: usize) -> Self {
        stay_on(cpu);
        let spec = Spec::parse(EMBEDDED).expect("the embedded object");
        let all = datapath::Tables::create(&spec).expect("tables; this test needs root");
        let maker = Maker::new(&spec, &all).expect("the clock");
        let loaded = maker.make(u32::from(PORT)).expect("the program");

        let devices = all.devices().expect("the device map");
        let other = u32::from(OTHER_PORT).to_ne_bytes();
        map_update(devices, &other, &INTERFACE.to_ne_bytes(), BPF_ANY).expect("lo as a device");

        let mut bytes = [0; size_of::<Settings>()];
        let read = map_lookup(&loaded.settings, &0_u32.to_ne_bytes(), &mut bytes);
        assert!(read.expect("the settings"), "there are none");
        let settings = Settings::from_bytes(&bytes).expect("settings of ours");
        Self {
            loaded,
            tables: KernelTables { settings, all, cpu },
        }
    }

    /// What the program does with a frame, or why the kernel does not give it
    /// the frame.
    fn ask(&self, frame: &mut Vec<u8>) -> io::Result<u32> {
        let mut after = vec![0; frame.len()];
        let TestRun { verdict, len } = test_run(&self.loaded.program, frame, &mut after)?;
        after.truncate(len);
        *frame = after;
        Ok(verdict)
    }
}

impl Subject for Kernel {
    type Tables = KernelTables;

    fn tables(&self) -> &KernelTables {
        &self.tables
    }

    fn run(&mut self, frame: &mut Vec<u8>) -> u32 {
        let length = frame.len();
        self.ask(frame)
            .unwrap_or_else(|error| panic!("BPF_PROG_TEST_RUN of {length} bytes: {error}"))
    }
}

/// An entry, found as the program finds it.
fn at<T>(entries: &[T], index: u32, mask: u32) -> &T {
    &entries[(index & mask) as usize]
}

impl Tables for KernelTables {
    fn settings(&self) -> &Settings {
        &self.settings
    }
    fn control(&self) -> &Control {
        self.all.control()
    }
    fn port(&self) -> &Port {
        &self.all.ports.entries()[usize::from(PORT)]
    }
    fn service(&self, copy: u32, place: u32) -> &Service {
        let mask = self.settings.service_mask.get();
        let (first, second) = self.all.services.entries().split_at(mask as usize + 1);
        at(if copy == 0 { first } else { second }, place, mask)
    }
    fn displacement(&self, copy: u32, index: u32) -> &Word16 {
        let mask = self.settings.displacement_mask.get();
        let (first, second) = self.all.displacements.entries().split_at(mask as usize + 1);
        at(if copy == 0 { first } else { second }, index, mask)
    }
    fn slot(&self, index: u32) -> &Word32 {
        let slots = self.all.slots.entries();
        at(slots, index, self.settings.slot_mask.get())
    }
    fn destination(&self, number: u16) -> &Destination {
        &self.all.destinations.entries()[usize::from(number)]
    }
    fn bucket(&self, index: u32) -> &Bucket {
        let buckets = self.all.flows.entries();
        at(buckets, index, self.settings.bucket_mask.get())
    }
    fn counter(&self, destination: u16) -> &Counter {
        let row = self.cpu << self.settings.destination_bits.get();
        &self.all.counters.entries()[row + usize::from(destination)]
    }
    fn outcomes(&self) -> &OutcomeRow {
        &self.all.outcomes.entries()[self.cpu]
    }
    fn ticks(&self) -> u64 {
        panic!("the kernel's clock cannot be read from here")
    }
    fn redirect(&self, port: u16) -> u32 {
        panic!("only the kernel can redirect to port {port}")
    }
}

/// The CPUs that this process may run on.
fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("the CPUs");
    let cpus = 0..CpuSet::count();
    cpus.filter(|&cpu| allowed.is_set(cpu) == Ok(true))
        .collect()
}

fn stay_on(cpu: usize) {
    let mut one = CpuSet::new();
    one.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &one).expect("stay on one CPU");
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-prog/tests/fixtures");
    fixture::read_all(&folder).unwrap_or_else(|error| panic!("{error}"))
}

/// The longest frame that this kernel takes for a test.
fn longest() -> usize {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    let release = release.expect("the kernel's release");
    let mut numbers = release.split('.').map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < FURTHER_BUFFERS_SINCE {
        ONE_BUFFER
    } else {
        usize::MAX
    }
}

#[test]
fn every_fixture_holds_in_the_kernel_and_on_the_host() {
    let world = World::new();
    let mut kernel = Kernel::load(cpus()[0]);
    let mut failures = Vec::new();
    for fixture in fixtures() {
        let length = fixture.frame.len();
        let mut host = Host::at_epoch(0);
        if let Err(failure) = check(&mut host, &world, &fixture) {
            failures.push(format!("on the host: {failure}"));
        }
        if (SHORTEST..=longest()).contains(&length) {
            if let Err(failure) = check(&mut kernel, &world, &fixture) {
                failures.push(format!("in the kernel: {failure}"));
            }
        } else {
            // A frame that only the host build can be shown.
            let answer = kernel.ask(&mut fixture.frame.clone());
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
    world.fill(kernel.tables());
    world.fill(host.tables());
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
    let flow = flow::of(frame);
    let bucket = flow.map(|flow| Place::of(&flow, host.tables()).bucket);
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

/// Destinations that are compared after each frame: more than the world has.
const LAST_DESTINATION: u16 = 31;

/// What one packet can change.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    bucket: Vec<u64>,
    counters: Vec<[u64; 3]>,
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
        let count = |number| {
            let counter = tables.counter(number);
            [&counter.packets, &counter.bytes, &counter.connections].map(|word| word.get())
        };
        Self {
            bucket: bucket.map(words).unwrap_or_default(),
            counters: (0..=LAST_DESTINATION).map(count).collect(),
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
        for (number, [packets, bytes, connections]) in (0..).zip(&self.counters) {
            let counter = tables.counter(number);
            counter.packets.set(*packets);
            counter.bytes.set(*bytes);
            counter.connections.set(*connections);
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
        found.expect("the fixture").frame.clone()
    };
    let mut kernel = Kernel::load(cpus()[0]);
    for cpu in cpus() {
        kernel.tables.cpu = cpu;
        world.fill(kernel.tables());
    }
    for (n, cpu) in (1..).zip(cpus()) {
        stay_on(cpu);
        for _ in 0..n {
            kernel.run(&mut named("tcp_data.pkt"));
            kernel.run(&mut named("unknown_port_tcp.pkt"));
        }
    }
    for (n, cpu) in (1..).zip(cpus()) {
        kernel.tables.cpu = cpu;
        let row = Part::of(kernel.tables(), None);
        let forwarded: u64 = row.counters.iter().map(|[packets, ..]| packets).sum();
        let refused: u64 = row.outcomes.iter().sum();
        assert_eq!((forwarded, refused), (n, n), "on CPU {cpu}");
    }
}
