//! The reference against the host build and the shipped object: packets of all
//! classes in a world that changes, and mistakes that must be noticed. `make
//! prove` runs more of them.
//!
//! Needs root. Nothing is attached; all is gone when the process ends.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[allow(dead_code, reason = "other tests take more of it")]
#[path = "../../xdp-prog/tests/packets/mod.rs"]
mod packets;
mod proving;
mod reference;
#[allow(dead_code, reason = "other tests take more of it")]
#[path = "prog_run/subject.rs"]
mod subject;

use packets::fixture::{self, Fixture};
use proving::fixtures::judge;
use proving::run::{Plan, run};
use reference::fault::Fault;
use reference::generator::Class;
use std::path::Path;
use subject::{Kernel, cpus, longest};
use xdp_prog::abi::Outcome;

/// Any number; the packets are the same in every run.
const SEED: u64 = 1;

/// So many packets, here and until a mistake must be noticed.
const PACKETS: usize = 200_000;

/// Each outcome comes up as often at least.
const OFTEN: u64 = 20;

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xdp-prog/tests/fixtures");
    fixture::read_all(&folder).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(fixtures: &[Fixture]) -> Plan<'_> {
    Plan {
        packets: PACKETS,
        seed: SEED,
        fixtures,
        longest: longest(),
    }
}

#[test]
fn reference_host_build_and_shipped_object_agree() {
    let fixtures = fixtures();
    let kernel = Kernel::without_time(cpus()[0]);
    let summary = run(&plan(&fixtures), Some(kernel), None);
    let mut table = Vec::new();
    summary.table.write(&mut table).expect("memory");
    let table = String::from_utf8(table).expect("a table of words");
    assert!(
        summary.differences.is_empty(),
        "{}",
        summary.differences.join("\n")
    );
    for outcome in Outcome::ALL {
        let times = summary.table.of_outcome(*outcome);
        let name = outcome.name();
        assert!(times >= OFTEN, "{name} came up {times} times:\n{table}");
    }
    for (class, name) in Class::ALL {
        assert!(summary.table.of_class(class) > 0, "no {name}:\n{table}");
    }
}

#[test]
fn every_fixture_holds_for_the_reference() {
    let judged = fixtures().into_iter().map(|fixture| judge(&fixture));
    let failures: Vec<String> = judged.filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_mistake_of_the_reference_is_noticed() {
    let fixtures = fixtures();
    for fault in Fault::ALL {
        let summary = run(&plan(&fixtures), None, Some(fault));
        assert!(!summary.differences.is_empty(), "{fault:?} is not noticed");
    }
}
