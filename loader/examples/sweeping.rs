//! What a sweep of the flow table costs, as `dsrload run` makes it, by the number of
//! flows. Needs root: `cargo run --release --example sweeping`.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for people"
)]

use dsrload::EMBEDDED;
use dsrload::commands::settle::{Patience, settle};
use dsrload::datapath::Tables;
use dsrload::datapath::stored::NewText;
use dsrload::datapath::tables::Capacity;
use dsrload::datapath::transaction::{Transaction, Unobserved};
use dsrload::model::Manner;
use dsrload::model::placement::{Route, Wanted, WantedBackend, WantedService, place};
use dsrload::model::sweep::Clock;
use dsrload::object::Spec;
use std::time::{Duration, Instant};
use xdp_prog::track::entry::Entry;

/// Sweeps that are measured; the middle one is told.
const ROUNDS: usize = 21;

fn main() {
    println!("flows       sweep and count  of a CPU, every 10 s");
    for flows in [1 << 17, 1 << 20] {
        let tables = tables(flows);
        let mut times: Vec<Duration> = (0..ROUNDS).map(|_| sweep(&tables)).collect();
        times.sort();
        let middle = times[ROUNDS / 2];
        let share = middle.as_secs_f64() / 10.0 * 100.0;
        println!(
            "{flows:>9}  {:>12.1} ms  {share:>12.2} %",
            middle.as_secs_f64() * 1000.0
        );
    }
}

/// One sweep, and the count of live flows.
fn sweep(tables: &Tables) -> Duration {
    let start = Instant::now();
    let loaded = tables.loaded().expect("what is loaded");
    let clock = Clock { now: 10, idle: 150 };
    let patience = Patience {
        idle: 300,
        window: 30,
    };
    let swept = settle(tables, &loaded, clock, patience);
    let live = tables
        .flow_entries()
        .filter(|(_, entry)| clock.is_live(*entry))
        .count();
    assert!(live > 0, "{swept:?}");
    start.elapsed()
}

/// Tables of one service with ten backends, full of live flows.
fn tables(flows: u32) -> Tables {
    let spec = Spec::parse(EMBEDDED).expect("the object in this binary");
    let capacity = Capacity {
        flows,
        ..Capacity::default()
    };
    let tables = Tables::create(&spec, capacity).expect("tables; this takes root");
    let backend = |last| WantedBackend {
        route: Route {
            address: [10, 0, 0, last].into(),
            macs: [last; 12],
            is_mac_given: true,
            port: 0,
            tunnel: None,
        },
        weight: 1,
        state: None,
    };
    let wanted = Wanted {
        services: vec![WantedService {
            addresses: vec!["192.0.2.10:80".parse().expect("an address")],
            manner: Manner::default(),
            backends: (1..=10).map(backend).collect(),
            quorum: 0,
            sorry: None,
        }],
        slots: 65_536,
        ..Wanted::default()
    };
    let loaded = tables.loaded().expect("nothing");
    let placement = place(&loaded, &wanted).expect("room");
    let transaction = Transaction {
        tables: &tables,
        is_new: true,
        loaded: &loaded,
        placement: &placement,
        text: NewText::lasting("an example"),
    };
    transaction
        .carry_out(&mut Unobserved, || Ok(()))
        .expect("it is done");
    let words = tables.flows.entries().iter().flat_map(|bucket| &bucket.0);
    for (nth, word) in (0_u64..).zip(words) {
        let destination = u16::try_from(nth % 10 + 1).expect("few");
        word.set(
            Entry::new(
                nth.wrapping_mul(0x9e37_79b9) & 0xff_ffff_ffff,
                10,
                destination,
            )
            .0,
        );
    }
    tables
}
