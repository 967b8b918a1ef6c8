//! What IPVS's schedulers have in common with a Maglev table.

/// Whether a scheduler carries over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kin {
    /// A hash of the client chooses here as well.
    Hash,
    /// Connections are spread, but are counted or dealt out in turn.
    Spread,
    /// It is for something else than to spread connections.
    Other(&'static str),
}

/// A scheduler of IPVS.
#[derive(Clone, Copy, Debug)]
pub struct Scheduler {
    /// Its name.
    pub name: &'static str,
    /// Whether it carries over.
    pub kin: Kin,
    /// Whether it looks at weights other than 0.
    pub is_weighted: bool,
}

/// What is meant where none is named.
pub const DEFAULT: &str = "wlc";

const fn scheduler(name: &'static str, kin: Kin, is_weighted: bool) -> Scheduler {
    Scheduler {
        name,
        kin,
        is_weighted,
    }
}

const BY_TARGET: Kin = Kin::Other(
    "it chooses by the address that the client turns to, for caches, which for a VIP is one backend",
);

/// Those of the kernel (`net/netfilter/ipvs`, 6.18).
const SCHEDULERS: &[Scheduler] = &[
    scheduler("rr", Kin::Spread, false),
    scheduler("wrr", Kin::Spread, true),
    scheduler("lc", Kin::Spread, false),
    scheduler("wlc", Kin::Spread, true),
    scheduler("sed", Kin::Spread, true),
    scheduler("nq", Kin::Spread, true),
    scheduler("twos", Kin::Spread, true),
    scheduler("sh", Kin::Hash, true),
    scheduler("mh", Kin::Hash, true),
    scheduler("dh", BY_TARGET, false),
    scheduler("lblc", BY_TARGET, true),
    scheduler("lblcr", BY_TARGET, true),
    scheduler(
        "fo",
        Kin::Other("it sends everything to the backend with the greatest weight"),
        true,
    ),
    scheduler(
        "ovf",
        Kin::Other("it fills the backend with the greatest weight first"),
        true,
    ),
];

/// The scheduler of this name.
#[must_use]
pub fn find(name: &str) -> Option<Scheduler> {
    SCHEDULERS.iter().copied().find(|known| known.name == name)
}

/// Whether a flag of `sh` or `mh` makes it look at the client's port.
#[must_use]
pub fn is_by_port(flag: &str) -> bool {
    // `flag-2` is the name that both have for it.
    matches!(flag, "sh-port" | "mh-port" | "flag-2")
}
