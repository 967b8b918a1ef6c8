//! The far end of the tunnels as it ships, in the kernel, by
//! `BPF_PROG_TEST_RUN`: every case of the host's tests, and thousands of frames
//! that nobody thought of, against the host build of the same logic.
//!
//! Needs root. Nothing is attached; all is gone when the process ends.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[path = "../../xdp-prog/tests/tunnels/mod.rs"]
mod tunnels;

use dsrload::EMBEDDED;
use dsrload::datapath::decap::program::{Programs, make};
use dsrload::datapath::decap::tables::{Kept, Lists};
use dsrload::model::Prefix;
use dsrload::object::Spec;
use dsrload::sys::bpf::{ProgramFd, ProgramInfo, program_info, test_run};
use std::net::IpAddr;
use tunnels::noise::Noise;
use tunnels::{cases, segments, world};
use xdp_prog::abi::decap::{Outcome, Settings};
use xdp_prog::decap::host::{HostTables, clamp, run};

const FRAMES: usize = 20_000;

/// Any number; the frames are the same in every run.
const SEED: u64 = 0x0dec_a9de_ca9d_eca9;

/// The kernel takes no frame for a test of XDP that is shorter.
const SHORTEST: usize = 14;

/// The same for a tc program: it wants the IP header that the EtherType says.
const SHORTEST_SEGMENT: usize = 14 + 40;

/// `TC_ACT_UNSPEC`.
const GO_ON: u32 = u32::MAX;

/// What our programs may take of the instructions that the kernel goes through
/// (`BPF_COMPLEXITY_LIMIT_INSNS`): older verifiers go through more.
const VERIFIED_MAX: u32 = 1_000_000 / 20;

struct Kernel {
    programs: Programs,
    kept: Kept,
    lists: Lists,
}

impl Kernel {
    fn load() -> Self {
        let spec = Spec::parse(EMBEDDED).expect("the embedded object");
        let kept = Kept::create(&spec).expect("tables; this test needs root");
        let lists = Lists::create(&spec, &allowed(), &own(), &vips()).expect("lists");
        let programs = make(&spec, &kept, &lists, &settings()).expect("the programs");
        Self {
            programs,
            kept,
            lists,
        }
    }

    fn run(&self, program: &ProgramFd, frame: &[u8]) -> (u32, Vec<u8>) {
        let mut after = vec![0; frame.len()];
        let ran = test_run(program, frame, &mut after)
            .unwrap_or_else(|error| panic!("BPF_PROG_TEST_RUN: {error} of {frame:02x?}"));
        after.truncate(ran.len);
        (ran.verdict, after)
    }

    fn decap(&self, frame: &[u8]) -> (u32, Vec<u8>) {
        self.run(&self.programs.decap, frame)
    }

    fn clamp(&self, frame: &[u8]) -> Vec<u8> {
        let (verdict, after) = self.run(&self.programs.clamp, frame);
        assert_eq!(verdict, GO_ON, "{frame:02x?}");
        after
    }

    /// All that was counted: packets by outcome, bytes, segments.
    fn counts(&self) -> (Vec<u64>, u64, u64) {
        let counts = self.kept.counts();
        let packets = counts.outcomes.iter().map(|(_, packets)| *packets);
        (packets.collect(), counts.bytes, counts.clamped)
    }
}

fn of_host(tables: &HostTables) -> (Vec<u64>, u64, u64) {
    let row = &tables.row;
    let packets = Outcome::ALL.iter().map(|&outcome| row.of(outcome).get());
    (packets.collect(), row.bytes.get(), row.clamped.get())
}

fn settings() -> Settings {
    world::settings()
}

fn allowed() -> Vec<Prefix> {
    let (address, length) = world::PREFIX;
    let prefix = |address: IpAddr, length| Prefix { address, length };
    vec![
        prefix(world::BALANCER.into(), 32),
        prefix(address.into(), length),
        prefix(world::BALANCER6.into(), 128),
    ]
}

fn vips() -> Vec<IpAddr> {
    vec![world::VIP.into(), world::VIP6.into()]
}

fn own() -> Vec<IpAddr> {
    let mut own = vec![world::OWN.into(), world::OWN6.into()];
    own.extend(vips());
    own
}

#[test]
fn what_is_listed_can_be_read_back() {
    let kernel = Kernel::load();
    let mut allowed = allowed();
    allowed.sort();
    assert_eq!(kernel.lists.allowed().expect("the list"), allowed);
    assert_eq!(kernel.lists.vips().expect("the list"), vips());
}

