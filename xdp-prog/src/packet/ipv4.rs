//! IPv4 (RFC 791).

use super::Frame;
use super::frame::{Wire, Wire16, Wire32};

/// Length of a header without options, in bytes.
pub const LENGTH: usize = 20;

/// More fragments, and the fragment's offset: not zero in every fragment.
const FRAGMENT: u16 = 0x3fff;

/// The header without its options.
#[repr(C)]
pub struct Ipv4 {
    version_and_length: u8,
    /// Differentiated services and ECN.
    pub traffic_class: u8,
    /// Length of header and payload.
    pub total_length: Wire16,
    /// Identification, for reassembly.
    pub identification: Wire16,
    fragment: Wire16,
    /// Time to live.
    pub ttl: u8,
    /// What follows.
    pub protocol: Protocol,
    /// Of the header.
    pub checksum: Wire16,
    /// Source address.
    pub source: Wire32,
    /// Destination address.
    pub destination: Wire32,
}

const _: () = assert!(size_of::<Ipv4>() == LENGTH);

// SAFETY: bytes and wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Ipv4 {}

/// IANA's protocol numbers.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

impl Protocol {
    /// 6
    pub const TCP: Self = Self(6);
    /// 17
    pub const UDP: Self = Self(17);
}

impl Ipv4 {
    /// The header that starts at `offset` of `frame`.
    #[inline(always)]
    #[must_use]
    pub fn at(frame: &Frame, offset: usize) -> Option<&Self> {
        frame.header(offset)
    }

    /// Length of the header with its options, in bytes: the low half of the
    /// first byte counts words of four. `None` if this is no IPv4 header.
    #[inline(always)]
    #[must_use]
    pub fn header_length(&self) -> Option<usize> {
        // One compare for nearly every packet.
        if self.version_and_length == 0x45 {
            return Some(LENGTH);
        }
        let length = (self.version_and_length as usize & 0xf) * 4;
        (self.version_and_length >> 4 == 4 && length >= LENGTH).then_some(length)
    }

    /// Any fragment: first, middle or last.
    #[inline(always)]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.fragment.raw() & FRAGMENT.to_be() != 0
    }
}
