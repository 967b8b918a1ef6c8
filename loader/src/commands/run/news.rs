//! What the threads tell each other.

use crate::agent::check::Report;
use crate::agent::log::Level;
use crate::model::TunnelKind;
use crate::model::check::Check;
use crate::netlink;
use crate::report::run::Event;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What the keeper of the tables hears.
#[derive(Debug)]
pub enum News {
    /// A check has ended.
    Checked(Report),
    /// The kernel tells of neighbours, routes or interfaces.
    Kernel(netlink::News),
    /// Somebody wants something.
    Signal(Signal),
    /// Something does not work, which no order can be answered with.
    Trouble(String),
    /// The thread of the checks is at its end, and why: nothing is looked after any
    /// more.
    Ended(String),
    /// A line for the log.
    Line(OwnedLine),
    /// The interface for checks through tunnels has this index now.
    Tunnels(u32),
}

/// A line for the log.
#[derive(Clone, Debug)]
pub struct OwnedLine {
    /// As in [`Line`](crate::agent::log::Line).
    pub level: Level,
    /// As there.
    pub kind: &'static str,
    /// As there.
    pub service: String,
    /// As there.
    pub backend: String,
    /// As there.
    pub message: String,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the file is read again.
    Reload,
    /// SIGTERM, SIGINT.
    End,
}

/// What the thread of the checks is told.
#[derive(Clone, Debug)]
pub enum Order {
    /// These backends are checked from now on, and no others.
    Check(Vec<Aim>),
    /// The hook is told of this.
    Tell(Event),
    /// The hook, and how long it may take.
    Hook(Vec<String>, Duration),
    /// Metrics, API and page are served here.
    Listen(Option<SocketAddr>),
    /// There is to be an interface for checks through tunnels.
    Tunnels(TunnelOrder),
}

/// What the interface for checks through tunnels is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelOrder {
    /// Its name.
    pub name: String,
    /// The longest packet that fits all tunnels: bytes.
    pub room: u16,
    /// Whether raw sockets are needed.
    pub raw: bool,
}

/// A check of one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// The service, the backend, and the VIP if the check is for that.
    pub key: (String, String, Option<IpAddr>),
    /// What is asked.
    pub check: Check,
    /// Whom its socket connects to.
    pub to: SocketAddr,
    /// How its packets get there.
    pub by: By,
}

/// How a check's packets get to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By the host's routes.
    Routes,
    /// With this mark, by our rule.
    Mark(u32),
    /// Through a tunnel to the backend, from this address of ours.
    Tunnel {
        /// The mark that leads into our device.
        mark: u32,
        /// The backend's own address.
        backend: IpAddr,
        /// The outer source.
        source: IpAddr,
        /// How packets are wrapped up.
        kind: TunnelKind,
    },
}
