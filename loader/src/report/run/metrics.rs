//! The metrics of `dsrload run`, for Prometheus.
//!
//! Names are an interface: `docs/METRICS.md` lists them, and `docs/grafana.json`
//! shows them. Tests compare the three.

use super::exposition::{Family, Text, counter, gauge, histogram};
use super::{BUCKETS, Backend, CheckState, Service, Snapshot};
use std::io::{self, Write};

/// Writes all metrics, always in the same order.
///
/// # Errors
///
/// The writer's.
pub fn write(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    let text = &mut Text { out };
    process(text, snapshot)?;
    interfaces(text, snapshot)?;
    outcomes(text, snapshot)?;
    flows(text, snapshot)?;
    services(text, snapshot)?;
    backends(text, snapshot)?;
    checks(text, snapshot)
}

fn process(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    let build = gauge("dsrload_build_info", "The version of dsrload; always 1.");
    text.one(&build, &[("version", &snapshot.version)], 1)?;
    let started = gauge(
        "dsrload_start_time_seconds",
        "When the process started: seconds since 1970.",
    );
    text.one(&started, &[], snapshot.started)?;
    let taken = gauge(
        "dsrload_snapshot_timestamp_seconds",
        "When these figures were taken: seconds since 1970.",
    );
    text.one(&taken, &[], snapshot.time)?;
    let warnings = gauge(
        "dsrload_warnings",
        "What is wrong with this host or with the config: as many sentences on the page.",
    );
    text.one(&warnings, &[], snapshot.warnings.len())?;
    let generation = gauge(
        "dsrload_config_generation",
        "Counts changes of the config in force.",
    );
    text.one(&generation, &[], snapshot.config.generation)?;
    let success = gauge(
        "dsrload_config_last_reload_successful",
        "0 if the last reload of the config was refused, otherwise 1.",
    );
    let is_taken = u8::from(snapshot.config.refused.is_none());
    text.one(&success, &[], is_taken)?;
    let reloaded = gauge(
        "dsrload_config_last_reload_timestamp_seconds",
        "When the last reload was tried: seconds since 1970; 0 if none was.",
    );
    text.one(&reloaded, &[], snapshot.config.reloaded)?;
    let table = gauge(
        "dsrload_table_info",
        "The digest of what packets are forwarded by; always 1. Balancers that do the same have the same.",
    );
    text.one(&table, &[("digest", &snapshot.config.digest)], 1)
}

fn interfaces(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    let attached = gauge(
        "dsrload_interface_attached",
        "Whether the program is attached to the interface.",
    );
    text.begin(&attached)?;
    for interface in &snapshot.interfaces {
        let is_attached = u8::from(interface.program != 0);
        let labels = [("interface", interface.name.as_str())];
        text.sample(&attached, "", &labels, is_attached)?;
    }
    let info = gauge(
        "dsrload_interface_info",
        "The mode in which the program is attached: skb, drv or hw; always 1. Absent while it is not.",
    );
    text.begin(&info)?;
    let there = snapshot.interfaces.iter().filter(|i| i.program != 0);
    for interface in there {
        let labels = [
            ("interface", interface.name.as_str()),
            ("mode", &interface.mode),
        ];
        text.sample(&info, "", &labels, 1)?;
    }
    Ok(())
}

fn outcomes(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    let packets = counter(
        "dsrload_outcome_packets_total",
        "Packets by what became of them.",
    );
    text.begin(&packets)?;
    for outcome in &snapshot.outcomes {
        let labels = [
            ("outcome", outcome.name.as_str()),
            ("verdict", &outcome.verdict),
        ];
        text.sample(&packets, "", &labels, outcome.packets)?;
    }
    Ok(())
}

fn flows(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    let flows = &snapshot.flows;
    let entries = gauge("dsrload_flow_table_entries", "Entries in the flow table.");
    text.one(&entries, &[], flows.entries)?;
    let capacity = gauge(
        "dsrload_flow_table_capacity",
        "Entries for which the flow table has room.",
    );
    text.one(&capacity, &[], flows.capacity)?;
    let swept = gauge(
        "dsrload_flow_table_last_sweep_timestamp_seconds",
        "When the flow table was last swept: seconds since 1970; 0 if it was not.",
    );
    text.one(&swept, &[], flows.swept)?;
    let cost = gauge(
        "dsrload_flow_table_last_sweep_cpu_seconds",
        "CPU time of the last sweep.",
    );
    text.one(&cost, &[], flows.sweep_seconds)
}

type OfService = (Family, fn(&Service) -> Option<u64>);

const OF_SERVICES: &[OfService] = &[
    (
        gauge(
            "dsrload_service_up",
            "Whether the service has its quorum of backends in rotation.",
        ),
        |service| Some(service.is_up.into()),
    ),
    (
        gauge(
            "dsrload_service_in_rotation",
            "Backends that new flows are sent to.",
        ),
        |service| Some(service.in_rotation.into()),
    ),
    (
        gauge(
            "dsrload_service_quorum",
            "Backends in rotation that it takes for the service to be up.",
        ),
        |service| Some(service.quorum.into()),
    ),
    (
        gauge(
            "dsrload_service_announced",
            "Whether the service's VIPs are announced. Absent if they are not to be.",
        ),
        |service| service.announced.map(u64::from),
    ),
    (
        gauge("dsrload_service_slots", "Slots of the service."),
        |service| Some(service.slots),
    ),
    (
        gauge(
            "dsrload_service_unsettled_slots",
            "Slots whose flows are tracked because their backend has changed.",
        ),
        |service| Some(service.unsettled),
    ),
];

