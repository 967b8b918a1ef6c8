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
pub const DESTINATIONS: u32 = 4096;

/// Slots of all services together.
pub const SLOTS: u32 = 1 << 20;

/// Slots that one service gets if there is room: with 100 backends the load
/// of any two differs by a few percent.
pub const SLOTS_PER_SERVICE: u32 = 1 << 14;

/// The fewest slots that a service is given before it is refused.
pub const SLOTS_PER_SERVICE_MIN: u32 = 256;

/// Buckets of the flow table: eight flows each, 131,072 in all. 1 MiB is what
/// fits the L2 cache of a server core.
pub const FLOW_BUCKETS: u32 = 1 << 14;

/// Flows in one bucket, that is in one cache line.
pub const FLOWS_PER_BUCKET: usize = 8;

/// CPUs that have counter rows of their own.
pub const CPUS: u32 = 1024;

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
// A destination's number has 16 bits in a slot and in a flow.
const _: () = assert!(DESTINATIONS <= 1 << 16);
