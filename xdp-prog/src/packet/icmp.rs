//! ICMP (RFC 792) and ICMPv6 (RFC 4443), as far as a balancer reads them.

use super::checksum;
use super::frame::{Wire, Wire16, Wire32};

/// The part that all messages have.
#[repr(C)]
pub struct Icmp {
    /// What it says.
    pub kind: u8,
    /// What it says more precisely.
    pub code: u8,
    /// Over the message; with ICMPv6 over a pseudo header, too.
    pub checksum: Wire16,
    /// Depends on the kind.
    pub rest: Wire32,
}

/// Length of that part in bytes. The packet that an error is about follows.
pub const LENGTH: usize = 8;

const _: () = assert!(size_of::<Icmp>() == LENGTH);

// SAFETY: bytes and wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Icmp {}

/// What a message means to a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Asks for an echo.
    Echo,
    /// Reports an error, and quotes the packet that it is about.
    Error,
    /// Speaks of the link: neighbour or multicast listener discovery.
    Neighbour,
    /// Something else.
    Other,
}

/// Type of an echo request, and of its reply, in ICMP.
pub const ECHO: [u8; 2] = [8, 0];
/// The same in ICMPv6.
pub const ECHO_V6: [u8; 2] = [128, 129];

/// Type and code of errors. Destination unreachable: fragmentation needed.
pub const FRAGMENTATION_NEEDED: [u8; 2] = [3, 4];
/// Time exceeded: the time to live.
pub const TIME_EXCEEDED: [u8; 2] = [11, 0];
/// Of ICMPv6: packet too big.
pub const TOO_BIG_V6: [u8; 2] = [2, 0];
/// Of ICMPv6: time exceeded: the hop limit.
pub const TIME_EXCEEDED_V6: [u8; 2] = [3, 0];

impl Icmp {
    /// What an ICMP message means.
    #[inline(always)]
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        match (self.kind, self.code) {
            (8, 0) => Meaning::Echo,
            // Unreachable, time exceeded, parameter problem.
            (3 | 11 | 12, _) => Meaning::Error,
            _ => Meaning::Other,
        }
    }

    /// What an ICMPv6 message means.
    #[inline(always)]
    #[must_use]
    pub fn meaning_v6(&self) -> Meaning {
        match (self.kind, self.code) {
            (128, 0) => Meaning::Echo,
            // Unreachable, packet too big, time exceeded, parameter problem.
            (1..=4, _) => Meaning::Error,
            // RFC 2710, RFC 4861, RFC 3810.
            (130..=137 | 143, _) => Meaning::Neighbour,
            _ => Meaning::Other,
        }
    }

    /// Makes it a message of another type.
    #[inline(always)]
    pub fn set_kind(&mut self, kind: u8) {
        let word = |kind| u16::from_le_bytes([kind, self.code]);
        let (old, new) = (word(self.kind), word(kind));
        // Of a message that is all zero, as the answer to a ping of zeros may be,
        // the checksum is the other zero, and of all others either will do.
        let checksum = match checksum::replaced(self.checksum.raw(), old, new) {
            0 => u16::MAX,
            other => other,
        };
        self.checksum.set_raw(checksum);
        self.kind = kind;
    }
}
