//! `dsrload add|set|del|drain|ready|maint|down`: backends of what is loaded.

use super::ServiceArgs;
use crate::model::{Service, ServiceAddress, State, Word};
use clap::Args;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Arguments of `drain` and its like.
#[derive(Args, Debug)]
pub struct BackendArgs {
    /// The service and its backend: by name, as in web/b1, or by address, as in
    /// 192.0.2.10:80/10.0.0.3 or 192.0.2.10:53/udp/10.0.0.5.
    #[arg(value_name = "SERVICE/BACKEND")]
    pub target: Target,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
}

/// Arguments of `add` and `del`.
#[derive(Args, Debug)]
pub struct MemberArgs {
    /// One service and its backends.
    #[command(flatten)]
    pub words: ServiceArgs,
    /// What a backend that is added is called; else it is named after its address.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// The service, put together in the order of the command line.
    #[arg(skip)]
    pub services: Vec<Service>,
}

/// Arguments of `set`.
#[derive(Args, Debug)]
pub struct SetArgs {
    /// One service and its backends, and what of them is set.
    #[command(flatten)]
    pub words: ServiceArgs,
    /// What they are to do: ready, drain, maint or down.
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<State>,
    /// The balancer that has this interface, if there are several.
    #[arg(long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// The service, put together in the order of the command line.
    #[arg(skip)]
    pub services: Vec<Service>,
}

fn state(text: &str) -> Result<State, String> {
    State::from_word(text)
        .ok_or_else(|| format!("'{text}': ready, drain, maint or down is expected"))
}

/// A service that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceId {
    /// By one of its addresses.
    Address(ServiceAddress),
    /// By its name.
    Name(String),
}

/// A backend of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendId {
    /// By its own address.
    Address(IpAddr),
    /// By its name.
    Name(String),
}

/// A backend of a service that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The service.
    pub service: ServiceId,
    /// The backend.
    pub backend: BackendId,
}

/// What services and backends may be called.
fn name(text: &str) -> Result<String, String> {
    let is_good = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if (1..=63).contains(&text.len()) && text.chars().all(is_good) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "'{text}' is no name: names have 1 to 63 letters a to z, digits, _ or -"
    ))
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, backend) = text.rsplit_once('/').ok_or(
            "expected SERVICE/BACKEND, such as web/b1, 192.0.2.10:80/10.0.0.3 or 192.0.2.10:53/udp/10.0.0.5",
        )?;
        Ok(Self {
            // No address is a name: that has neither point nor colon.
            service: match name(service) {
                Ok(name) => ServiceId::Name(name),
                Err(_) => ServiceId::Address(service.parse()?),
            },
            backend: match name(backend) {
                Ok(name) => BackendId::Name(name),
                Err(_) => BackendId::Address(backend.parse().map_err(|_| {
                    format!("'{backend}' is neither the name nor the address of a backend")
                })?),
            },
        })
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Name(name) => name.fmt(out),
        }
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(out),
            Self::Name(name) => name.fmt(out),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.service, self.backend)
    }
}
