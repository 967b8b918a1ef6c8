//! What is measured: packets, a site to balance them over, and programs.

use super::stream::{Stream, flags};
use super::world::{OWN_MAC, Site, State, Version};
use crate::model::forward::GUE_PORT;
use crate::model::{Protocol, ServiceAddress, TunnelKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Some packets, and who is to do what with them.
#[derive(Clone, Debug)]
pub struct Case {
    /// What tables and JSON call it: `v4-tcp-est-1k`.
    pub name: String,
    /// The packets.
    pub stream: Stream,
    /// What they are balanced over.
    pub site: Site,
    /// The floor first: costs are what is above it, and rates are beside its.
    pub subjects: Vec<Subject>,
}

/// A program that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Returns `XDP_TX`.
    Floor,
    /// Parses and swaps the MACs.
    FloorSwap,
    /// Makes room for an outer header.
    FloorAdjust(Version),
    /// Ours.
    Ours(State),
    /// Ours, with a copy of the tables that are loaded.
    Copy,
    /// A hash table of all flows, as in the system that this project began with.
    Seed,
    /// The public design of Katran.
    KatranLike,
    /// The same without its limit of new flows.
    KatranUnlimited,
}

/// `enum xdp_action`.
const PASS: u32 = 2;
const TX: u32 = 3;

impl Case {
    /// Whether its packets are for a service.
    #[must_use]
    pub fn comes_back(&self) -> bool {
        self.stream.to.vip == self.site_address().vip
    }

    /// Where its site's first service is.
    #[must_use]
    pub fn site_address(&self) -> ServiceAddress {
        let version = match self.stream.to.vip {
            IpAddr::V4(_) => Version::V4,
            IpAddr::V6(_) => Version::V6,
        };
        Site::address(version, self.stream.to.protocol)
    }

    /// What a program is to say to its packets; `None` if that cannot be told.
    #[must_use]
    pub fn verdict(&self, subject: Subject) -> Option<u32> {
        match subject {
            Subject::Copy => None,
            Subject::FloorSwap if self.stream.to.port != 80 => None,
            Subject::Floor | Subject::FloorSwap | Subject::FloorAdjust(_) => Some(TX),
            _ if self.comes_back() => Some(TX),
            _ => Some(PASS),
        }
    }
}

impl Subject {
    /// Ours in its steady state.
    pub const STEADY: Self = Self::Ours(State::Unsettled(0));

    /// What tables and JSON call it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Floor => "floor".to_owned(),
            Self::FloorSwap => "floor_swap".to_owned(),
            Self::FloorAdjust(_) => "floor_adjust".to_owned(),
            Self::Ours(State::Unsettled(0)) => "dsrload".to_owned(),
            Self::Ours(State::Unsettled(percent)) => format!("dsrload-{percent}pct"),
            Self::Ours(State::TracksAll) => "dsrload-all".to_owned(),
            Self::Copy => "dsrload".to_owned(),
            Self::Seed => "seed".to_owned(),
            Self::KatranLike => "katran-like".to_owned(),
            Self::KatranUnlimited => "katran-like-nolimit".to_owned(),
        }
    }
}

/// Numbers of flows, by how cases call them.
const FLOWS: [(&str, u64); 4] = [
    ("1", 1),
    ("1k", 1_000),
    ("100k", 100_000),
    ("1M", 1_000_000),
];

/// Flows where it is not their number that matters.
const SOME: u64 = 1_000;
/// Flows where every backend and every service is to be hit.
const MANY: u64 = 100_000;

/// All cases.
#[must_use]
pub fn synthetic() -> Vec<Case> {
    [(Version::V4, "v4"), (Version::V6, "v6")]
        .into_iter()
        .flat_map(|(version, prefix)| {
            let cases = flows(version)
                .into_iter()
                .chain([pass(version)])
                .chain(sizes(version))
                .chain(tunnels(version));
            cases.map(move |case| Case {
                name: format!("{prefix}-{}", case.name),
                ..case
            })
        })
        .collect()
}

/// Cases for a service that is loaded, whose packets come to this MAC.
#[must_use]
pub fn of_service(at: ServiceAddress, mac: [u8; 6]) -> Vec<Case> {
    let at_port = ServiceAddress {
        // Any will do where all are served.
        port: if at.port == 0 { 80 } else { at.port },
        ..at
    };
    let case = |name: &str, tcp_flags, count| Case {
        name: format!("{at} {name}"),
        stream: Stream::to(at_port, mac, tcp_flags).of(count),
        site: Site::USUAL,
        subjects: vec![Subject::Floor, Subject::FloorSwap, Subject::Copy],
    };
    if at.protocol == Protocol::Udp {
        return vec![case("1k flows", 0, SOME), case("new flows", 0, 0)];
    }
    vec![
        case("1k flows", flags::ACK, SOME),
        case("new flows", flags::SYN, 0),
    ]
}

