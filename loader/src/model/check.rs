//! How a backend's health is checked, as the config says it.

use super::word::Word;
use std::time::Duration;

/// A check of a service's backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked of a backend.
    pub probe: Probe,
    /// Which port it is asked at: 1 to 65,535; 0 for a program whose service takes
    /// any.
    pub port: u16,
    /// How it is reached.
    pub path: Path,
    /// From the start of one check to the start of the next.
    pub every: Duration,
    /// How long an answer is waited for, connecting and all.
    pub timeout: Duration,
    /// Checks in a row that succeed before a backend that is down is up. The first
    /// check of all decides alone.
    pub rise: u32,
    /// Checks in a row that fail before a backend that is up is down.
    pub fall: u32,
    /// How much `every` varies, at random, to either side: per cent.
    pub jitter: u32,
}

/// How a check reaches a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// Its packets are for the VIP, as clients' are, and go to the backend as the
    /// datapath sends those: by its MAC, or through its tunnel.
    #[default]
    Vip,
    /// Its packets are for the backend's own address.
    Real,
}

impl Word for Path {
    const WORDS: &'static [(&'static str, Self)] = &[("vip", Self::Vip), ("real", Self::Real)];
}

/// What is asked of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A connection is accepted.
    Tcp,
    /// An HTTP request is answered as expected.
    Http(Http),
    /// The same inside TLS.
    Https(Http, Tls),
    /// A datagram is answered as expected.
    Udp(Udp),
    /// A DNS query is answered.
    Dns(Dns),
    /// A program ends with exit code 0. Its path, and its arguments.
    Exec(Vec<String>),
}

impl Probe {
    /// The word for its kind in configs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(_) => "http",
            Self::Https(..) => "https",
            Self::Udp(_) => "udp",
            Self::Dns(_) => "dns",
            Self::Exec(_) => "exec",
        }
    }
}

/// An HTTP/1.1 request (GET), and what is expected of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Path and query, as in `/ready?full=1`.
    pub url: String,
    /// The `Host` header; none: the address that is connected to.
    pub host: Option<String>,
    /// Status codes that are well, each from the first to the last of a range.
    pub status: Vec<(u16, u16)>,
    /// A text that the body must contain, within its first 64 KiB.
    pub body: Option<String>,
}

/// How a TLS server is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The server's name, for SNI and its certificate; none: `host`, or no SNI.
    pub sni: Option<String>,
    /// Whether its certificate is checked.
    pub verify: bool,
    /// A file with the certificates of authorities (PEM) that are trusted; none:
    /// the system's.
    pub ca: Option<String>,
}

/// A datagram, and what is expected of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// What is sent; may be empty.
    pub send: Vec<u8>,
    /// What the answer must begin with. None: no answer is waited for, but an ICMP
    /// error within the timeout is a failure.
    pub expect: Option<Vec<u8>>,
}

/// A DNS query over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The name that is asked for.
    pub name: String,
    /// The type of records that is asked for (RFC 1035, as in 1 for A).
    pub record: u16,
}
