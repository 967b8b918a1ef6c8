//! The shipped program in the kernel, as a test's subject.

use crate::packets::subject::Subject;
use crate::packets::world::{INTERFACE, OTHER_PORT, PORT};
use dsrload::EMBEDDED;
use dsrload::datapath;
use dsrload::datapath::program::{Loaded, Maker};
use dsrload::datapath::tables::Capacity;
use dsrload::object::Spec;
use dsrload::sys::bpf::{
    BPF_ANY, ProgramFd, TestRun, map_delete, map_lookup, map_update, test_run,
};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::io;
use xdp_prog::abi::word::{Word16, Word32};
use xdp_prog::abi::{
    self, Bucket, Budget, Control, Counter, Destination, FragmentKey, OutcomeRow, Port, Service,
    Settings, SourceKey, Tunnel, limits,
};
use xdp_prog::tables::Tables;

/// The most that a frame gets longer: IPv6 and UDP, or ICMPv6, before it.
const GROWTH: usize = 48;

/// What fits one buffer of a test run on x86-64: a page less the headroom of
/// XDP (256) and `struct skb_shared_info` (320).
const ONE_BUFFER: usize = 3520;

/// Since this release the rest of a longer frame goes into further buffers, 17
/// pages at most (found on 6.18: 73,152 bytes are taken, one more is ENOMEM).
/// That is more than the largest IP packet. The program sees the first buffer.
const FURTHER_BUFFERS_SINCE: (u32, u32) = (5, 18);

/// The shipped program with tables of its own.
pub struct Kernel {
    loaded: Loaded,
    tables: KernelTables,
}

/// Its tables, mapped. What has a row for each CPU is that of one CPU.
pub struct KernelTables {
    settings: Settings,
    all: datapath::Tables,
    cpu: usize,
}

impl Kernel {
    /// Loads it, and keeps this thread on `cpu`: counters are per CPU, and
    /// test runs run where they are asked for.
    pub fn load(cpu: usize) -> Self {
        Self::with_epochs(cpu, None)
    }

    /// Loads it for a clock that always shows epoch 0.
    pub fn without_time(cpu: usize) -> Self {
        Self::with_epochs(cpu, Some(63))
    }

    fn with_epochs(cpu: usize, shift: Option<u32>) -> Self {
        stay_on(cpu);
        let spec = Spec::parse(EMBEDDED).expect("the embedded object");
        let all = datapath::Tables::create(&spec, Capacity::default())
            .expect("tables; this test needs root");
        let mut maker = Maker::new(&spec, &all).expect("the clock");
        maker.epoch_shift = shift.unwrap_or(maker.epoch_shift);
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

    /// The program.
    pub fn program(&self) -> &ProgramFd {
        &self.loaded.program
    }

    /// Looks at the rows of another CPU from now on.
    pub fn look_at(&mut self, cpu: usize) {
        self.tables.cpu = cpu;
    }

    /// Where the fragments of a packet go.
    pub fn noted_fragment(&self, key: &FragmentKey) -> Option<u16> {
        let map = self.tables.all.map(abi::FRAGMENTS).expect("the fragments");
        let mut value = [0; 4];
        let is_there = map_lookup(map, &bytes(key), &mut value).expect("to look it up");
        is_there.then(|| u16::try_from(u32::from_ne_bytes(value)).expect("a destination"))
    }

    /// What the program does with a frame, or why the kernel does not give it
    /// the frame.
    pub fn ask(&self, frame: &mut Vec<u8>) -> io::Result<u32> {
        let mut after = vec![0; frame.len() + GROWTH];
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

    fn set_source(&self, prefix: &SourceKey, value: u32) {
        let map = self.tables.all.map(abi::SOURCES).expect("the sources");
        let set = map_update(map, &prefix.to_bytes(), &value.to_ne_bytes(), BPF_ANY);
        set.expect("a prefix");
    }

    fn forget_fragment(&self, key: &FragmentKey) {
        let map = self.tables.all.map(abi::FRAGMENTS).expect("the fragments");
        map_delete(map, &bytes(key)).expect("to delete it");
    }

    fn run(&mut self, frame: &mut Vec<u8>) -> u32 {
        let length = frame.len();
        self.ask(frame)
            .unwrap_or_else(|error| panic!("BPF_PROG_TEST_RUN of {length} bytes: {error}"))
    }
}

/// A key as it stands in memory.
fn bytes(key: &FragmentKey) -> Vec<u8> {
    let addresses = key.source.into_iter().chain(key.destination);
    let addresses = addresses.flat_map(u64::to_ne_bytes);
    let rest = [key.identification, key.protocol];
    let rest = rest.into_iter().flat_map(u32::to_ne_bytes);
    addresses.chain(rest).collect()
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
    fn port_at(&self, number: u16) -> &Port {
        &self.all.ports.entries()[usize::from(number)]
    }
    fn service(&self, copy: u32, place: u32) -> &Service {
        let mask = limits::SERVICE_PLACES - 1;
        let (first, second) = self.all.services.entries().split_at(mask as usize + 1);
        at(if copy == 0 { first } else { second }, place, mask)
    }
    fn displacement(&self, copy: u32, index: u32) -> &Word16 {
        let mask = limits::DISPLACEMENTS - 1;
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
    fn tunnel(&self, number: u16) -> &Tunnel {
        &self.all.tunnels.entries()[usize::from(number)]
    }
    fn bucket(&self, index: u32) -> &Bucket {
        let buckets = self.all.flows.entries();
        at(buckets, index, self.settings.bucket_mask.get())
    }
    fn counter(&self, destination: u16) -> &Counter {
        let row = self.cpu * limits::DESTINATIONS as usize;
        &self.all.counters.entries()[row + usize::from(destination)]
    }
    fn outcomes(&self) -> &OutcomeRow {
        &self.all.outcomes.entries()[self.cpu]
    }
    fn budget(&self) -> &Budget {
        &self.all.budgets.entries()[self.cpu]
    }
    fn fragment(&self, _: &FragmentKey) -> Option<u16> {
        panic!("the program's to look up")
    }
    fn note_fragment(&self, _: &FragmentKey, _: u16) {
        panic!("the program's to note")
    }
    fn source(&self, _: &SourceKey) -> Option<u32> {
        panic!("the program's to look up")
    }
    fn ticks(&self) -> u64 {
        panic!("the kernel's clock cannot be read from here")
    }
    fn redirect(&self, port: u16) -> u32 {
        panic!("only the kernel can redirect to port {port}")
    }
}

/// The CPUs that this process may run on.
pub fn cpus() -> Vec<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("the CPUs");
    let cpus = 0..CpuSet::count();
    cpus.filter(|&cpu| allowed.is_set(cpu) == Ok(true))
        .collect()
}

/// Keeps this thread on one CPU.
pub fn stay_on(cpu: usize) {
    let mut one = CpuSet::new();
    one.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &one).expect("stay on one CPU");
}

/// The longest frame that this kernel takes for a test.
pub fn longest() -> usize {
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
