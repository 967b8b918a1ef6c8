//! docs/SHOW.md lists the keys of `dsrload show -j` and `plan -j`, no more and no
//! less.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use dsrload::report::plan::{PlanReport, ServiceReport, StepReport, Touched};
use dsrload::report::show::backends::{Backend, Backends};
use dsrload::report::show::drops::{Dropped, Drops, DropsOf};
use dsrload::report::show::flows::{Flow, Flows, Lookup, Lookups};
use dsrload::report::show::neigh::{Neighbour, Neighbours};
use dsrload::report::show::services::{Service, Services};
use dsrload::report::show::{Balancers, Report, Traffic};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The keys that a report has if it is compared with the one before: the most
/// that there can be.
fn has_keys_of(section: &str, mut report: impl Report + Clone) {
    let before = report.clone();
    report.compare(&before, 1_000);
    has_keys(section, &report);
}

fn has_keys(section: &str, report: &impl Serialize) {
    let mut keys = BTreeSet::new();
    let json = serde_json::to_value(report).expect("JSON");
    collect(&json, "", &mut keys);
    assert_eq!(keys, documented(section), "docs/SHOW.md, {section}");
}

fn collect(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{key}");
                if !value.is_array() {
                    keys.insert(path.clone());
                }
                collect(value, &path, keys);
            }
        }
        Value::Array(values) => {
            let path = format!("{path}[]");
            assert!(!values.is_empty(), "{path} is empty: its keys do not show");
            keys.insert(path.clone());
            for value in values {
                collect(value, &path, keys);
            }
        }
        _ => {}
    }
}

/// The keys in the table below a heading.
fn documented(section: &str) -> BTreeSet<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SHOW.md");
    let page = std::fs::read_to_string(page).expect("docs/SHOW.md");
    let heading = format!("### `{section}`\n");
    let (_, below) = page.split_once(&heading).expect(section);
    let table = below.split("\n### ").next().expect("a section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let keys = rows.filter_map(|row| row.split_once('`'));
    keys.map(|(key, _)| key.to_owned()).collect()
}

fn one<P>(part: P) -> Balancers<P> {
    Balancers {
        balancers: vec![part],
    }
}

fn interfaces() -> Vec<String> {
    vec!["eth0".into()]
}

#[test]
fn services() {
    let service = Service {
        name: String::new(),
        addresses: vec![String::new()],
        policy: "",
        tracking: "",
        affinity: String::new(),
        slots: 0,
        unsettled: 0,
        in_rotation: 0,
        backends: 0,
        traffic: Traffic::default(),
        flows: 0,
    };
    has_keys_of(
        "services",
        one(Services {
            interfaces: interfaces(),
            services: vec![service],
        }),
    );
}

#[test]
fn backends() {
    let backend = Backend {
        service: String::new(),
        address: [10, 0, 0, 3].into(),
        state: "",
        weight: 0,
        slots: 0,
        slots_of_service: 0,
        untraced_slots: 0,
        forward: String::new(),
        mac: None,
        interface: None,
        traffic: Traffic::default(),
        flows: 0,
        live_flows: 0,
        last_packet_seconds: None,
    };
    has_keys_of(
        "backends",
        one(Backends {
            interfaces: interfaces(),
            idle_seconds: 0,
            wrap_seconds: 0,
            backends: vec![backend],
        }),
    );
}

#[test]
fn flows() {
    let flow = Flow {
        service: None,
        backend: None,
        bucket: 0,
        tag: String::new(),
        slot: None,
        is_traced: false,
        idle_seconds: 0,
        is_live: false,
    };
    has_keys_of(
        "flows",
        one(Flows {
            interfaces: interfaces(),
            idle_seconds: 0,
            wrap_seconds: 0,
            capacity: 0,
            in_table: 0,
            matched: 0,
            flows: vec![flow],
        }),
    );
}

#[test]
fn the_flow_of_a_client() {
    let lookup = Lookup {
        client: String::new(),
        address: String::new(),
        service: String::new(),
        bucket: 0,
        tag: String::new(),
        slot: 0,
        is_settled: false,
        owner: None,
        former_owner: None,
        entry_backend: None,
        entry_idle_seconds: None,
        goes_to: None,
        reason: "",
        is_random: false,
    };
    has_keys_of(
        "flows --client",
        one(Lookups {
            interfaces: interfaces(),
            idle_seconds: 0,
            wrap_seconds: 0,
            lookups: vec![lookup],
        }),
    );
}

#[test]
fn drops() {
    let of = || DropsOf {
        interfaces: interfaces(),
        drops: vec![Dropped {
            name: "",
            packets: 0,
            packets_per_second: None,
            help: "",
            remedy: "",
        }],
    };
    let drops = Drops {
        balancers: vec![of()],
        decaps: vec![of()],
    };
    has_keys_of("drops", drops);
}

#[test]
fn neighbours() {
    let neighbour = Neighbour {
        address: None,
        interface: None,
        mac: String::new(),
        loaded_interface: None,
        is_given: false,
        kernel_mac: None,
        kernel_state: None,
        is_managed: false,
        agrees: None,
        fault: None,
        backends: vec![String::new()],
    };
    has_keys_of(
        "neigh",
        one(Neighbours {
            interfaces: interfaces(),
            neighbours: vec![neighbour],
        }),
    );
}

#[test]
fn plan() {
    let step = StepReport {
        kind: "add",
        target: String::new(),
        what: String::new(),
        touched: Some(Touched::default()),
    };
    let service = ServiceReport {
        name: String::new(),
        slots: 0,
        moved: 0,
        is_new: false,
    };
    let report = PlanReport {
        is_in_force: false,
        steps: vec![step],
        services: vec![service],
        generation: 0,
        digest_now: String::new(),
        digest_then: String::new(),
    };
    has_keys("plan", &report);
}
