//! The metrics: what is written, what docs/METRICS.md says, what docs/grafana.json
//! asks for, and what Prometheus' own tool thinks of it.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;
#[allow(dead_code, reason = "each test binary uses its part")]
mod served;

use dsrload::report::run::{Snapshot, metrics};
use serde_json::Value;
use served::figures::{empty, hostile, troubled};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a family is, as written or as documented.
#[derive(Debug, Default, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: BTreeSet<String>,
    help: String,
}

fn text(snapshot: &Snapshot) -> String {
    let mut out = Vec::new();
    metrics::write(&mut out, snapshot).expect("a vector takes all");
    String::from_utf8(out).expect("text")
}

/// The families in a text, with the labels of their samples.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut found: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a help text");
            let family = found.entry(name.to_owned()).or_default();
            assert!(family.help.is_empty(), "{name} is there twice");
            help.clone_into(&mut family.help);
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = rest.strip_prefix(&format!("{current} "));
            let family = found.get_mut(&current).expect("help comes first");
            kind.expect("of the same family")
                .clone_into(&mut family.kind);
        } else {
            assert!(line.starts_with(&current), "{line} is not of {current}");
            let family = found.get_mut(&current).expect("help comes first");
            family.labels.extend(labels(line));
        }
    }
    found
}

/// The names of a sample's labels, but for the one that histograms bring.
fn labels(sample: &str) -> Vec<String> {
    let Some((_, labels)) = sample.split_once('{') else {
        return Vec::new();
    };
    let (labels, _) = labels.rsplit_once("} ").expect("an end");
    let names = labels
        .split("\",")
        .filter_map(|label| label.split_once("=\""));
    let names = names.map(|(name, _)| name.to_owned());
    names.filter(|name| name != "le").collect()
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_page_about_metrics_lists_what_is_written_and_nothing_else() {
    let mut documented = BTreeMap::new();
    for row in read("docs/METRICS.md").lines() {
        let Some(row) = row.strip_prefix("| `dsrload_") else {
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [name, kind, unit, labels, help] = cells[..] else {
            panic!("five columns: {row}");
        };
        let name = format!("dsrload_{}", name.trim_end_matches('`'));
        assert_eq!(unit, unit_of(&name), "the unit of {name}");
        let labels = labels.split(", ").map(|label| label.trim_matches('`'));
        let labels = labels.filter(|label| *label != "none");
        let family = Family {
            kind: kind.to_owned(),
            labels: labels.map(str::to_owned).collect(),
            help: help.to_owned(),
        };
        documented.insert(name, family);
    }
    assert_eq!(families(&text(&troubled())), documented);
}

/// Prometheus' convention: the unit is in the name.
fn unit_of(name: &str) -> &str {
    let name = name.trim_end_matches("_total");
    let units = [
        ("_seconds", "seconds"),
        ("_bytes", "bytes"),
        ("_packets", "packets"),
        ("_info", "1"),
        ("_flows", "flows"),
        ("_connections", "connections"),
        ("_slots", "slots"),
        ("_entries", "entries"),
        ("_capacity", "entries"),
        ("_results", "checks"),
        ("_in_rotation", "backends"),
        ("_quorum", "backends"),
        ("_warnings", "sentences"),
        ("_weight", "weight"),
        ("_generation", "changes"),
    ];
    let found = units.iter().find(|(end, _)| name.ends_with(end));
    found.map_or("0 or 1", |(_, unit)| unit)
}

#[test]
fn the_same_snapshot_is_written_the_same_and_no_sample_twice() {
    for snapshot in [troubled(), empty(), hostile(), Snapshot::default()] {
        let once = text(&snapshot);
        assert_eq!(once, text(&snapshot));
        let mut series = BTreeSet::new();
        for line in once.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(name.to_owned()), "{name} is there twice");
        }
    }
}

#[test]
fn figures_are_those_of_the_snapshot() {
    let text = text(&troubled());
    for line in [
        "dsrload_service_up{service=\"mail\"} 0",
        "dsrload_service_unsettled_slots{service=\"web\"} 8192",
        "dsrload_service_announced{service=\"mail\"} 0",
        "dsrload_backend_up{service=\"web\",backend=\"web-2\"} 0",
        "dsrload_backend_up{service=\"web\",backend=\"web-4\"} 1",
        "dsrload_backend_state{service=\"web\",backend=\"web-4\",state=\"drain\"} 1",
        "dsrload_backend_state{service=\"web\",backend=\"web-4\",state=\"ready\"} 0",
        "dsrload_backend_bytes_total{service=\"web\",backend=\"web-1\"} 98765432109",
        "dsrload_check_results_total{service=\"web\",backend=\"web-1\",result=\"failure\"} 4",
        "dsrload_check_duration_seconds_bucket{service=\"web\",backend=\"web-1\",le=\"0.0025\"} 19000",
        "dsrload_check_duration_seconds_bucket{service=\"web\",backend=\"web-1\",le=\"+Inf\"} 20104",
        "dsrload_check_duration_seconds_count{service=\"web\",backend=\"web-1\"} 20104",
        "dsrload_check_duration_seconds_sum{service=\"web\",backend=\"web-1\"} 44.25",
        "dsrload_interface_info{interface=\"eth0\",mode=\"drv\"} 1",
        "dsrload_outcome_packets_total{outcome=\"truncated\",verdict=\"drop\"} 31337",
        "dsrload_config_last_reload_successful 0",
        "dsrload_table_info{digest=\"5f1c9a0e3b7d2846\"} 1",
    ] {
        assert!(
            text.lines().any(|l| l == line),
            "{line} is missing from:\n{text}"
        );
    }
    let absent = "dsrload_service_announced{service=\"dns\"}";
    assert!(!text.contains(absent), "it is not to be announced");
    let sorry = "dsrload_check_results_total{service=\"mail\",backend=\"sorry\"";
    assert!(!text.contains(sorry), "it has no check");
}

