//! A service as IPVS knows it, whoever told of it.

use super::address::number;
use crate::config::values::Values;
use crate::model::ServiceAddress;
use std::net::IpAddr;

/// What persistence without a time means, in seconds.
pub const PERSISTENCE: &str = "360";

/// A virtual service.
#[derive(Clone, Debug, Default)]
pub struct Virtual {
    /// Where it stands.
    pub line: usize,
    /// The name that it has there, if it has one.
    pub name: Option<String>,
    /// Where clients turn to, with the line of each.
    pub addresses: Vec<(usize, ServiceAddress)>,
    /// The scheduler, as it is written.
    pub scheduler: Option<(usize, String)>,
    /// The scheduler looks at the client's port as well as its address.
    pub is_by_port: bool,
    /// Flows of one client stay together.
    pub persistence: Option<Persistence>,
    /// What backends in rotation have to weigh together, as it is written, and where.
    pub quorum: Option<(usize, String)>,
    /// Who stands in for the others.
    pub sorry: Option<Real>,
    /// The backends.
    pub reals: Vec<Real>,
}

/// Flows of one client stay together.
#[derive(Clone, Debug)]
pub struct Persistence {
    /// Where it stands.
    pub line: usize,
    /// For how long, as it is written.
    pub seconds: String,
    /// Clients with these first bits in common are one client: a mask of IPv4 or a
    /// prefix length of IPv6, as it is written, and where.
    pub mask: Option<(usize, String)>,
}

/// A backend.
#[derive(Clone, Debug)]
pub struct Real {
    /// Where it stands.
    pub line: usize,
    /// Its own address.
    pub address: IpAddr,
    /// The port that it is said to answer on; 0 for the service's.
    pub port: u16,
    /// How packets get to it.
    pub method: Method,
    /// Its share, as it is written, and where.
    pub weight: Option<(usize, String)>,
    /// How it is checked.
    pub check: Option<Check>,
}

/// How a backend is checked.
#[derive(Clone, Debug)]
pub struct Check {
    /// Where it stands.
    pub line: usize,
    /// What it is called there.
    pub keyword: String,
    /// What carries over, as keys of `[service.NAME.check]`.
    pub values: Values,
}

/// How packets get to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its address is written into them.
    Nat,
    /// With its MAC.
    Route,
    /// Inside IP.
    Ipip,
    /// Inside UDP, to this port.
    Gue(u16),
    /// Inside GRE.
    Gre,
}

/// The tunnel of this kind, as IPVS's tools write it.
///
/// # Errors
///
/// A sentence that says what is wrong.
pub fn tunnel(kind: &str, port: Option<&str>) -> Result<Method, String> {
    match kind {
        "ipip" => Ok(Method::Ipip),
        "gre" => Ok(Method::Gre),
        "gue" => {
            let text = port.ok_or("a tunnel of kind gue lacks a port")?;
            number(text)
                .filter(|&port| port != 0)
                .map(Method::Gue)
                .ok_or_else(|| format!("tunnel port '{text}' is no number from 1 to 65535"))
        }
        other => Err(format!("tunnels of kind '{other}' are not known")),
    }
}
