//! The far end of the tunnels, on the host: every outcome, byte for byte, and
//! frames that nobody thought of.
#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod tunnels;

use std::collections::BTreeSet;
use tunnels::noise::Noise;
use tunnels::{cases, segments, world};
use xdp_prog::abi::decap::Outcome;
use xdp_prog::decap::host::{HostTables, clamp, run};

const FRAMES: usize = 300_000;

/// Any number; the frames are the same in every run.
const SEED: u64 = 0x0dec_a9de_ca9d_eca9;

/// The longest outer headers: IPv4 with all its options, UDP and GUE.
const HEADERS: usize = 60 + 8 + 4;

fn counted(tables: &HostTables) -> Vec<(&'static str, u64)> {
    let counts = Outcome::ALL.iter().map(|&outcome| {
        let count = tables.row.of(outcome).get();
        (outcome.name(), count)
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn every_case_ends_as_it_is_to() {
    let mut seen = BTreeSet::new();
    for case in cases::all() {
        let tables = world::host();
        let mut frame = case.frame.clone();
        let outcome = run(&mut frame, &tables);
        assert_eq!(outcome, case.outcome, "{}", case.name);
        assert_eq!(frame, case.after, "{}", case.name);
        assert_eq!(counted(&tables), [(outcome.name(), 1)], "{}", case.name);
        let told = (tables.state.overhead.get(), tables.row.bytes.get());
        assert_eq!(told, case.seen, "{}", case.name);
        seen.insert(outcome as usize);
    }
    // A buffer in memory can always be shortened.
    let unseen = [Outcome::NotShortened as usize];
    let all: BTreeSet<usize> = Outcome::ALL.iter().map(|&o| o as usize).collect();
    assert_eq!(&all - &seen, BTreeSet::from(unseen));
}

#[test]
fn the_longest_headers_are_remembered() {
    let tables = world::host();
    let mut longest = 0;
    for case in cases::all() {
        run(&mut case.frame.clone(), &tables);
        longest = longest.max(case.seen.0);
        assert_eq!(tables.state.overhead.get(), longest, "{}", case.name);
    }
    assert_eq!(longest as usize, HEADERS);
}

#[test]
fn whatever_comes_is_counted_once_and_untouched_or_shorter() {
    let models = cases::all().into_iter().map(|case| case.frame).collect();
    let mut noise = Noise::new(SEED, models);
    let tables = world::host();
    for n in 0..FRAMES {
        let frame = noise.frame(0);
        let mut after = frame.clone();
        let outcome = run(&mut after, &tables);
        let by = frame.len() - after.len();
        match outcome {
            Outcome::Decapsulated => {
                assert!((20..=HEADERS).contains(&by), "{by} in {frame:02x?}");
                assert_eq!(after[..12], frame[..12], "the MACs of {frame:02x?}");
            }
            _ => assert_eq!(after, frame, "{outcome:?}"),
        }
        let sum: u64 = tables.row.outcomes.iter().map(|word| word.get()).sum();
        assert_eq!(sum, n as u64 + 1);
    }
    assert!(counted(&tables).len() == Outcome::ALL.len() - 1);
}

#[test]
fn every_segment_is_clamped_as_it_is_to() {
    for overhead in segments::OVERHEADS {
        for segment in segments::all(overhead) {
            let tables = world::host();
            tables.state.overhead.set(overhead);
            let mut frame = segment.frame.clone();
            clamp(&mut frame, &tables);
            assert_eq!(frame, segment.after, "{}, {overhead}", segment.name);
            let is_clamped = segment.frame != segment.after;
            let count = tables.row.clamped.get();
            assert_eq!(count, u64::from(is_clamped), "{}", segment.name);
        }
    }
}

#[test]
fn whatever_leaves_keeps_its_length_and_all_but_two_words() {
    let [_, overhead] = segments::OVERHEADS;
    let models = segments::all(overhead)
        .into_iter()
        .map(|s| s.frame)
        .collect();
    let mut noise = Noise::new(SEED, models);
    let tables = world::host();
    tables.state.overhead.set(overhead);
    for _ in 0..FRAMES {
        let frame = noise.frame(0);
        let mut after = frame.clone();
        clamp(&mut after, &tables);
        assert_eq!(after.len(), frame.len());
        let changed = frame.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!(changed <= 4, "{frame:02x?} became {after:02x?}");
    }
    assert!(tables.row.clamped.get() > FRAMES as u64 / 10);
}
