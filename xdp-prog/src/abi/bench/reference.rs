//! The tables of the reference programs: what others' balancers do, written by
//! us after their public descriptions, to be measured beside ours.
//!
//! None of them is ever used to forward packets of users.

use crate::abi::word::{Shared, Word32, Word64};

/// Names of the programs, in the object and in the kernel.
pub mod program {
    /// A hash table of all flows, as in the system that this project began
    /// with.
    pub const SEED: &str = "seed";
    /// A ring by Maglev for each VIP, and a cache of flows for each CPU, as in
    /// Katran.
    pub const KATRAN_LIKE: &str = "katran_like";
}

/// Sections of the object, one for each table.
pub mod section {
    /// One [`Seed`](super::Seed).
    pub const SEED: &str = ".bss.seed";
}

/// What the seed's program is built for.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Seed {
    /// The only VIP, wire order.
    pub vip: Word32,
    /// Backends that have an entry in [`SEED_MACS`].
    pub backends: Word32,
}

const _: () = assert!(size_of::<Seed>() == 8);

// SAFETY: words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Seed {}

/// The seed's flows, by [`SeedFlow`]: `BPF_MAP_TYPE_HASH`. Values are indices
/// of [`SEED_MACS`], as `u32`.
pub const SEED_FLOWS: &str = "SEED_FLOWS";

/// Flows that fit, as in the original.
pub const SEED_FLOWS_MAX: u32 = 100_000;

/// [`Macs`] of the seed's backends, by index: `BPF_MAP_TYPE_ARRAY`.
pub const SEED_MACS: &str = "SEED_MACS";

/// The seed's key. Wire order; as few and wide words as there can be, since the
/// kernel reads keys in words of eight bytes, too.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedFlow {
    /// Source address in the low half, destination address in the high one.
    pub addresses: u64,
    /// See [`transport`].
    pub transport: u64,
}

const _: () = assert!(size_of::<SeedFlow>() == 16);

/// Both ports in the low half, the destination's above the source's, wire order;
/// the protocol's number above them.
#[inline(always)]
#[must_use]
pub const fn transport(ports: u32, protocol: u8) -> u64 {
    ports as u64 | (protocol as u64) << 32
}

/// Both MACs of a frame to a backend, as
/// [`Destination`](crate::abi::Destination) has them.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Macs {
    /// Destination MAC, and the first two bytes of the source MAC.
    pub low: Word64,
    /// The rest of the source MAC.
    pub high: Word32,
    /// Always zero.
    pub zero: Word32,
}

const _: () = assert!(size_of::<Macs>() == 16);

// SAFETY: words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Macs {}

/// The VIPs, by [`Vip`]: `BPF_MAP_TYPE_HASH` of [`VipValue`]s.
pub const VIPS: &str = "KL_VIPS";

/// VIPs that fit, and numbers that they may have.
pub const VIPS_MAX: u32 = 512;

/// Places of one VIP's ring: a prime.
pub const RING: u32 = 65_537;

/// The rings, one behind the other: `BPF_MAP_TYPE_ARRAY`. Values are indices of
/// [`REALS`], as `u64`: what an array's value takes in the kernel anyway.
pub const RINGS: &str = "KL_RINGS";

/// The backends, by index: `BPF_MAP_TYPE_ARRAY` of [`Macs`].
pub const REALS: &str = "KL_REALS";

/// Backends that fit.
pub const REALS_MAX: u32 = 4096;

/// A cache of flows for each CPU, by its number: `BPF_MAP_TYPE_ARRAY_OF_MAPS`
/// of `BPF_MAP_TYPE_LRU_HASH` by [`Flow`], of [`Cached`].
pub const CACHES: &str = "KL_CACHES";

/// Flows in the cache of each CPU.
pub const CACHE_FLOWS: u32 = 1 << 20;

/// [`Sum`]s by number of VIP: `BPF_MAP_TYPE_PERCPU_ARRAY`.
pub const VIP_SUMS: &str = "KL_VIP_SUMS";

/// [`Sum`]s by index of [`REALS`]: `BPF_MAP_TYPE_PERCPU_ARRAY`.
pub const REAL_SUMS: &str = "KL_REALSUMS";

