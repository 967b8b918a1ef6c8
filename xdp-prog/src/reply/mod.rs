//! Packets that are answered, not sent on: the frame that came in is turned
//! round and goes back to where it came from.

mod echo;
mod error;
mod reset;

pub use echo::echo;
pub use error::{Refusal, error};
pub use reset::reset;

use crate::abi::Outcome;
use crate::abi::word::Word32;
use crate::packet::Frame;
use crate::packet::HOPS;
use crate::packet::checksum::Sum;
use crate::packet::frame::Wire32;
use crate::packet::icmp;
use crate::packet::ipv4::{self, Ipv4, Protocol};
use crate::packet::ipv6::{self, Ipv6};
use crate::parse::Family;
use crate::select::{V4, V6};
use crate::tables::Tables;

/// The second half of `::1`.
const LOOPBACK: u64 = 1_u64.to_be();

/// What answers of both families differ in.
pub trait Reply: Family {
    /// Exchanges the addresses of the IP header at this offset, and gives it a
    /// full number of hops. What is summed up over the addresses stays right.
    fn turn(frame: &mut Frame, offset: usize) -> Option<()>;

    /// The IP header of an answer to a packet with these addresses, for a
    /// payload of this many bytes.
    fn answer(&self, protocol: Protocol, payload: u16) -> Self::Header;

    /// The sum of the addresses, which are in TCP's pseudo header.
    fn sum_addresses(&self) -> Sum;

    /// The sum of all that the checksum of an ICMP message of this many bytes
    /// covers apart from the message.
    fn sum_icmp(&self, length: u16) -> Sum;

    /// The packet has come to its last router.
    const EXPIRED: Refusal;

    /// The packet is longer than this, which is all that fits the way.
    fn too_big(mtu: u16) -> Refusal;

    /// The most words of a packet that an ICMP error quotes.
    const QUOTE: usize;

    /// Whether the source is the address of one host, which can be answered
    /// (RFC 1122, section 3.2.2; RFC 4443, section 2.4 e).
    fn is_from_host(&self) -> bool;
}

/// Whether this CPU may send one more answer, of which it has `sent` so many in
/// this epoch and may send `limit`. If so, it is counted.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "takes bits out of the clock"
)]
fn is_in_budget<T: Tables>(tables: &T, sent: &Word32, limit: u32) -> bool {
    let budget = tables.budget();
    let epoch = (tables.ticks() >> tables.settings().epoch_shift.get()) as u32;
    if budget.epoch.get() != epoch {
        budget.epoch.set(epoch);
        budget.resets.set(0);
        budget.errors.set(0);
    }
    let count = sent.get();
    if count >= limit {
        return false;
    }
    sent.set(count + 1);
    true
}

impl Reply for V4 {
    #[inline(always)]
    fn turn(frame: &mut Frame, offset: usize) -> Option<()> {
        let ip: &mut Ipv4 = frame.header_mut(offset)?;
        core::mem::swap(&mut ip.source, &mut ip.destination);
        ip.set_ttl(HOPS);
        Some(())
    }

    #[inline(always)]
    fn answer(&self, protocol: Protocol, payload: u16) -> Ipv4 {
        Ipv4::new(protocol, self.destination, self.source, payload, 0)
    }

    #[inline(always)]
    fn sum_addresses(&self) -> Sum {
        Sum::default().word32(self.source).word32(self.destination)
    }

    #[inline(always)]
    fn sum_icmp(&self, _: u16) -> Sum {
        Sum::default()
    }

    const EXPIRED: Refusal = Refusal {
        kind: icmp::TIME_EXCEEDED,
        rest: Wire32::of_number(0),
        answered: Outcome::TtlAnswered,
        silent: Outcome::TtlExpired,
    };

    #[inline(always)]
    fn too_big(mtu: u16) -> Refusal {
        Refusal {
            kind: icmp::FRAGMENTATION_NEEDED,
            rest: Wire32::of_number(mtu as u32),
            answered: Outcome::TooBigAnswered,
            silent: Outcome::TooBig,
        }
    }

    /// As much as fits 576 bytes (RFC 1812, section 4.3.2.3).
    const QUOTE: usize = (576 - ipv4::LENGTH - icmp::LENGTH) / 4;

    #[inline(always)]
    fn is_from_host(&self) -> bool {
        let [first, ..] = self.source.to_le_bytes();
        // Not "this network", loopback, multicast, or what is above.
        first != 0 && first != 127 && first < 224
    }
}

impl Reply for V6 {
    #[inline(always)]
    fn turn(frame: &mut Frame, offset: usize) -> Option<()> {
        let ip: &mut Ipv6 = frame.header_mut(offset)?;
        core::mem::swap(&mut ip.source, &mut ip.destination);
        ip.hops = HOPS;
        Some(())
    }

    #[inline(always)]
    fn answer(&self, protocol: Protocol, payload: u16) -> Ipv6 {
        Ipv6::new(protocol, self.destination, self.source, payload)
    }

    #[inline(always)]
    fn sum_addresses(&self) -> Sum {
        let words = [self.source, self.destination];
        let sum = |sum: Sum, [a, b]: [u64; 2]| sum.word64(a).word64(b);
        sum(sum(Sum::default(), words[0]), words[1])
    }

    #[inline(always)]
    fn sum_icmp(&self, length: u16) -> Sum {
        self.sum_addresses()
            .word16(length.to_be())
            .word16(u16::from_le_bytes([0, Self::ICMP.0]))
    }

    const EXPIRED: Refusal = Refusal {
        kind: icmp::TIME_EXCEEDED_V6,
        rest: Wire32::of_number(0),
        answered: Outcome::TtlAnswered,
        silent: Outcome::TtlExpired,
    };

    #[inline(always)]
    fn too_big(mtu: u16) -> Refusal {
        // No way may be narrower, and a host believes none that claims to be
        // (RFC 8200, section 5; RFC 8201, section 4).
        let mtu = (mtu as u32).max(1280);
        Refusal {
            kind: icmp::TOO_BIG_V6,
            rest: Wire32::of_number(mtu),
            answered: Outcome::TooBigAnswered,
            silent: Outcome::TooBig,
        }
    }

    /// As much as fits 1280 bytes (RFC 4443, section 2.4 c).
    const QUOTE: usize = (1280 - ipv6::LENGTH - icmp::LENGTH) / 4;

    #[inline(always)]
    fn is_from_host(&self) -> bool {
        let [high, low] = self.source;
        let [first, ..] = high.to_le_bytes();
        // Not multicast, unspecified, or loopback.
        first != 0xff && !(high == 0 && (low == 0 || low == LOOPBACK))
    }
}
