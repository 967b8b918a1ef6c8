//! One change of the host, the command that a shell would make it by, and what
//! takes it back.

use super::{Address, LOOPBACK, Setting};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One change of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// `lo` is switched on.
    Up,
    /// `lo` is switched off.
    Down,
    /// `lo` gets an address.
    Add(Address),
    /// `lo` loses one.
    Remove(Address),
    /// A kernel setting changes.
    Set {
        /// Which.
        setting: Setting,
        /// Its value before.
        was: u32,
        /// Its value from then on.
        to: u32,
    },
}

impl Step {
    /// The command that does the same.
    #[must_use]
    pub fn command(&self) -> String {
        match self {
            Self::Up => format!("ip link set {LOOPBACK} up"),
            Self::Down => format!("ip link set {LOOPBACK} down"),
            // No other host is asked on `lo` whether it has the address.
            Self::Add(own) if own.address.is_ipv6() => {
                format!("ip addr add {own} dev {LOOPBACK} nodad")
            }
            Self::Add(own) => format!("ip addr add {own} dev {LOOPBACK}"),
            Self::Remove(own) => format!("ip addr del {own} dev {LOOPBACK}"),
            Self::Set { setting, to, .. } => setting.command(*to),
        }
    }

    /// What takes it back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
            Self::Add(own) => Self::Remove(*own),
            Self::Remove(own) => Self::Add(*own),
            Self::Set { setting, was, to } => Self::Set {
                setting: setting.clone(),
                was: *to,
                to: *was,
            },
        }
    }
}

/// What is, and what was.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => write!(f, "{LOOPBACK}: up (was down)"),
            Self::Down => write!(f, "{LOOPBACK}: down (was up)"),
            Self::Add(own) => write!(f, "{}: on {LOOPBACK} as {own} (was not)", own.address),
            Self::Remove(own) => write!(f, "{}: not on {LOOPBACK} (was {own})", own.address),
            Self::Set { setting, was, to } => write!(f, "{setting}: {to} (was {was})"),
        }
    }
}