#[test]
fn every_case_ends_in_the_kernel_as_it_is_to() {
    let kernel = Kernel::load();
    for case in cases::all() {
        assert!(case.frame.len() >= SHORTEST, "{}", case.name);
        kernel.kept.state().overhead.set(0);
        let before = kernel.counts();
        let (verdict, after) = kernel.decap(&case.frame);
        assert_eq!(verdict, case.outcome.verdict() as u32, "{}", case.name);
        assert_eq!(after, case.after, "{}", case.name);
        let now = kernel.counts();
        for (n, (old, new)) in before.0.iter().zip(&now.0).enumerate() {
            let expected = u64::from(n == case.outcome as usize);
            assert_eq!(new - old, expected, "{}: outcome {n}", case.name);
        }
        let told = (kernel.kept.state().overhead.get(), now.1 - before.1);
        assert_eq!(told, case.seen, "{}", case.name);
    }
}

#[test]
fn every_segment_is_clamped_in_the_kernel_as_it_is_to() {
    let kernel = Kernel::load();
    for overhead in segments::OVERHEADS {
        kernel.kept.state().overhead.set(overhead);
        for segment in segments::all(overhead) {
            let (_, _, before) = kernel.counts();
            let after = kernel.clamp(&segment.frame);
            assert_eq!(after, segment.after, "{}, {overhead}", segment.name);
            let (_, _, now) = kernel.counts();
            let is_clamped = segment.frame != segment.after;
            assert_eq!(now - before, u64::from(is_clamped), "{}", segment.name);
        }
    }
}

#[test]
fn the_kernel_and_the_host_agree_on_frames_that_nobody_thought_of() {
    let kernel = Kernel::load();
    let host = world::host();
    let models = cases::all().into_iter().map(|case| case.frame).collect();
    let mut noise = Noise::new(SEED, models);
    for n in 0..FRAMES {
        let frame = noise.frame(SHORTEST);
        let (verdict, from_kernel) = kernel.decap(&frame);
        let mut from_host = frame.clone();
        let outcome = run(&mut from_host, &host);
        assert_eq!(verdict, outcome.verdict() as u32, "frame {n}: {frame:02x?}");
        assert_eq!(from_kernel, from_host, "frame {n}: {frame:02x?}");
        assert_eq!(kernel.counts(), of_host(&host), "frame {n}: {frame:02x?}");
    }
    let overhead = kernel.kept.state().overhead.get();
    assert_eq!(overhead, host.state.overhead.get());
}

#[test]
fn the_kernel_and_the_host_agree_on_segments_that_nobody_thought_of() {
    let kernel = Kernel::load();
    let host = world::host();
    let [_, overhead] = segments::OVERHEADS;
    kernel.kept.state().overhead.set(overhead);
    host.state.overhead.set(overhead);
    let models = segments::all(overhead)
        .into_iter()
        .map(|s| s.frame)
        .collect();
    let mut noise = Noise::new(SEED, models);
    for n in 0..FRAMES {
        let frame = noise.frame(SHORTEST_SEGMENT);
        let mut from_host = frame.clone();
        clamp(&mut from_host, &host);
        assert_eq!(kernel.clamp(&frame), from_host, "frame {n}: {frame:02x?}");
        assert_eq!(kernel.counts(), of_host(&host), "frame {n}: {frame:02x?}");
    }
    assert!(of_host(&host).2 > FRAMES as u64 / 10);
}

/// A frame of more than one buffer: the headers are in the first.
#[test]
fn a_frame_of_several_buffers_is_decapsulated() {
    let kernel = Kernel::load();
    for length in [5000, 40_000, 60_000] {
        let inner = cases::asked(false, 0, &vec![0x5a; length]);
        let outer = tunnels::bytes::V4::new(world::BALANCER, world::OWN, 4).packet(&inner);
        let frame = |packet: &[u8]| tunnels::bytes::frame(&[], packet);
        let (verdict, after) = kernel.decap(&frame(&outer));
        assert_eq!(verdict, Outcome::Decapsulated.verdict() as u32);
        assert!(
            after == frame(&inner),
            "{length} bytes became {}",
            after.len()
        );
    }
}

#[test]
fn the_verifier_is_not_kept_long() {
    let kernel = Kernel::load();
    for program in [&kernel.programs.decap, &kernel.programs.clamp] {
        let ProgramInfo {
            name,
            verified_insns,
            ..
        } = program_info(program).expect("to be told");
        assert!(verified_insns < VERIFIED_MAX, "{name}: {verified_insns}");
    }
}
