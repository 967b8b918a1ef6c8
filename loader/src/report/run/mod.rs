//! What `dsrload run` knows, at one moment: what its metrics, its API and its page
//! tell, and `status` asks it for.

pub mod api;
mod exposition;
pub mod metrics;

pub use exposition::CONTENT_TYPE as METRICS_CONTENT_TYPE;

use serde::{Deserialize, Serialize};

/// Everything. Counters count since the tables were made, so they outlive the
/// process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was taken: seconds since 1970.
    pub time: f64,
    /// When the process started: seconds since 1970.
    pub started: f64,
    /// The version of dsrload.
    pub version: String,
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// The config in force.
    pub config: Config,
    /// The services, by name.
    pub services: Vec<Service>,
    /// What became of packets.
    pub outcomes: Vec<Outcome>,
    /// The flow table.
    pub flows: Flows,
    /// The last changes of state, newest first: at the most 200.
    pub events: Vec<Event>,
    /// What is wrong with this host or with the config, a sentence each.
    pub warnings: Vec<String>,
}

/// An interface that packets come in by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// `skb`, `drv` or `hw`; empty while it is away.
    pub mode: String,
    /// The program's id; 0 while it is away.
    pub program: u32,
}

/// The config in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Counts changes.
    pub generation: u64,
    /// Tells whether two balancers do the same.
    pub digest: String,
    /// Why the last reload was refused; none if it was not.
    pub refused: Option<String>,
    /// When the last reload was tried: seconds since 1970; 0 if none was.
    pub reloaded: f64,
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its addresses, as in `192.0.2.10:80/tcp`.
    pub addresses: Vec<String>,
    /// Backends in rotation, and those that it takes for the service to be up.
    pub in_rotation: u32,
    /// See `in_rotation`.
    pub quorum: u32,
    /// Whether it has its quorum.
    pub is_up: bool,
    /// Whether its VIPs are announced: none if they are not to be.
    pub announced: Option<bool>,
    /// The kind of its check; none if it has none.
    pub check: Option<String>,
    /// Its slots, and those of them that are not settled.
    pub slots: u64,
    /// See `slots`.
    pub unsettled: u64,
    /// Its backends, by name; the sorry backend last, by the name `sorry`.
    pub backends: Vec<Backend>,
}

/// A backend of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its own address.
    pub address: String,
    /// What the operator says: `ready`, `drain`, `maint` or `down`.
    pub wanted: String,
    /// What it does: the same words. `ready` is in rotation.
    pub state: String,
    /// Why it is in that state, in words; empty if nothing is to be said.
    pub reason: String,
    /// Since when: seconds since 1970; 0 if it is not known.
    pub since: f64,
    /// Whether it is the sorry backend.
    pub is_sorry: bool,
    /// Its MAC or that of the next hop; none if it is this host.
    pub mac: Option<String>,
    /// `l2`, `ipip` or `gue:PORT`.
    pub forward: String,
    /// Its share of new flows, against the others' weights.
    pub weight: u32,
    /// Slots that it owns.
    pub slots: u64,
    /// Live flows that the flow table knows: of slots at risk, or all with tracking
    /// `all`.
    pub live_flows: u64,
    /// Packets, bytes (of IP) and TCP connections that it was sent.
    pub packets: u64,
    /// See `packets`.
    pub bytes: u64,
    /// See `packets`.
    pub connections: u64,
    /// Flows that found no room in the flow table.
    pub untracked: u64,
    /// Packets per second, oldest first: one for each of the last 60 intervals of 5
    /// seconds at the most.
    pub packet_rates: Vec<f64>,
    /// Bytes per second, the same.
    pub byte_rates: Vec<f64>,
    /// Its check; none if it has none.
    pub check: Option<CheckState>,
}

/// How the check of a backend fares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckState {
    /// Whether the last one succeeded; none if none has ended.
    pub last: Option<bool>,
    /// Why it failed; empty if it succeeded.
    pub reason: String,
    /// How long the last one took: seconds.
    pub seconds: f64,
    /// Checks that succeeded, and that failed, since the process started.
    pub succeeded: u64,
    /// See `succeeded`.
    pub failed: u64,
    /// How long checks took: how many took at most [`BUCKETS`] seconds, each; the
    /// last one counts all. A histogram of Prometheus.
    pub buckets: Vec<u64>,
    /// The sum of their times: seconds.
    pub seconds_sum: f64,
}

/// Upper bounds of [`CheckState::buckets`], but for the last, which has none:
/// seconds.
pub const BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// What became of packets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// What is done with the packet: `tx` (sent on, or answered), `pass` or `drop`.
    pub verdict: String,
    /// What it means.
    pub help: String,
    /// How many.
    pub packets: u64,
}

/// The flow table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Flows {
    /// Entries, and room for entries.
    pub entries: u64,
    /// See `entries`.
    pub capacity: u64,
    /// When it was last swept: seconds since 1970; 0 if it was not.
    pub swept: f64,
    /// How long that took: seconds of CPU.
    pub sweep_seconds: f64,
}

/// A change of state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When: seconds since 1970.
    pub time: f64,
    /// The service; empty if it is about no service.
    pub service: String,
    /// The backend; empty if it is about no backend.
    pub backend: String,
    /// The old state.
    pub from: String,
    /// The new state.
    pub to: String,
    /// Why.
    pub reason: String,
}
