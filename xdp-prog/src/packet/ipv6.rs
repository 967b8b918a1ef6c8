//! IPv6 and its extension headers (RFC 8200).

use super::ethernet::EtherType;
use super::frame::{Wire, Wire16, Wire32, Wire64};
use super::ip::Ip;
use super::ipv4::Protocol;

/// Length of the fixed header in bytes.
pub const LENGTH: usize = 40;

/// The fixed header.
#[repr(C)]
pub struct Ipv6 {
    version: u8,
    class_and_label: [u8; 3],
    /// Length of all that follows this header.
    pub payload_length: Wire16,
    /// What follows.
    pub next: Protocol,
    /// Hop limit.
    pub hops: u8,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
}

const _: () = assert!(size_of::<Ipv6>() == LENGTH);

// SAFETY: bytes and wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Ipv6 {}

/// An address.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address([Wire64; 2]);

impl Address {
    /// Its bytes in wire order, as two little-endian words.
    #[inline(always)]
    #[must_use]
    pub const fn raw(self) -> [u64; 2] {
        [self.0[0].raw(), self.0[1].raw()]
    }

    /// The address whose bytes are those of `raw`.
    #[inline(always)]
    #[must_use]
    pub const fn of_raw(raw: [u64; 2]) -> Self {
        Self([Wire64::of_raw(raw[0]), Wire64::of_raw(raw[1])])
    }
}

/// Any extension header, and all of a fragment header.
#[repr(C)]
pub struct Extension {
    /// What follows.
    pub next: Protocol,
    /// Units of eight bytes behind the first; reserved in a fragment header.
    length: u8,
    offset_and_more: Wire16,
    /// Identification, for reassembly. Of fragment headers.
    pub identification: Wire32,
}

const _: () = assert!(size_of::<Extension>() == 8);

// SAFETY: bytes and wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Extension {}

/// Hop-by-hop options.
const HOP_BY_HOP: Protocol = Protocol(0);
/// Routing.
const ROUTING: Protocol = Protocol(43);
/// A fragment.
pub const FRAGMENT: Protocol = Protocol(44);
/// Options for the destination.
const DESTINATION: Protocol = Protocol(60);

/// Whether a header is one that the parser reads over. Behind others (ESP,
/// authentication) it would find nothing to balance by.
#[inline(always)]
#[must_use]
pub fn is_extension(header: Protocol) -> bool {
    matches!(header, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
}

impl Extension {
    /// Its length in bytes, if it is the header of this number.
    #[inline(always)]
    #[must_use]
    pub fn size(&self, number: Protocol) -> usize {
        if number == FRAGMENT {
            size_of::<Self>()
        } else {
            (self.length as usize + 1) * 8
        }
    }

    /// A fragment that is not the first: what follows is no header.
    #[inline(always)]
    #[must_use]
    pub fn is_later_fragment(&self) -> bool {
        self.offset_and_more.raw() & 0xfff8_u16.to_be() != 0
    }

    /// More fragments follow.
    #[inline(always)]
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.offset_and_more.raw() & 1_u16.to_be() != 0
    }
}

impl Ipv6 {
    /// The version says so.
    #[inline(always)]
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.version >> 4 == 6
    }

    /// The header of a packet of our own, for a payload of this many bytes.
    #[inline(always)]
    #[must_use]
    pub fn new(next: Protocol, source: [u64; 2], destination: [u64; 2], payload: u16) -> Self {
        Self {
            version: 6 << 4,
            class_and_label: [0; 3],
            payload_length: Wire16::of_number(payload),
            next,
            hops: super::HOPS,
            source: Address::of_raw(source),
            destination: Address::of_raw(destination),
        }
    }
    /// The same with this traffic class and the low 20 bits of this flow label.
    #[inline(always)]
    #[must_use]
    pub fn with(self, class: u8, label: u32) -> Self {
        let [low, middle, high, _] = label.to_le_bytes();
        Self {
            version: self.version & 0xf0 | class >> 4,
            class_and_label: [class << 4 | high & 0xf, middle, low],
            ..self
        }
    }
}

impl Ip for Ipv6 {
    const ETHER_TYPE: EtherType = EtherType::IPV6;
    const INSIDE: Protocol = Protocol::IPV6;
    const PAYLOAD_MAX: usize = u16::MAX as usize;

    #[inline(always)]
    fn class(&self) -> u8 {
        self.version << 4 | self.class_and_label[0] >> 4
    }

    #[inline(always)]
    fn plain_protocol(&self) -> Option<Protocol> {
        self.is_valid().then_some(self.next)
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "a header of 40 bytes")]
    fn length(&self) -> u32 {
        LENGTH as u32 + self.payload_length.number() as u32
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.hops
    }

    #[inline(always)]
    fn pass(&mut self) {
        self.hops = self.hops.wrapping_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_and_label_stand_behind_the_version() {
        let header = Ipv6::new(Protocol::TCP, [1, 2], [3, 4], 20).with(0xb9, 0xf_1234);
        assert!(header.is_valid());
        assert_eq!(header.class(), 0xb9);
        assert_eq!(header.version, 0x6b);
        assert_eq!(header.class_and_label, [0x9f, 0x12, 0x34]);
    }
}
