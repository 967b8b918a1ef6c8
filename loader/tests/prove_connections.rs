//! No connection breaks whose backend lives, whatever is done to the balancers:
//! played on the shipped program. See [`connections`].

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod connections;

#[path = "connections/mutants.rs"]
mod mutants;

/// Any number; the sequences are the same in every run.
const SEED: u64 = 0x00c0_11ec_7104_5eed;

const SEQUENCES: usize = 300;

/// In so many at the most a mutant has to be found.
const PATIENCE: usize = 1000;

#[test]
fn no_packet_of_a_living_connection_goes_elsewhere() {
    let summary = connections::run(SEQUENCES, SEED);
    eprintln!("{summary}");
    assert_eq!(summary.broken, 0, "{summary}");
    assert_eq!(summary.sequences, SEQUENCES);
    assert!(summary.tally.living > 50_000, "{summary}");
}

#[test]
fn the_model_finds_every_mutant_of_the_program() {
    let escaped = mutants::escaped_programs(PATIENCE, SEED);
    assert!(escaped.is_empty(), "{escaped:?}");
}

#[test]
fn the_model_finds_every_mutant_of_the_control_plane() {
    let escaped = mutants::escaped_control(PATIENCE, SEED);
    assert!(escaped.is_empty(), "{escaped:?}");
}
