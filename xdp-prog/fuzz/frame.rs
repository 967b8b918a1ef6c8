//! The fuzz target: its body is `tests/packets/fuzz.rs`, which `cargo test` runs
//! over the corpus as well.
#![no_main]
#![allow(clippy::expect_used, reason = "the tests' modules; a fault is a panic")]

#[allow(dead_code, reason = "the seeds are written by another")]
#[path = "../tests/packets/fuzz.rs"]
mod fuzz;
#[path = "../tests/packets/judge.rs"]
mod judge;
#[allow(dead_code, reason = "of the tests' modules, this takes a part")]
#[path = "../tests/packets/mod.rs"]
mod packets;

use fuzz::Bench;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static BENCH: Bench = Bench::new();
}

fuzz_target!(|input: &[u8]| {
    BENCH.with(|bench| bench.run(input));
});
