//! `make prove`: the long run of the comparisons that `make test` runs short.
//! Packets of all classes go through the reference, the host build and the
//! shipped object, in a world that changes; they have to agree. Then sequences of
//! changes are played with connections that must not break.
//!
//! `prove [PACKETS [SEQUENCES [SEED]]]`, as root. The seed may also stand in
//! `DSR_PROVE_SEED`. Exit code 1 if anything differs, or breaks.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[allow(dead_code, reason = "the tests take more of it")]
#[path = "../tests/connections/mod.rs"]
mod connections;
#[allow(dead_code, reason = "the tests take more of it")]
#[path = "../../xdp-prog/tests/packets/mod.rs"]
mod packets;
#[allow(dead_code, reason = "the tests take more of it")]
#[path = "../tests/proving/mod.rs"]
mod proving;
#[allow(dead_code, reason = "the tests take more of it")]
#[path = "../tests/reference/mod.rs"]
mod reference;
#[allow(dead_code, reason = "the tests take more of it")]
#[path = "../tests/prog_run/subject.rs"]
mod subject;

use packets::fixture;
use proving::run::{Plan, Summary, run};
use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use subject::{Kernel, cpus, longest};

/// How much is run unless it is said otherwise.
const PACKETS: usize = 5_000_000;
const SEQUENCES: usize = 10_000;
const SEED: u64 = 1;

/// What was asked for.
struct Asked {
    packets: usize,
    sequences: usize,
    seed: u64,
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("prove: {error}\nusage: prove [PACKETS [SEQUENCES [SEED]]]");
            return ExitCode::from(2);
        }
    };
    match prove(&asked, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("prove: {error}");
            ExitCode::FAILURE
        }
    }
}

fn asked() -> Result<Asked, String> {
    let mut arguments = env::args().skip(1);
    let mut next = |default: u64| match arguments.next() {
        None => Ok(default),
        Some(text) => number(&text),
    };
    let seed = match env::var("DSR_PROVE_SEED") {
        Ok(text) => number(&text)?,
        Err(_) => SEED,
    };
    let count = |n: u64| usize::try_from(n).map_err(|_| format!("{n} are too many"));
    Ok(Asked {
        packets: count(next(PACKETS as u64)?)?,
        sequences: count(next(SEQUENCES as u64)?)?,
        seed: next(seed)?,
    })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("'{text}' is no number"))
}

/// Runs everything and says what came of it; whether nothing is wrong.
fn prove(asked: &Asked, out: &mut impl Write) -> io::Result<bool> {
    writeln!(out, "seed {}", asked.seed)?;
    let packets = packets(asked, out)?;
    let connections = connections::run(asked.sequences, asked.seed);
    writeln!(out, "{connections}")?;
    writeln!(
        out,
        "prove: {} packets, {} differences; {} sequences, {} broken connections",
        packets.packets,
        packets.differences.len(),
        connections.sequences,
        connections.broken
    )?;
    Ok(packets.differences.is_empty() && connections.broken == 0)
}

/// Packets against the reference.
fn packets(asked: &Asked, out: &mut impl Write) -> io::Result<Summary> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-prog/tests/fixtures");
    let fixtures = fixture::read_all(&folder).map_err(io::Error::other)?;
    let plan = Plan {
        packets: asked.packets,
        seed: asked.seed,
        fixtures: &fixtures,
        longest: longest(),
    };
    let kernel = Kernel::without_time(cpus()[0]);
    let summary = run(&plan, Some(kernel), None);
    summary.table.write(out)?;
    for difference in &summary.differences {
        writeln!(out, "{difference}")?;
    }
    Ok(summary)
}
