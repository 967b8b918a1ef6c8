//! The work of the hot path, counted: instructions, calls, and cache lines
//! touched for one packet. These figures are the same on every machine, so no
//! change makes the way longer without its being seen here.
//!
//! The shipped object runs in a small machine of our own (`hot_path/machine`),
//! beside the host build of the same logic, which must come to the same verdict,
//! frame and tables. `cargo test -p loader --test hot_path -- --nocapture` shows
//! the figures, and where a packet's cache lines are.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

#[allow(dead_code, reason = "other tests take more of it")]
#[path = "../../xdp-prog/tests/packets/mod.rs"]
mod packets;

#[path = "hot_path/arithmetic.rs"]
mod arithmetic;
#[path = "hot_path/cases.rs"]
mod cases;
#[path = "hot_path/image.rs"]
mod image;
#[path = "hot_path/machine.rs"]
mod machine;
#[path = "hot_path/machine_tests.rs"]
mod machine_tests;
#[path = "hot_path/memory.rs"]
mod memory;
#[path = "hot_path/pair.rs"]
mod pair;
#[path = "hot_path/rows.rs"]
mod rows;

use packets::subject::Subject;
use pair::Pair;
use rows::{COLUMNS, Row, rows};
use std::sync::LazyLock;
use xdp_prog::host::HostTables;
use xdp_prog::tables::Tables;

static ROWS: LazyLock<Vec<Row>> = LazyLock::new(rows);

/// Of each case the figures of [`COLUMNS`]: none may grow. One that falls by more
/// than [`SLACK`] is to be written down here, too: a failure shows the whole table
/// as it is to be then. They hold for the toolchain of `rust-toolchain.toml`;
/// another compiler makes another object.
const BOUNDS: &[(&str, [u64; 7])] = &[
    ("v4 established, settled", [172, 0, 0, 1, 1, 8, 1]),
    ("v4 SYN, settled", [188, 0, 0, 2, 1, 8, 1]),
    ("v4 UDP, settled", [169, 0, 0, 1, 1, 8, 1]),
    ("v4 established, affinity", [203, 0, 0, 1, 1, 9, 1]),
    ("v4 established, unsettled", [226, 0, 0, 2, 1, 9, 1]),
    ("v4 established, tracked", [239, 0, 0, 2, 1, 9, 1]),
    ("v4 UDP, tracked", [236, 0, 0, 2, 1, 9, 1]),
    ("v4 established, unsettled, first", [579, 2, 0, 3, 1, 9, 3]),
    ("v4 SYN, unsettled, first", [573, 2, 0, 4, 1, 9, 3]),
    ("v4 SYN, at random, first", [618, 2, 0, 4, 1, 10, 3]),
    ("v4 to no VIP", [50, 0, 0, 1, 1, 4, 0]),
    ("v4 to another station", [76, 1, 0, 1, 1, 4, 1]),
    ("v4 no service", [349, 3, 0, 1, 1, 8, 5]),
    ("v4 in IPv4", [329, 1, 1, 1, 2, 9, 2]),
    ("v4 in IPv6", [301, 1, 1, 1, 2, 9, 2]),
    ("v4 in GUE over IPv4", [343, 1, 1, 1, 2, 9, 2]),
    ("v4 in GUE over IPv6", [316, 1, 1, 1, 2, 9, 2]),
    ("v4 UDP in IPv4", [326, 1, 1, 1, 2, 9, 2]),
    ("v6 established, settled", [216, 0, 0, 1, 2, 9, 1]),
    ("v6 SYN, settled", [232, 0, 0, 2, 2, 9, 1]),
    ("v6 UDP, settled", [213, 0, 0, 1, 1, 9, 1]),
    ("v6 established, affinity", [214, 0, 0, 1, 2, 9, 1]),
    ("v6 established, unsettled", [270, 0, 0, 2, 2, 10, 1]),
    ("v6 established, tracked", [287, 0, 0, 2, 2, 10, 2]),
    ("v6 UDP, tracked", [284, 0, 0, 2, 1, 10, 2]),
    ("v6 established, unsettled, first", [622, 2, 0, 3, 2, 10, 3]),
    ("v6 SYN, unsettled, first", [616, 2, 0, 4, 2, 10, 3]),
    ("v6 SYN, at random, first", [665, 2, 0, 4, 2, 11, 4]),
    ("v6 to no VIP", [50, 0, 0, 1, 1, 4, 0]),
    ("v6 to another station", [76, 1, 0, 1, 1, 4, 1]),
    ("v6 no service", [422, 4, 0, 1, 2, 8, 6]),
    ("v6 in IPv4", [377, 1, 1, 1, 3, 10, 2]),
    ("v6 in IPv6", [353, 1, 1, 1, 3, 10, 2]),
    ("v6 in GUE over IPv4", [391, 1, 1, 1, 3, 10, 2]),
    ("v6 in GUE over IPv6", [369, 1, 1, 1, 3, 10, 2]),
    ("v6 UDP in IPv4", [374, 1, 1, 1, 2, 10, 2]),
];

