//! The tables of the far end of the tunnels: what the XDP program that ends
//! them and the tc program that clamps the MSS share with user space.
//!
//! Settings and lists are made anew by each load and are in force with the
//! programs that use them; state and rows go on from load to load.

use super::outcome::{Verdict, outcomes};
use super::word::{Shared, Word32, Word64};

/// Raised by every change of a table below.
pub const ABI_VERSION: u32 = 1;

/// First word of [`Settings`], as it stands in memory.
pub const MAGIC: u64 = u64::from_le_bytes(*b"dsrdecap");

/// Name of the XDP program, in the object and in the kernel.
pub const PROGRAM: &str = "dsrdecap";

/// Name of the tc program, in the object and in the kernel.
pub const CLAMP: &str = "dsrclamp";

/// Sections of the object, one for each table.
pub mod section {
    /// [`Settings`](super::Settings), frozen before the programs are loaded.
    pub const SETTINGS: &str = ".rodata.decap";
    /// One [`State`](super::State).
    pub const STATE: &str = ".bss.decapstate";
    /// A [`Row`](super::Row) for each CPU.
    pub const ROWS: &str = ".bss.decaprows";
}

/// The map of those whose tunnels are ended: `BPF_MAP_TYPE_LPM_TRIE`, by
/// [`SourceKey`](super::SourceKey). Its lists are [`family`]s, its values 1.
pub const BALANCERS: &str = "BALANCERS";

/// The map of the host's addresses that matter: `BPF_MAP_TYPE_HASH`, by the
/// address in the form of [`Service::address`](super::Service::address). Its
/// values are bits of [`address`].
pub const ADDRESSES: &str = "ADDRESSES";

/// Lists of [`BALANCERS`]: an IPv6 prefix must not hold IPv4 addresses.
pub mod family {
    /// IPv4 addresses, mapped.
    pub const V4: u16 = 4;
    /// IPv6 addresses.
    pub const V6: u16 = 6;
}

/// What an address of this host is.
pub mod address {
    /// Tunnels may end here: it is the outer destination.
    pub const OWN: u32 = 1;
    /// A VIP: it is the inner destination.
    pub const VIP: u32 = 2;
}

/// The default port of GUE (IANA).
pub const GUE_PORT: u16 = 6080;

/// Prefixes in [`BALANCERS`].
pub const BALANCERS_MAX: u32 = 4096;

/// Addresses in [`ADDRESSES`].
pub const ADDRESSES_MAX: u32 = 16_384;

/// Outcomes that fit into a [`Row`].
pub const OUTCOMES: usize = 16;

/// What never changes while the programs run.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Settings {
    /// [`MAGIC`]: tells our programs from others'.
    pub magic: Word64,
    /// [`ABI_VERSION`] of the tables.
    pub abi: Word32,
    /// Rows less one.
    pub cpu_mask: Word32,
    /// The interface's MAC in the six low bytes, as on the wire.
    pub mac: Word64,
    /// The UDP port of GUE, host order.
    pub gue_port: Word32,
    /// Bytes of IP that the way from the balancers takes.
    pub mtu: Word32,
}

const _: () = assert!(size_of::<Settings>() == 32);

impl Settings {
    /// What stands in the object: who it is, and which tables it knows.
    #[must_use]
    pub const fn of_object() -> Self {
        Self {
            magic: Word64::new(MAGIC),
            abi: Word32::new(ABI_VERSION),
            cpu_mask: Word32::new(0),
            mac: Word64::new(0),
            gue_port: Word32::new(0),
            mtu: Word32::new(0),
        }
    }

    /// The settings as they stand in memory.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        bytes[..8].copy_from_slice(&self.magic.get().to_le_bytes());
        bytes[8..12].copy_from_slice(&self.abi.get().to_le_bytes());
        bytes[12..16].copy_from_slice(&self.cpu_mask.get().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.mac.get().to_le_bytes());
        bytes[24..28].copy_from_slice(&self.gue_port.get().to_le_bytes());
        bytes[28..].copy_from_slice(&self.mtu.get().to_le_bytes());
        bytes
    }

    /// Settings read from memory, or `None` if these are not ours: another
    /// length, or no [`MAGIC`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; size_of::<Self>()] = bytes.try_into().ok()?;
        let (longs, _) = bytes.as_chunks::<8>();
        let (words, _) = bytes.as_chunks::<4>();
        let long = |at: usize| Some(Word64::new(u64::from_le_bytes(*longs.get(at)?)));
        let word = |at: usize| Some(Word32::new(u32::from_le_bytes(*words.get(at)?)));
        let settings = Self {
            magic: long(0)?,
            abi: word(2)?,
            cpu_mask: word(3)?,
            mac: long(2)?,
            gue_port: word(6)?,
            mtu: word(7)?,
        };
        (settings.magic.get() == MAGIC).then_some(settings)
    }
}

