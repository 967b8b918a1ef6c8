//! `dsrload bench`, as a user runs it: what it says, and that it touches nothing.
//! Its figures are not looked at: this machine is too noisy for that.
#![allow(
    clippy::expect_used,
    reason = "a test fails by a panic, and so does its lab"
)]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;

use lab::Lab;
use lab::load::Load;
use lab::product::Product;
use lab::sentinel::{Sentinel, attached};
use serde_json::Value;

const DSRLOAD: &str = env!("CARGO_BIN_EXE_dsrload");

/// Case and program of each row, whose figures are numbers.
fn rows(json: &str) -> Vec<(String, String)> {
    let rows: Vec<Value> = serde_json::from_str(json).expect("a list");
    let text = |row: &Value, key: &str| row[key].as_str().expect(key).to_owned();
    rows.iter()
        .map(|row| {
            for key in [
                "net_ns_min",
                "net_ns_median",
                "net_ns_p90",
                "ns_min",
                "ns_median",
            ] {
                assert!(row[key].is_f64(), "{key}: {row}");
            }
            (text(row, "case"), text(row, "program"))
        })
        .collect()
}

fn pairs(case: &str, programs: &[&str]) -> Vec<(String, String)> {
    let pair = |program: &&str| (case.to_owned(), (*program).to_owned());
    programs.iter().map(pair).collect()
}

#[test]
fn what_is_loaded_is_measured_and_not_touched() {
    let lab = Lab::seed_alone();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let sentinel = Sentinel::posted(&lab.balancer);
    dsrload.run("eth0 --mode skb").exits(0);
    let before = attached(&lab.balancer, "eth0");
    let load = Load::on(lab::VIP).start(&lab.client);
    load.answers_everywhere();
    let json = dsrload.answer("bench eth0 --rounds 2 -j");
    load.answers_everywhere();
    load.finish().is_flawless();
    let programs = ["floor", "floor_swap", "dsrload"];
    let expected = ["1k flows", "new flows"]
        .map(|case| pairs(&format!("192.168.25.10:80/tcp {case}"), &programs))
        .concat();
    assert_eq!(rows(&json), expected);
    assert_eq!(attached(&lab.balancer, "eth0"), before);
    // The bench sends more than a million packets: they are nowhere in the counts.
    assert!(dsrload.stats().outcome("forwarded") < 200_000);
    dsrload.run("--unload eth0").exits(0);
    sentinel.sees_nothing_left(&lab.balancer);
}

#[test]
fn what_is_made_up_is_measured_beside_others() {
    let lab = Lab::seed_alone();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    let sentinel = Sentinel::posted(&lab.balancer);
    let json = dsrload.answer("bench --synthetic --case v4-tcp-est-1k --rounds 2 --json");
    let programs = [
        "floor",
        "floor_swap",
        "dsrload",
        "dsrload-1pct",
        "dsrload-10pct",
        "dsrload-100pct",
        "dsrload-all",
        "seed",
        "katran-like",
    ];
    assert_eq!(rows(&json), pairs("v4-tcp-est-1k", &programs));
    let rows: Vec<Value> = serde_json::from_str(&json).expect("a list");
    for row in &rows {
        assert!(row["mpps"].is_f64() && row["mpps_skb"].is_f64(), "{row}");
    }
    let table = dsrload.answer("bench --case v6-ipip4 --rounds 1 --no-wire");
    let first: Vec<&str> = table
        .lines()
        .filter_map(|l| l.split_whitespace().nth(1))
        .collect();
    assert_eq!(first, ["PROGRAM", "floor", "floor_adjust", "dsrload"]);
    sentinel.sees_nothing_left(&lab.balancer);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let lab = Lab::seed_alone();
    let dsrload = Product::new(&lab.balancer, DSRLOAD);
    dsrload
        .run("bench eth0")
        .exits(1)
        .says("eth0 is not loaded");
    dsrload
        .run("bench --case nonsense")
        .exits(2)
        .says("v4-tcp-est-1k");
    dsrload.run("bench eth0 --synthetic").exits(2);
    dsrload.run("bench no-such-if").exits(1);
}
