//! Services and backends as the operator names them.

use super::forward::Forward;
use super::slots::State;
use super::{Mac, Prefix};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// The transport protocol of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

impl Protocol {
    /// IANA's number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The protocol with IANA's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            _ => None,
        }
    }

    /// The word that reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Where clients turn to: VIP, port, protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAddress {
    /// The virtual address.
    pub vip: IpAddr,
    /// 1 to 65,535; 0 for any port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.vip {
            IpAddr::V4(vip) => write!(out, "{vip}:")?,
            IpAddr::V6(vip) => write!(out, "[{vip}]:")?,
        }
        match self.port {
            0 => write!(out, "*")?,
            port => write!(out, "{port}")?,
        }
        write!(out, "/{}", self.protocol.name())
    }
}

impl ServiceAddress {
    /// Reads `VIP:PORT`, `[VIP]:PORT` for IPv6, and `*` for any port.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with the text.
    pub fn parse(text: &str, protocol: Protocol) -> Result<Self, String> {
        let (vip, port) = text
            .rsplit_once(':')
            .filter(|(vip, _)| vip.starts_with('[') == vip.ends_with(']'))
            .ok_or("expected VIP:PORT, such as 192.0.2.10:80 or [2001:db8::10]:80")?;
        let bare = vip.strip_prefix('[').and_then(|vip| vip.strip_suffix(']'));
        let address = parse_address(bare.unwrap_or(vip))?;
        if address.is_ipv6() && bare.is_none() {
            return Err(format!(
                "'{text}': an IPv6 VIP stands in brackets, such as [2001:db8::10]:80"
            ));
        }
        let port = match port {
            "*" => 0,
            port => port
                .parse::<u16>()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| {
                    format!("port '{port}': a number from 1 to 65535 is expected, or * for any")
                })?,
        };
        Ok(Self {
            vip: address,
            port,
            protocol,
        })
    }
}

/// Reads `VIP:PORT`, `VIP:PORT/tcp` or `VIP:PORT/udp`; TCP if it says neither.
impl FromStr for ServiceAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once('/') {
            Some((text, "tcp")) => Self::parse(text, Protocol::Tcp),
            Some((text, "udp")) => Self::parse(text, Protocol::Udp),
            Some((_, other)) => Err(format!("protocol '{other}': tcp or udp is expected")),
            None => Self::parse(text, Protocol::Tcp),
        }
    }
}

/// The address of one host.
///
/// # Errors
///
/// A sentence that says what is wrong with the text.
pub fn parse_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| format!("'{text}' is not an IP address such as 192.0.2.10 or 2001:db8::10"))?;
    let is_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    let is_of_one = !address.is_unspecified() && !address.is_multicast() && !address.is_loopback();
    if is_broadcast || !is_of_one {
        return Err(format!("{address} is not the address of one host"));
    }
    // The tables hold IPv4 addresses in this form: it would be the same service.
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(format!("{address} is an IPv4 address: write {v4}"));
    }
    Ok(address)
}

/// A server that answers for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Its own address.
    pub address: IpAddr,
    /// The MAC that packets to it are sent to, if the operator gave it: its own,
    /// or, with a tunnel, that of the next hop. Else the kernel is asked.
    pub mac: Option<Mac>,
    /// How packets get to it; `None` for its service's way.
    pub forward: Option<Forward>,
    /// Its share of the new flows, against the others' weights.
    pub weight: u16,
    /// What it is to do; `None` leaves it as it is, and a new one is ready.
    pub state: Option<State>,
}

/// Reads `REAL` or `REAL=MAC`.
impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, mac) = match text.split_once('=') {
            Some((address, mac)) => (address, Some(mac.parse()?)),
            None => (text, None),
        };
        Ok(Self {
            address: parse_address(address)?,
            mac,
            forward: None,
            weight: 1,
            state: None,
        })
    }
}

/// Who gets a new connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The owner of the flow's slot in a Maglev table.
    #[default]
    Maglev,
    /// The owner of a random slot.
    Random,
}

/// Which flows the flow table remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracking {
    /// Those that a change has put at risk.
    #[default]
    Changed,
    /// All.
    All,
    /// None: a change moves connections.
    None,
}

/// What becomes of the connections of a backend that is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDead {
    /// Their next packets go to another backend, which refuses them.
    #[default]
    Rehash,
    /// Their clients' next packets are answered with a reset.
    Reset,
    /// They go on being sent to it: it may come back.
    Hold,
}

/// What a client's flows have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// Nothing: each goes its own way.
    #[default]
    Flow,
    /// The backend, for all whose addresses have these first bits in common
    /// (IPv4, IPv6).
    Client(u8, u8),
}

/// How a service treats its flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Who gets a new connection.
    pub policy: Policy,
    /// Which flows are remembered.
    pub tracking: Tracking,
    /// What flows have in common.
    pub affinity: Affinity,
    /// What becomes of the connections of a backend that is down.
    pub on_dead: OnDead,
    /// Clients that are served; all, if there are none.
    pub allow: Vec<Prefix>,
    /// Clients that are not.
    pub deny: Vec<Prefix>,
}

/// A service and who answers for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Where clients turn to: one address or several, which share everything.
    pub addresses: Vec<ServiceAddress>,
    /// Who answers.
    pub backends: Vec<Backend>,
    /// How it treats its flows.
    pub manner: Manner,
    /// How packets get to its backends, but for those that say otherwise.
    pub forward: Forward,
    /// Outer sources of its tunnels, one for each IP version at most; else the
    /// kernel's routes say.
    pub sources: Vec<IpAddr>,
}

impl Service {
    /// What reports call it: its first address.
    #[must_use]
    pub fn name(&self) -> String {
        self.addresses
            .first()
            .map_or_else(String::new, ToString::to_string)
    }

    /// How packets get to one of its backends.
    #[must_use]
    pub fn forward(&self, backend: &Backend) -> Forward {
        backend.forward.unwrap_or(self.forward)
    }

    /// The outer source that the operator gave for tunnels to this address.
    #[must_use]
    pub fn source(&self, to: IpAddr) -> Option<IpAddr> {
        let mut sources = self.sources.iter();
        sources
            .find(|source| source.is_ipv4() == to.is_ipv4())
            .copied()
    }
}
