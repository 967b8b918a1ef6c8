//! The config file as typed values that know where they stand.

use super::values::Values;
use crate::model::word::Word;
use crate::model::{
    Affinity, Forward, Mac, OnDead, Policy, Prefix, Protocol, ServiceAddress, State, Tracking,
};
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::str::FromStr;

/// Bytes of the file, from the first to behind the last.
pub type Span = Range<usize>;

/// A value and where it stands. Two are equal if their values are.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> At<T> {
    /// A value that stands there.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// What the backend that stands in is called.
pub const SORRY: &str = "sorry";

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// What holds for all services.
    pub balancer: BalancerTable,
    /// `[run]`
    pub run: Values,
    /// Its services, by name.
    pub services: Vec<ServiceTable>,
}

/// `[balancer]`. What is not said is `None`, in the other tables as well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalancerTable {
    /// What the hash key is made of.
    pub seed: Option<At<String>>,
    /// Flows that the flow table holds.
    pub flows: Option<At<u32>>,
    /// Slots of each service.
    pub slots: Option<At<u32>>,
    /// Where XDP runs.
    pub mode: Option<At<Mode>>,
    /// Whether echo requests to VIPs are answered.
    pub echo: Option<At<bool>>,
}

/// `[service.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceTable {
    /// Its name.
    pub name: At<String>,
    /// Something in it could not be read, so that it is not complete.
    pub is_partial: bool,
    /// Its virtual addresses.
    pub vip: Vec<At<IpAddr>>,
    /// Ports and protocols at each of them.
    pub ports: Vec<At<ServicePort>>,
    /// Addresses besides: of ports that not every VIP has.
    pub also: Vec<At<ServiceAddress>>,
    /// Who gets new connections.
    pub policy: Option<At<Policy>>,
    /// Which flows are remembered.
    pub tracking: Option<At<Tracking>>,
    /// What flows have in common.
    pub affinity: Option<At<Affinity>>,
    /// What becomes of the connections of a backend that is down.
    pub on_dead: Option<At<OnDead>>,
    /// How packets get to its backends.
    pub forward: Option<At<Forward>>,
    /// Sources of its tunnels.
    pub source: Vec<At<IpAddr>>,
    /// Clients that it serves; all, if there are none.
    pub allow: Vec<At<Prefix>>,
    /// Clients that it does not serve.
    pub deny: Vec<At<Prefix>>,
    /// How its backends are checked.
    pub check: Option<At<Values>>,
    /// Backends in rotation that it takes for it to be up.
    pub quorum: Option<At<u32>>,
    /// Who stands in for the others.
    pub sorry: Option<At<IpAddr>>,
    /// Whether its VIPs are announced.
    pub announce: Option<At<bool>>,
    /// Its backends, by name.
    pub backends: Vec<BackendTable>,
}

impl ServiceTable {
    /// All its addresses, with the place that names each: every VIP with every
    /// port, and those besides.
    pub fn addresses(&self) -> impl Iterator<Item = At<ServiceAddress>> {
        let at_vip = |vip: &At<IpAddr>, port: &At<ServicePort>| {
            let address = ServiceAddress {
                vip: vip.value,
                port: port.value.number,
                protocol: port.value.protocol,
            };
            At::new(address, port.span.clone())
        };
        let vips = self.vip.iter();
        vips.flat_map(move |vip| self.ports.iter().map(move |port| at_vip(vip, port)))
            .chain(self.also.iter().cloned())
    }

    /// The backend that stands in, which is reached as its service says.
    #[must_use]
    pub fn stand_in(&self) -> Option<BackendTable> {
        self.sorry.as_ref().map(|at| BackendTable {
            name: At::new(SORRY.to_owned(), at.span.clone()),
            ip: at.clone(),
            weight: None,
            forward: None,
            mac: None,
            state: None,
        })
    }

    /// All its virtual addresses, with the place that names each.
    pub fn vips(&self) -> impl Iterator<Item = At<IpAddr>> {
        let also = self.also.iter();
        let also = also.map(|at| At::new(at.value.vip, at.span.clone()));
        let is_new = |at: &At<IpAddr>| self.vip.iter().all(|vip| vip.value != at.value);
        self.vip.iter().cloned().chain(also.filter(is_new))
    }
}

/// An entry of `[service.NAME.backends]`
#[derive(Clone, Debug, PartialEq)]
pub struct BackendTable {
    /// Its name.
    pub name: At<String>,
    /// Its own address.
    pub ip: At<IpAddr>,
    /// Its share of new flows.
    pub weight: Option<At<u16>>,
    /// How packets get to it.
    pub forward: Option<At<Forward>>,
    /// The MAC that they are sent to.
    pub mac: Option<At<Mac>>,
    /// What it is to do.
    pub state: Option<At<State>>,
}

/// A port of a service, as in `80/tcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// 1 to 65,535; 0 for any port.
    pub number: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl fmt::Display for ServicePort {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => write!(out, "*/{}", self.protocol.name()),
            number => write!(out, "{number}/{}", self.protocol.name()),
        }
    }
}

impl FromStr for ServicePort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, protocol) = text
            .split_once('/')
            .ok_or_else(|| format!("port '{text}' names no protocol"))?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(format!("protocol '{protocol}' is neither tcp nor udp")),
        };
        let number = match number {
            "*" => 0,
            // `u16` would take a sign.
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|&number| number != 0)
                .ok_or_else(|| format!("port '{digits}' is not from 1 to 65535"))?,
            other => return Err(format!("port '{other}' is no number")),
        };
        Ok(Self { number, protocol })
    }
}

/// Where XDP is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In the driver if it can, else generic.
    #[default]
    Auto,
    /// In the kernel's generic path.
    Skb,
    /// In the driver.
    Drv,
    /// On the card.
    Hw,
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("skb", Self::Skb),
        ("drv", Self::Drv),
        ("hw", Self::Hw),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_and_written_alike() {
        for text in ["80/tcp", "*/udp", "65535/udp"] {
            let port: ServicePort = text.parse().expect(text);
            assert_eq!(port.to_string(), text);
        }
        for text in [
            "",
            "80",
            "0/tcp",
            "65536/tcp",
            "+80/tcp",
            "/tcp",
            "80/sctp",
            "80/tcp/1",
        ] {
            assert!(text.parse::<ServicePort>().is_err(), "{text}");
        }
    }
}
