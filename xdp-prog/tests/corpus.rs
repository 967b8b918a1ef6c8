//! The inputs of the fuzz target (`xdp-prog/fuzz`) without a fuzzer: the
//! fixtures, inputs that fuzzing has found, and what is next to them.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[path = "packets/fuzz.rs"]
mod fuzz;
#[path = "packets/judge.rs"]
mod judge;
#[allow(dead_code, reason = "fixtures are not checked here, only run")]
mod packets;

use fuzz::{Bench, input, seeds};
use packets::fixture::{self, Fixture};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn fixtures() -> Vec<Fixture> {
    fixture::read_all(&folder("tests/fixtures")).unwrap_or_else(|error| panic!("{error}"))
}

/// The frames of a fixture.
fn frames(fixture: &Fixture) -> Vec<&[u8]> {
    fixture.steps.iter().map(|step| &step.frame[..]).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_the_rules() {
    let bench = Bench::new();
    let mut packets = 0;
    for fixture in fixtures() {
        for input in seeds(&fixture) {
            packets += bench.run(&input);
        }
    }
    let found = std::fs::read_dir(folder("tests/corpus")).expect("the folder");
    let mut inputs = 0;
    for entry in found {
        let path = entry.expect("an entry").path();
        packets += bench.run(&std::fs::read(&path).expect("a file"));
        inputs += 1;
    }
    assert!(
        inputs > 20 && packets > 2000,
        "{inputs} inputs, {packets} packets"
    );
}

/// Cuts this far in, and as near to the end, are all tried. Between them a
/// frame of many pages has nothing that is read, and more lengths than time.
const NEAR: usize = 1600;

/// A frame that ends anywhere, behind the others of its fixture.
#[test]
fn every_frame_may_be_cut_off_anywhere() {
    let bench = Bench::new();
    for fixture in fixtures() {
        let mut frames = frames(&fixture);
        for n in 0..frames.len() {
            let whole = frames[n];
            let near = |length: &usize| *length < NEAR || whole.len() - length < NEAR;
            for length in (0..whole.len()).filter(near) {
                frames[n] = &whole[..length];
                bench.run(&input(&frames));
            }
            frames[n] = whole;
        }
    }
}

/// How many of a frame's first bytes are changed: all headers of most.
const HEADERS: usize = 80;

#[test]
fn every_byte_of_a_header_may_be_zero_or_ones() {
    let bench = Bench::new();
    for fixture in fixtures() {
        let frames = frames(&fixture);
        for (n, frame) in frames.iter().enumerate() {
            for at in 0..frame.len().min(HEADERS) {
                for value in [0x00, 0xff] {
                    let mut changed = frame.to_vec();
                    changed[at] = value;
                    let mut frames = frames.clone();
                    frames[n] = &changed;
                    bench.run(&input(&frames));
                }
            }
        }
    }
}