/// What the programs and the loader tell each other.
#[derive(Debug, Default)]
#[repr(C)]
pub struct State {
    /// Bytes of the longest outer headers of a tunnel that was ended; 0 before
    /// the first. Two CPUs may write at once: the next packet puts it right.
    pub overhead: Word32,
    /// Not 0: dsrload made the interface's clsact qdisc.
    pub clsact: Word32,
    /// Always zero.
    pub zero: [Word64; 7],
}

const _: () = assert!(size_of::<State>() == 64);

// SAFETY: words and arrays of words alone, without padding, as the assertion
// above shows.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for State {}

/// What one CPU counted. Only that CPU writes. Three cache lines.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Row {
    /// Packets by [`Outcome`].
    pub outcomes: [Word64; OUTCOMES],
    /// Bytes of IP inside the packets of tunnels that were ended.
    pub bytes: Word64,
    /// TCP segments whose MSS was clamped.
    pub clamped: Word64,
    /// Always zero.
    pub zero: [Word64; 6],
}

const _: () = assert!(size_of::<Row>() == 192 && OUTCOMES.is_power_of_two());

// SAFETY: as for `State`.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Shared for Row {}

impl Row {
    /// How often this outcome came up.
    #[inline(always)]
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> &Word64 {
        // Masked rather than compared: no branch, and no panic to prove away.
        &self.outcomes[outcome as usize % OUTCOMES]
    }
}

outcomes! {
    Outcome;
    Decapsulated => Pass, "decapsulated", "The outer headers are off: handed to the kernel's stack as a packet for the VIP.";
    NotIp => Pass, "not_ip", "Neither IPv4 nor IPv6: ARP and others, untouched.";
    OtherStation => Pass, "other_station", "Addressed to another station's MAC, or to a group: untouched.";
    BadHeader => Pass, "bad_header", "Cut off inside its IP header, or not a valid one: untouched, the kernel drops it.";
    NotTunnel => Pass, "not_tunnel", "No packet of a tunnel: the host's own traffic, untouched.";
    Fragment => Pass, "fragment", "A fragment that may be part of a tunnel's packet: untouched.";
    UnknownGue => Pass, "unknown_gue", "For the port of GUE, but a control message, or with flags or contents that are not read: untouched.";
    OtherHost => Pass, "other_host", "A tunnel that does not end at an address of this host: untouched.";
    ForeignSource => Pass, "foreign_source", "A tunnel from nobody who is allowed: untouched.";
    BadInner => Pass, "bad_inner", "From an allowed balancer, but what is inside is no whole IP packet: untouched.";
    NotLocalVip => Pass, "not_local_vip", "From an allowed balancer, but for no VIP of this host: untouched.";
    EcnDrop => Drop, "ecn_drop", "Marked by a congested router, but its sender takes no such marks: dropped, as RFC 6040 asks for.",
        "Senders that mark packets inside as not ECN-capable meet a congested router: see to the path, not to this host.";
    NotShortened => Drop, "not_shortened", "The driver could not take the outer headers off.",
        "Load in another mode: `dsrload decap IFACE --mode skb`.";
}

const _: () = assert!(Outcome::ALL.len() <= OUTCOMES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_bytes_and_only_with_the_magic() {
        let settings = Settings {
            mac: Word64::new(0x0102_0304_0506),
            cpu_mask: Word32::new(7),
            gue_port: Word32::new(u32::from(GUE_PORT)),
            mtu: Word32::new(1500),
            ..Settings::of_object()
        };
        let mut bytes = settings.to_bytes();
        let back = Settings::from_bytes(&bytes).expect("ours");
        assert_eq!(back.to_bytes(), bytes);
        assert_eq!((back.mac.get(), back.mtu.get()), (0x0102_0304_0506, 1500));
        assert_eq!((back.abi.get(), back.cpu_mask.get()), (ABI_VERSION, 7));
        bytes[0] ^= 1;
        assert!(Settings::from_bytes(&bytes).is_none());
        assert!(Settings::from_bytes(&bytes[1..]).is_none());
    }
}