fn services(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    for (family, value) in OF_SERVICES {
        text.begin(family)?;
        for service in &snapshot.services {
            if let Some(value) = value(service) {
                text.sample(family, "", &[("service", &service.name)], value)?;
            }
        }
    }
    Ok(())
}

/// What a backend can do, in the order in which it is written.
const STATES: [&str; 4] = ["ready", "drain", "maint", "down"];

type OfBackend = (Family, fn(&Backend) -> u64);

const OF_BACKENDS: &[OfBackend] = &[
    (
        gauge(
            "dsrload_backend_up",
            "0 if the backend's state is down, otherwise 1: a drain is not a failure.",
        ),
        |backend| u64::from(backend.state != "down"),
    ),
    (
        gauge(
            "dsrload_backend_weight",
            "Its share of new flows, against the others' weights.",
        ),
        |backend| backend.weight.into(),
    ),
    (
        gauge("dsrload_backend_slots", "Slots that the backend owns."),
        |backend| backend.slots,
    ),
    (
        gauge(
            "dsrload_backend_live_flows",
            "Live flows that the flow table knows: of unsettled slots, or all with tracking all.",
        ),
        |backend| backend.live_flows,
    ),
    (
        counter(
            "dsrload_backend_packets_total",
            "Packets that the backend was sent.",
        ),
        |backend| backend.packets,
    ),
    (
        counter(
            "dsrload_backend_bytes_total",
            "Bytes that the backend was sent, from the IP header on.",
        ),
        |backend| backend.bytes,
    ),
    (
        counter(
            "dsrload_backend_connections_total",
            "TCP connections that the backend was sent.",
        ),
        |backend| backend.connections,
    ),
    (
        counter(
            "dsrload_backend_untracked_flows_total",
            "Flows that found no room in the flow table.",
        ),
        |backend| backend.untracked,
    ),
];

fn backends(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    for (family, value) in OF_BACKENDS {
        text.begin(family)?;
        for (service, backend) in all_backends(snapshot) {
            text.sample(family, "", &labels(service, backend), value(backend))?;
        }
    }
    let states = gauge(
        "dsrload_backend_state",
        "1 for the state that the backend is in, 0 for the others.",
    );
    text.begin(&states)?;
    for (service, backend) in all_backends(snapshot) {
        for state in STATES {
            let [service, backend_name] = labels(service, backend);
            let labels = [service, backend_name, ("state", state)];
            text.sample(&states, "", &labels, u8::from(backend.state == state))?;
        }
    }
    Ok(())
}

fn checks(text: &mut Text, snapshot: &Snapshot) -> io::Result<()> {
    let last = gauge(
        "dsrload_check_last_successful",
        "Whether the last check succeeded. Absent if none has ended.",
    );
    text.begin(&last)?;
    for (labels, check) in all_checks(snapshot) {
        if let Some(is_well) = check.last {
            text.sample(&last, "", &labels, u8::from(is_well))?;
        }
    }
    let results = counter(
        "dsrload_check_results_total",
        "Checks that have ended, since the process started.",
    );
    text.begin(&results)?;
    for (labels, check) in all_checks(snapshot) {
        let [service, backend] = labels;
        for (result, count) in [("success", check.succeeded), ("failure", check.failed)] {
            let labels = [service, backend, ("result", result)];
            text.sample(&results, "", &labels, count)?;
        }
    }
    let durations = histogram(
        "dsrload_check_duration_seconds",
        "How long checks took, since the process started.",
    );
    text.begin(&durations)?;
    for (labels, check) in all_checks(snapshot) {
        duration(text, &durations, labels, check)?;
    }
    Ok(())
}

fn duration(
    text: &mut Text,
    family: &Family,
    labels: [(&str, &str); 2],
    check: &CheckState,
) -> io::Result<()> {
    let [service, backend] = labels;
    let count_of = |bucket| check.buckets.get(bucket).copied().unwrap_or(0);
    for (bucket, bound) in BUCKETS.iter().enumerate() {
        let labels = [service, backend, ("le", &bound.to_string())];
        text.sample(family, "_bucket", &labels, count_of(bucket))?;
    }
    let all = count_of(BUCKETS.len());
    let infinite = [service, backend, ("le", "+Inf")];
    text.sample(family, "_bucket", &infinite, all)?;
    text.sample(family, "_sum", &labels, check.seconds_sum)?;
    text.sample(family, "_count", &labels, all)
}

fn all_backends(snapshot: &Snapshot) -> impl Iterator<Item = (&Service, &Backend)> {
    let services = snapshot.services.iter();
    services.flat_map(|service| {
        service
            .backends
            .iter()
            .map(move |backend| (service, backend))
    })
}

fn all_checks(snapshot: &Snapshot) -> impl Iterator<Item = ([(&str, &str); 2], &CheckState)> {
    all_backends(snapshot).filter_map(|(service, backend)| {
        let check = backend.check.as_ref()?;
        Some((labels(service, backend), check))
    })
}

fn labels<'a>(service: &'a Service, backend: &'a Backend) -> [(&'a str, &'a str); 2] {
    [("service", &service.name), ("backend", &backend.name)]
}
