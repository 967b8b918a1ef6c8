//! Packets that are answered, not sent on: the frame that came in is turned
//! round and goes back to where it came from.

mod echo;
mod reset;

pub use echo::echo;
pub use reset::reset;

use crate::packet::Frame;
use crate::packet::HOPS;
use crate::packet::checksum::{self, Sum};
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::ipv6::Ipv6;
use crate::parse::Family;
use crate::select::{V4, V6};

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
}

impl Reply for V4 {
    #[inline(always)]
    fn turn(frame: &mut Frame, offset: usize) -> Option<()> {
        let ip: &mut Ipv4 = frame.header_mut(offset)?;
        core::mem::swap(&mut ip.source, &mut ip.destination);
        let word = |ttl| u16::from_le_bytes([ttl, ip.protocol.0]);
        let (old, new) = (word(ip.ttl), word(HOPS));
        ip.checksum
            .set_raw(checksum::replaced(ip.checksum.raw(), old, new));
        ip.ttl = HOPS;
        Some(())
    }

    #[inline(always)]
    fn answer(&self, protocol: Protocol, payload: u16) -> Ipv4 {
        Ipv4::new(protocol, self.destination, self.source, payload)
    }

    #[inline(always)]
    fn sum_addresses(&self) -> Sum {
        Sum::default().word32(self.source).word32(self.destination)
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
}