/// Percent.
const SLACK: u64 = 5;

#[test]
fn the_hot_path_does_not_grow() {
    let rows = &*ROWS;
    rows.iter().for_each(|row| eprintln!("{row}"));
    let mut faults: Vec<String> = rows.iter().flat_map(judge).collect();
    let is_counted = |name: &str| rows.iter().any(|row| row.name == name);
    let gone = BOUNDS.iter().filter(|(name, _)| !is_counted(name));
    faults.extend(gone.map(|(name, _)| format!("{name}: no such case")));
    assert!(
        faults.is_empty(),
        "{}\nthe bounds that fit:\n{}",
        faults.join("\n"),
        written(rows)
    );
}

/// What is wrong with the figures of a case.
fn judge(row: &Row) -> Vec<String> {
    let name = row.name.as_str();
    let Some((_, bounds)) = BOUNDS.iter().find(|(bounded, _)| *bounded == name) else {
        return vec![format!("{name}: no bounds")];
    };
    let compare = |((column, figure), bound): ((&str, u64), &u64)| {
        if figure > *bound {
            Some(format!("{name}: {figure} {column}, at most {bound}"))
        } else if figure * 100 < bound * (100 - SLACK) {
            Some(format!(
                "{name}: {figure} {column}, well below the bound of {bound}: lower it"
            ))
        } else {
            None
        }
    };
    let figures = COLUMNS.into_iter().zip(row.figures()).zip(bounds);
    figures.filter_map(compare).collect()
}

/// The table of bounds for these rows, as it stands in this file.
fn written(rows: &[Row]) -> String {
    let line = |row: &Row| format!("    ({:?}, {:?}),\n", row.name, row.figures());
    rows.iter().map(line).collect()
}

#[test]
fn the_steady_state_calls_nothing() {
    let mut steady = ROWS.iter().filter(|row| row.is_steady).peekable();
    assert!(steady.peek().is_some());
    for row in steady {
        let work = &row.work;
        assert!(
            work.helpers.is_empty() && work.calls == 0,
            "{}: helpers by number {:?}, {} functions",
            row.name,
            work.helpers,
            work.calls
        );
    }
}

#[test]
fn what_object_and_host_build_do_differently_is_noticed() {
    let case = cases::all().swap_remove(0);
    let after = |change: fn(&HostTables)| {
        let mut pair = Pair::new(cases::world());
        change(pair.host.tables());
        pair.run(&case.frame).map(|(decision, _)| decision)
    };
    assert!(after(|_| {}).is_ok());
    let noticed = after(|tables| tables.port().mac.set(0)).expect_err("another verdict");
    assert!(noticed.starts_with("verdict 3"), "{noticed}");
    let readdress = |tables: &HostTables| {
        let both = [8, 9].into_iter();
        both.for_each(|number| tables.destination(number).macs_high.set(0));
    };
    let noticed = after(readdress).expect_err("another frame");
    assert!(noticed.contains("the host build: [02"), "{noticed}");
    let noticed = after(|tables| tables.counter(1).bytes.add(1)).expect_err("other counters");
    assert!(noticed.starts_with(".bss.counters"), "{noticed}");
    let noticed = after(|tables| tables.bucket(3).0[0].set(9)).expect_err("other flows");
    assert!(noticed.starts_with(".bss.flows"), "{noticed}");
}