/// One [`CacheSum`]: `BPF_MAP_TYPE_PERCPU_ARRAY`.
pub const CACHE_SUMS: &str = "KL_CACHESUM";

/// Flows that one CPU enters in its cache in one second.
pub const NEW_FLOWS_PER_SECOND: u64 = 125_000;

/// Nanoseconds after which a UDP flow that was idle is balanced anew.
pub const UDP_IDLE_NS: u64 = 30_000_000_000;

/// Where the hash of an IPv4 flow starts.
pub const HASH_SEED: u32 = RING;

/// Where the hash of an IPv6 source address starts.
pub const HASH_SEED_V6: u32 = VIPS_MAX;

/// An address of a service, with port and protocol.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vip {
    /// Wire order; an IPv4 address is the low half of the first word, all else
    /// is 0.
    pub address: [u64; 2],
    /// See [`transport`], without a source port.
    pub transport: u64,
}

const _: () = assert!(size_of::<Vip>() == 24);

impl Vip {
    /// The destination of a packet, by its address and [`transport`].
    #[inline(always)]
    #[must_use]
    pub const fn of_destination(address: [u64; 2], transport: u64) -> Self {
        Self {
            address,
            transport: transport & !0xffff,
        }
    }

    /// The key as it stands in memory.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        let [first, second] = self.address;
        let words = [first, second, self.transport];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// What is known of a VIP.
#[derive(Debug, Default)]
#[repr(C)]
pub struct VipValue {
    /// [`vip_flag`]s.
    pub flags: Word32,
    /// Its ring's, below [`VIPS_MAX`].
    pub number: Word32,
}

const _: () = assert!(size_of::<VipValue>() == 8);

// SAFETY: words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for VipValue {}

/// Bits of [`VipValue::flags`].
pub mod vip_flag {
    /// Its flows are neither looked up in the cache nor entered: the ring alone
    /// decides.
    pub const NO_CACHE: u32 = 1;
    /// New flows are entered however many there are.
    pub const NO_LIMIT: u32 = 1 << 1;
}

/// Names a flow in a cache. Words, though nobody else writes them: then each is
/// stored and loaded whole.
#[repr(C)]
#[derive(Debug)]
pub struct Flow {
    /// Source address, in the form of [`Vip::address`].
    pub source: [Word64; 2],
    /// Destination address, in the same form.
    pub destination: [Word64; 2],
    /// See [`transport`].
    pub transport: Word64,
}

const _: () = assert!(size_of::<Flow>() == 40);

/// What a cache knows of a flow.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Cached {
    /// Index of [`REALS`].
    pub real: Word32,
    /// Always zero.
    pub zero: Word32,
    /// When a packet came last: `CLOCK_MONOTONIC`, nanoseconds. Of UDP; else 0.
    pub seen: Word64,
}

const _: () = assert!(size_of::<Cached>() == 16);

// SAFETY: words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Cached {}

/// What one CPU forwarded.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Sum {
    /// Packets.
    pub packets: Word64,
    /// Bytes of them, from the IP header on.
    pub bytes: Word64,
}

const _: () = assert!(size_of::<Sum>() == 16);

// SAFETY: words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Sum {}

/// How one CPU's cache fares.
#[derive(Debug, Default)]
#[repr(C)]
pub struct CacheSum {
    /// Packets for VIPs.
    pub packets: Word64,
    /// SYNs, which go by the ring.
    pub opened: Word64,
    /// Other packets that went by the ring.
    pub missed: Word64,
    /// Packets by the ring in this second, while it counts.
    pub fresh: Word64,
    /// When that second began: `CLOCK_MONOTONIC`, nanoseconds.
    pub since: Word64,
}

const _: () = assert!(size_of::<CacheSum>() == 40);

// SAFETY: words that fill its alignment.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for CacheSum {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_vip_has_address_port_and_protocol_in_wire_order() {
        let ports = u32::from_le_bytes([0xc3, 0x50, 0, 80]);
        let vip = Vip::of_destination([0x0403_0201, 0], transport(ports, 6));
        let expected = [
            1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 80, 6, 0, 0, 0,
        ];
        assert_eq!(vip.to_bytes(), expected);
    }
}
