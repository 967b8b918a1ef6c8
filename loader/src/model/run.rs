//! What `dsrload run` does besides forwarding, as the config says it.

use super::check::Check;
use super::word::Word;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What holds for all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where metrics, API and page are served; nowhere without it.
    pub listen: Option<SocketAddr>,
    /// The program that is told of changes of state, and its arguments; empty for
    /// none.
    pub hook: Vec<String>,
    /// How long it may take.
    pub hook_timeout: Duration,
    /// What log lines look like.
    pub log: Log,
    /// What SIGTERM does with forwarding.
    pub on_exit: OnExit,
    /// How long SIGTERM waits after it has withdrawn the VIPs.
    pub exit_after: Duration,
    /// How VIPs are announced.
    pub announce: Announce,
    /// Silence after which a connection is given up.
    pub idle: Duration,
    /// The same where the first packet of a flow does not show that it is the first:
    /// UDP, affinity. Counted from a change.
    pub window: Duration,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            listen: None,
            hook: Vec::new(),
            hook_timeout: Duration::from_secs(10),
            log: Log::default(),
            on_exit: OnExit::default(),
            exit_after: Duration::from_secs(5),
            announce: Announce::default(),
            idle: Duration::from_secs(300),
            window: Duration::from_secs(30),
        }
    }
}

/// How VIPs are announced: as routes on a device of ours, which a routing daemon
/// exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The device. It lives as long as the process.
    pub device: String,
    /// The routing table: 1 to 4,294,967,295. Not one that the host's packets are
    /// routed by, or they would end in the device.
    pub table: u32,
    /// The protocol number of all routes and rules of ours: 5 to 255.
    pub protocol: u8,
}

impl Default for Announce {
    fn default() -> Self {
        Self {
            device: "dsrload0".to_owned(),
            table: 3_700,
            protocol: 201,
        }
    }
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// For people.
    #[default]
    Plain,
    /// One JSON object each.
    Json,
}

impl Word for Log {
    const WORDS: &'static [(&'static str, Self)] = &[("plain", Self::Plain), ("json", Self::Json)];
}

/// What SIGTERM does with forwarding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExit {
    /// It goes on.
    #[default]
    Keep,
    /// The program is taken off.
    Unload,
}

impl Word for OnExit {
    const WORDS: &'static [(&'static str, Self)] =
        &[("keep", Self::Keep), ("unload", Self::Unload)];
}

/// What holds for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Care {
    /// How its backends are checked, if they are.
    pub check: Option<Check>,
    /// Backends in rotation that it takes for it to be up.
    pub quorum: u32,
    /// Who answers instead of all others while it has no quorum.
    pub sorry: Option<IpAddr>,
    /// Whether its VIPs are announced while it is up.
    pub announce: bool,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            check: None,
            quorum: 1,
            sorry: None,
            announce: false,
        }
    }
}
