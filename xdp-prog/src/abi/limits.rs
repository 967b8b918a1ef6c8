//! Every capacity, once. Powers of two, because an index is masked, never
//! compared: that is how the kernel's verifier learns that it fits.
//!
//! The program is compiled for the largest value; the loader may make a table
//! smaller, and tells the program by [`Settings`](super::Settings).

/// Interfaces of one balancer.
pub const PORTS: u32 = 64;

/// Services of one balancer (VIP, port and protocol).
pub const SERVICES: u32 = 1024;

/// Places in one copy of the service table. Each VIP takes one more, so at
/// most half of them are ever in use, and a perfect hash is quickly found.
pub const SERVICE_PLACES: u32 = 4096;

/// Displacements in one copy.
pub const DISPLACEMENTS: u32 = 1024;

/// Destinations: pairs of service and backend. Number 0 names none.
pub const DESTINATIONS: u32 = 8192;

/// Slots of all services together, at the most: 256 MiB.
pub const SLOTS: u32 = 1 << 26;

/// Slots of all services together, unless more are asked for: 4 MiB.
pub const SLOTS_DEFAULT: u32 = 1 << 20;

/// The most slots that one service can have.
pub const SLOTS_PER_SERVICE_MAX: u32 = 1 << 16;

/// Slots that one service gets if there is room: with 100 backends the load
/// of any two differs by a few percent.
pub const SLOTS_PER_SERVICE: u32 = 1 << 14;

/// The fewest slots that a service is given before it is refused.
pub const SLOTS_PER_SERVICE_MIN: u32 = 256;

/// Buckets of the flow table at the most: 4,194,304 flows, 32 MiB.
pub const FLOW_BUCKETS: u32 = 1 << 19;

/// Flows that the table holds unless more are asked for. 1 MiB is what fits
/// the L2 cache of a server core.
pub const FLOWS_DEFAULT: u32 = 1 << 17;

/// Flows in one bucket, that is in one cache line.
pub const FLOWS_PER_BUCKET: usize = 8;

/// Fragmented packets on their way at the same time: of more, those whose
/// first fragment came longest ago are forgotten.
pub const FRAGMENTS: u32 = 8192;

/// Prefixes in the lists of sources of all services together.
pub const SOURCES: u32 = 1 << 16;

/// TCP resets that one CPU sends in one epoch of the flow table: 2,500 to
/// 5,000 a second. Each is an answer no longer than its question, so this is
/// not against amplification, but spares the way back.
pub const RESETS_PER_EPOCH: u32 = 10_000;

/// ICMP errors (packet too big, time exceeded) that one CPU sends in one epoch
/// of the flow table: 250 to 500 a second. A sender needs one for each path.
pub const ERRORS_PER_EPOCH: u32 = 1_000;

/// Bytes for each of the texts of the [config](super::text), unless the first one
/// needs more: 2,000 services of two backends each.
pub const TEXT_DEFAULT: u32 = 1 << 18;

/// The same at the most.
pub const TEXT_MAX: u32 = 1 << 25;

/// CPUs that have counter rows of their own.
pub const CPUS: u32 = 512;

/// Outcomes that fit into an [`OutcomeRow`](super::OutcomeRow).
pub const OUTCOMES: usize = 32;

const _: () = assert!(SERVICES * 2 <= SERVICE_PLACES / 2);
const _: () = assert!(
    PORTS.is_power_of_two()
        && SERVICE_PLACES.is_power_of_two()
        && DISPLACEMENTS.is_power_of_two()
        && DESTINATIONS.is_power_of_two()
        && SLOTS.is_power_of_two()
        && SLOTS_PER_SERVICE.is_power_of_two()
        && FLOW_BUCKETS.is_power_of_two()
        && CPUS.is_power_of_two()
);
// A destination's number has 15 bits in a slot.
const _: () = assert!(DESTINATIONS <= 1 << 15);
