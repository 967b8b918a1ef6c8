//! What the XDP program and user space agree on: every table, once.
//!
//! No logic, no padding that the compiler chose, no `bool`, `enum`, `Option`
//! or `usize` in a table. Addresses, ports and MACs stand as on the wire, read
//! as one little-endian word; everything else is in host order.
//!
//! Tables that change while packets flow are made of [`word`]s: relaxed
//! atomics, which are plain loads and stores on every machine we run on.

pub mod bench;
pub mod decap;
mod find;
pub mod key;
pub mod limits;
pub mod outcome;
pub mod settings;
pub mod state;
pub mod text;
pub mod word;

pub use key::{FragmentKey, SourceKey};
pub use outcome::Outcome;
pub use settings::Settings;
pub use state::{Bucket, Budget, Control, Counter, Destination, OutcomeRow, Port, Service, Tunnel};

/// Raised by every change of a table below. A loaded balancer with another
/// version is never written to.
pub const ABI_VERSION: u32 = 6;

/// First word of [`Settings`]: `dsrload\0`, as it stands in memory.
pub const MAGIC: u64 = u64::from_le_bytes(*b"dsrload\0");

/// Name of the XDP program, in the object and in the kernel.
pub const PROGRAM: &str = "dsrload";

/// The statics of the program that become maps: symbol, and the section that
/// names it in the object. The build refuses any other.
pub const TABLES: &[(&str, &str)] = &[
    ("SETTINGS", section::SETTINGS),
    ("CONTROL", section::CONTROL),
    ("PORTS", section::PORTS),
    ("OWN_PORT", section::OWN_PORT),
    ("SERVICES", section::SERVICES),
    ("DISPLACEMENTS", section::DISPLACEMENTS),
    ("SLOTS", section::SLOTS),
    ("DESTINATIONS", section::DESTINATIONS),
    ("TUNNELS", section::TUNNELS),
    ("FLOWS", section::FLOWS),
    ("COUNTERS", section::COUNTERS),
    ("OUTCOMES", section::OUTCOMES),
    ("BUDGETS", section::BUDGETS),
    ("NAMES", section::NAMES),
    ("DEVICES", DEVICES),
    ("FRAGMENTS", FRAGMENTS),
    ("SOURCES", SOURCES),
    ("DECAP", decap::section::SETTINGS),
    ("DECAP_STATE", decap::section::STATE),
    ("DECAP_ROWS", decap::section::ROWS),
    ("BALANCERS", decap::BALANCERS),
    ("ADDRESSES", decap::ADDRESSES),
    ("DRIVE", bench::section::DRIVE),
    ("SINKS", bench::section::SINKS),
    ("MEASURED", bench::MEASURED),
    ("SEED", bench::reference::section::SEED),
    ("SEED_FLOWS", bench::reference::SEED_FLOWS),
    ("SEED_MACS", bench::reference::SEED_MACS),
    ("KL_VIPS", bench::reference::VIPS),
    ("KL_RINGS", bench::reference::RINGS),
    ("KL_REALS", bench::reference::REALS),
    ("KL_CACHES", bench::reference::CACHES),
    ("KL_VIP_SUMS", bench::reference::VIP_SUMS),
    ("KL_REALSUMS", bench::reference::REAL_SUMS),
    ("KL_CACHESUM", bench::reference::CACHE_SUMS),
];

/// Sections of the object, one for each table: a section is a map.
pub mod section {
    /// [`Settings`](super::Settings), frozen before the program is loaded.
    pub const SETTINGS: &str = ".rodata.settings";
    /// One [`Control`](super::Control).
    pub const CONTROL: &str = ".bss.control";
    /// [`Port`](super::Port)s.
    pub const PORTS: &str = ".bss.ports";
    /// The program's own [`Port`](super::Port): one of [`PORTS`], which the loader
    /// makes it.
    pub const OWN_PORT: &str = ".bss.ownport";
    /// Two copies of the [`Service`](super::Service) table.
    pub const SERVICES: &str = ".bss.services";
    /// Two copies of the displacements of the service table's perfect hash.
    pub const DISPLACEMENTS: &str = ".bss.displace";
    /// All [slots](super::state::slot).
    pub const SLOTS: &str = ".bss.slots";
    /// All [`Destination`](super::Destination)s.
    pub const DESTINATIONS: &str = ".bss.dests";
    /// A [`Tunnel`](super::Tunnel) for each destination.
    pub const TUNNELS: &str = ".bss.tunnels";
    /// The flow table's [`Bucket`](super::Bucket)s.
    pub const FLOWS: &str = ".bss.flows";
    /// A row of [`Counter`](super::Counter)s for each CPU.
    pub const COUNTERS: &str = ".bss.counters";
    /// An [`OutcomeRow`](super::OutcomeRow) for each CPU.
    pub const OUTCOMES: &str = ".bss.outcomes";
    /// A [`Budget`](super::Budget) for each CPU.
    pub const BUDGETS: &str = ".bss.budgets";
    /// The texts that the trace pipe shows.
    pub const NAMES: &str = ".rodata.names";
}

/// The map of interfaces, by [`Port`] number: `BPF_MAP_TYPE_DEVMAP`. Packets
/// that leave through another interface than they came in by are redirected
/// through it. The kernel clears an entry when its interface goes away, which
/// also tells which pins are stale.
pub const DEVICES: &str = "DEVICES";

/// The map of fragmented packets, by [`FragmentKey`]: `BPF_MAP_TYPE_LRU_HASH`.
/// Its values are numbers of destinations, as `u32`. The program alone writes
/// it.
pub const FRAGMENTS: &str = "FRAGMENTS";

/// The map of the lists of sources, by [`SourceKey`]:
/// `BPF_MAP_TYPE_LPM_TRIE`. Its values are those of [`key::source`], as `u32`.
pub const SOURCES: &str = "SOURCES";

/// The map of the config that is in force, as [`text`] says: an array of one
/// value. The program knows nothing of it; it is bound to it, so that it lives as
/// long (`BPF_PROG_BIND_MAP`, Linux 5.10).
pub const CONFIG: &str = "CONFIG";