#[test]
fn promtool_has_nothing_to_complain_of() {
    for snapshot in [troubled(), empty(), hostile(), Snapshot::default()] {
        promtool(&["check", "metrics"], &text(&snapshot));
    }
}

/// Runs it (package `prometheus`) on a text, about which it must say nothing.
fn promtool(arguments: &[&str], text: &str) {
    let (is_well, said) = promtool_says(arguments, text);
    assert!(is_well && said.is_empty(), "{said}\n{text}");
}

/// Whether it is content, and its complaints.
fn promtool_says(arguments: &[&str], text: &str) -> (bool, String) {
    let mut command = Command::new("promtool");
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("promtool (package prometheus) starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[test]
fn promtool_complains_of_what_is_wrong() {
    let wrong = text(&troubled()).replace("_packets_total", "_packets");
    let (is_well, said) = promtool_says(&["check", "metrics"], &wrong);
    assert!(!is_well && said.contains("_total"), "{said}");
}

#[test]
fn the_dashboard_asks_only_for_metrics_and_labels_that_there_are() {
    let dashboard: Value = serde_json::from_str(&read("docs/grafana.json")).expect("JSON");
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|v| v >= 39));
    let mut queries = Vec::new();
    strings_of(&dashboard, &["expr", "query", "definition"], &mut queries);
    queries.retain(|query| query.contains("dsrload_"));
    assert!(queries.len() >= 20, "{} queries", queries.len());
    let written = families(&text(&troubled()));
    for query in &queries {
        check_words(query, &written);
    }
    let mut legends = Vec::new();
    strings_of(&dashboard, &["legendFormat"], &mut legends);
    for legend in legends {
        for part in legend.split("{{").skip(1) {
            let label = part.split("}}").next().expect("a name");
            let is_known =
                label == "instance" || written.values().any(|f| f.labels.contains(label));
            assert!(is_known, "{legend}: no metric has {label}");
        }
    }
    let mut exprs = Vec::new();
    strings_of(&dashboard, &["expr"], &mut exprs);
    promtool_reads(&exprs);
}

#[test]
fn alerts_in_the_page_about_metrics_ask_for_what_there_is() {
    let page = read("docs/METRICS.md");
    let exprs = page
        .lines()
        .filter_map(|line| line.strip_prefix("        expr: "));
    let exprs: Vec<String> = exprs.map(str::to_owned).collect();
    assert!(exprs.len() >= 5, "{exprs:?}");
    let written = families(&text(&troubled()));
    exprs.iter().for_each(|expr| check_words(expr, &written));
    promtool_reads(&exprs);
}

/// All texts under one of these keys.
fn strings_of(value: &Value, keys: &[&str], found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if let (true, Some(text)) = (keys.contains(&key.as_str()), value.as_str()) {
                    found.push(text.to_owned());
                }
                strings_of(value, keys, found);
            }
        }
        Value::Array(values) => values
            .iter()
            .for_each(|value| strings_of(value, keys, found)),
        _ => {}
    }
}

/// Each word outside of quotes is a metric, a label of one in the same query, or a
/// word of PromQL or Grafana.
fn check_words(query: &str, written: &BTreeMap<String, Family>) {
    const KNOWN: &[&str] = &[
        "sum",
        "min",
        "max",
        "rate",
        "by",
        "time",
        "histogram_quantile",
        "le",
        "or",
        "on",
        "vector",
        "changes",
        "topk",
        "count",
        "label_values",
        "instance",
        "job",
        "group_left",
        "bool",
    ];
    let unquoted: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_$:".contains(c);
    let words: Vec<&str> = unquoted.split(|c| !is_word(c)).collect();
    let names = words.iter().filter(|word| word.starts_with("dsrload_"));
    let metrics: Vec<&Family> = names
        .map(|name| {
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix).and_then(|n| written.get(n)));
            let family = written.get(*name).or(family);
            family.unwrap_or_else(|| panic!("{query}: there is no {name}"))
        })
        .collect();
    for word in words {
        let is_number = word.starts_with(|c: char| c.is_ascii_digit());
        let is_known = word.is_empty()
            || word.starts_with(['$'])
            || is_number
            || word.starts_with("dsrload_")
            || KNOWN.contains(&word)
            || metrics.iter().any(|family| family.labels.contains(word));
        assert!(is_known, "{query}: what is {word}?");
    }
}

/// Whether they are PromQL: as rules, Grafana's variables filled in.
fn promtool_reads(exprs: &[String]) {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expr) in exprs.iter().enumerate() {
        let filled = expr
            .replace("$__rate_interval", "1m")
            .replace("$__range", "1h");
        let quoted = Value::String(filled).to_string();
        rules.push_str(&format!("  - record: query{number}\n    expr: {quoted}\n"));
    }
    promtool(&["check", "rules", "/dev/stdin"], &rules);
}