/// The steady state and the transitions, over numbers of flows.
fn flows(version: Version) -> Vec<Case> {
    let tcp = Site::address(version, Protocol::Tcp);
    let udp = Site::address(version, Protocol::Udp);
    let mut cases: Vec<Case> = FLOWS
        .into_iter()
        .map(|(name, count)| {
            let stream = Stream::to(tcp, OWN_MAC, flags::ACK).of(count);
            usual(format!("tcp-est-{name}"), stream, version)
        })
        .collect();
    for (name, tcp_flags) in [("syn-new", flags::SYN), ("est-new", flags::ACK)] {
        let stream = Stream::to(tcp, OWN_MAC, tcp_flags).of(0);
        cases.push(usual(name.to_owned(), stream, version));
    }
    for (name, count) in [FLOWS[0], FLOWS[2]] {
        let stream = Stream::to(udp, OWN_MAC, 0).of(count);
        cases.push(usual(format!("udp-{name}"), stream, version));
    }
    cases
}

fn usual(name: String, stream: Stream, version: Version) -> Case {
    let states = [0, 1, 10, 100].map(State::Unsettled);
    let ours = states.into_iter().chain([State::TracksAll]);
    // The seed knows TCP over IPv4 alone.
    let is_seeds = version == Version::V4 && stream.to.protocol == Protocol::Tcp;
    // What has a limit of new flows is measured without it where flows are new.
    let is_limited = stream.flows == 0;
    let others = [
        is_seeds.then_some(Subject::Seed),
        Some(Subject::KatranLike),
        is_limited.then_some(Subject::KatranUnlimited),
    ];
    Case {
        name,
        stream,
        site: Site::USUAL,
        subjects: [Subject::Floor, Subject::FloorSwap]
            .into_iter()
            .chain(ours.map(Subject::Ours))
            .chain(others.into_iter().flatten())
            .collect(),
    }
}

/// What is for this host itself, and no VIP.
fn pass(version: Version) -> Case {
    let vip = match version {
        Version::V4 => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        Version::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    };
    let address = ServiceAddress {
        vip,
        ..Site::address(version, Protocol::Tcp)
    };
    Case {
        name: "pass".to_owned(),
        stream: Stream::to(address, OWN_MAC, flags::ACK).of(SOME),
        site: Site::USUAL,
        subjects: vec![Subject::Floor, Subject::FloorSwap, Subject::STEADY],
    }
}

/// Numbers of services and of backends.
fn sizes(version: Version) -> Vec<Case> {
    let stream = Stream::to(Site::address(version, Protocol::Tcp), OWN_MAC, flags::ACK).of(MANY);
    let case = |name: String, services: u16, backends: u16| Case {
        name,
        stream: stream.clone().over(u64::from(services)),
        site: Site {
            services,
            backends,
            tunnel: None,
        },
        subjects: vec![
            Subject::Floor,
            Subject::FloorSwap,
            Subject::STEADY,
            Subject::KatranLike,
        ],
    };
    let services = [("1", 1), ("100", 100), ("1k", 1_024)];
    let backends = [("2", 2), ("100", 100), ("4k", 4_096)];
    let services = services.map(|(name, n)| case(format!("services-{name}"), n, 4));
    let backends = backends.map(|(name, n)| case(format!("backends-{name}"), 1, n));
    services.into_iter().chain(backends).collect()
}

/// Every tunnel, to backends of either IP version.
fn tunnels(version: Version) -> Vec<Case> {
    let stream = Stream::to(Site::address(version, Protocol::Tcp), OWN_MAC, flags::ACK).of(SOME);
    let kinds = [
        ("ipip", TunnelKind::Ipip),
        ("gue", TunnelKind::Gue(GUE_PORT)),
    ];
    let versions = [("4", Version::V4), ("6", Version::V6)];
    let pairs = kinds
        .into_iter()
        .flat_map(|kind| versions.map(|version| (kind, version)));
    pairs
        .map(|((kind, tunnel), (outer, version))| Case {
            name: format!("{kind}{outer}"),
            stream: stream.clone(),
            site: Site {
                tunnel: Some((tunnel, version)),
                ..Site::USUAL
            },
            subjects: vec![
                Subject::Floor,
                Subject::FloorAdjust(version),
                Subject::STEADY,
            ],
        })
        .collect()
}
