//! IPv4 (RFC 791).

use super::checksum::{self, Sum};
use super::ethernet::EtherType;
use super::frame::{Wire, Wire16, Wire32};
use super::ip::Ip;

/// Length of a header without options, in bytes.
pub const LENGTH: usize = WORDS as usize * 4;

/// The same in words.
const WORDS: u16 = 5;

/// Version 4, and a header without options.
const PLAIN: u8 = 0x45;

/// The fragment field: "don't fragment".
const DONT_FRAGMENT: u16 = 0x4000;
/// More fragments: set in all but the last.
const MORE: u16 = 0x2000;
/// The fragment's offset: 0 in the first.
const OFFSET: u16 = 0x1fff;

/// The header without its options.
#[repr(C)]
pub struct Ipv4 {
    version_and_length: u8,
    traffic_class: u8,
    /// Length of header and payload.
    pub total_length: Wire16,
    /// Identification, for reassembly.
    pub identification: Wire16,
    fragment: Wire16,
    ttl: u8,
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

/// IANA's protocol numbers, which IPv6 calls next headers.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol(pub u8);

impl Protocol {
    /// 1
    pub const ICMP: Self = Self(1);
    /// 4: IPv4 in IP.
    pub const IPV4: Self = Self(4);
    /// 6
    pub const TCP: Self = Self(6);
    /// 17
    pub const UDP: Self = Self(17);
    /// 41: IPv6 in IP.
    pub const IPV6: Self = Self(41);
    /// 58
    pub const ICMPV6: Self = Self(58);
}

impl Ipv4 {
    /// Length of the header with its options, in bytes: the low half of the
    /// first byte counts words of four. `None` if this is no IPv4 header.
    #[inline(always)]
    #[must_use]
    pub fn header_length(&self) -> Option<usize> {
        // One compare for nearly every packet.
        if self.version_and_length == PLAIN {
            return Some(LENGTH);
        }
        let length = (self.version_and_length as usize & 0xf) * 4;
        (self.version_and_length >> 4 == 4 && length >= LENGTH).then_some(length)
    }

    /// Any fragment: first, middle or last.
    #[inline(always)]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.fragment.raw() & (MORE | OFFSET).to_be() != 0
    }

    /// A fragment that is not the first: what follows is no header.
    #[inline(always)]
    #[must_use]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.raw() & OFFSET.to_be() != 0
    }

    /// Changes the time to live. A checksum that was right stays so.
    #[inline(always)]
    pub fn set_ttl(&mut self, ttl: u8) {
        let word = |ttl| u16::from_le_bytes([ttl, self.protocol.0]);
        let (old, new) = (word(self.ttl), word(ttl));
        self.checksum
            .set_raw(checksum::replaced(self.checksum.raw(), old, new));
        self.ttl = ttl;
    }

    /// The header of a packet of our own, without options, for a payload of
    /// this many bytes. It is never fragmented, so it needs no identification
    /// (RFC 6864, section 4.1).
    #[inline(always)]
    #[must_use]
    pub fn new(protocol: Protocol, source: u32, destination: u32, payload: u16, class: u8) -> Self {
        let mut header = Self {
            version_and_length: PLAIN,
            traffic_class: class,
            total_length: Wire16::of_number(payload.wrapping_add(WORDS * 4)),
            identification: Wire16::default(),
            fragment: Wire16::of_number(DONT_FRAGMENT),
            ttl: super::HOPS,
            protocol,
            checksum: Wire16::default(),
            source: Wire32::of_raw(source),
            destination: Wire32::of_raw(destination),
        };
        let sum = Sum::default()
            .word16(u16::from_le_bytes([
                header.version_and_length,
                header.traffic_class,
            ]))
            .word16(header.total_length.raw())
            .word16(header.fragment.raw())
            .word16(u16::from_le_bytes([header.ttl, protocol.0]))
            .word32(source)
            .word32(destination);
        header.checksum = Wire16::of_raw(sum.checksum());
        header
    }
}

impl Ip for Ipv4 {
    const ETHER_TYPE: EtherType = EtherType::IPV4;
    const INSIDE: Protocol = Protocol::IPV4;
    const PAYLOAD_MAX: usize = u16::MAX as usize - LENGTH;

    #[inline(always)]
    fn class(&self) -> u8 {
        self.traffic_class
    }

    #[inline(always)]
    fn plain_protocol(&self) -> Option<Protocol> {
        (self.version_and_length == PLAIN && !self.is_fragment()).then_some(self.protocol)
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        self.total_length.number() as u32
    }

    #[inline(always)]
    fn hops(&self) -> u8 {
        self.ttl
    }

    #[inline(always)]
    fn pass(&mut self) {
        self.ttl = self.ttl.wrapping_sub(1);
        let checksum = checksum::replaced_by_one_less(self.checksum.raw());
        self.checksum.set_raw(checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_that_is_passed_leaves_the_checksum_right() {
        for ttl in 1..=u8::MAX {
            for source in [0, 0x0100_007f, 0xffff_ffff, 0x1234_5678] {
                let mut header = Ipv4::new(Protocol::TCP, source, !source, 40, 0xb8);
                header.set_ttl(ttl);
                header.pass();
                let mut fresh = Ipv4::new(Protocol::TCP, source, !source, 40, 0xb8);
                fresh.set_ttl(ttl - 1);
                assert_eq!(header.hops(), ttl - 1);
                assert_eq!(header.checksum, fresh.checksum, "{ttl} {source:x}");
            }
        }
    }
}
