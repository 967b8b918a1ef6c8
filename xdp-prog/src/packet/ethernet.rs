//! Ethernet II (IEEE 802.3, clause 3): two MACs and an EtherType.

use super::Frame;
use super::frame::{Wire, Wire16, Wire32, Wire64};

/// Length of the header in bytes.
pub const LENGTH: usize = 14;

/// The header. Both MACs are read and written as eight and four bytes.
#[repr(C)]
pub struct Ethernet {
    /// Destination MAC, and the first two bytes of the source MAC.
    pub macs_low: Wire64,
    /// The rest of the source MAC.
    pub macs_high: Wire32,
    /// What follows.
    pub ether_type: EtherType,
}

const _: () = assert!(size_of::<Ethernet>() == LENGTH);

// SAFETY: made of wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Ethernet {}

/// The `EtherType` field, as on the wire.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(Wire16);

impl EtherType {
    /// `0x0800`
    pub const IPV4: u16 = 0x0800;

    /// Whether it is this one.
    #[inline(always)]
    #[must_use]
    pub fn is(self, number: u16) -> bool {
        self.0.raw() == number.to_be()
    }
}

impl Ethernet {
    /// The header of `frame`.
    #[inline(always)]
    #[must_use]
    pub fn of(frame: &Frame) -> Option<&Self> {
        frame.header(0)
    }

    /// The destination MAC in the six low bytes of a word.
    #[inline(always)]
    #[must_use]
    pub fn destination(&self) -> u64 {
        self.macs_low.raw() & 0xffff_ffff_ffff
    }
}
