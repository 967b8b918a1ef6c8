//! What leaves: a SYN-ACK (or SYN) of a VIP tells its peer the largest segment
//! that it may send. The peer knows nothing of the tunnel on the way here, so
//! that has to be what the tunnel leaves of it.
//!
//! How much that is, the packets that came through tell: a SYN is there before
//! its SYN-ACK leaves. Before the first of them, what is told fits the MTU.

use super::outer::unmapped;
use super::tables::Tables;
use crate::abi::decap::address;
use crate::abi::state::mapped;
use crate::packet::Frame;
use crate::packet::ethernet::{self, EtherType};
use crate::packet::frame::{Wire16, Wire32};
use crate::packet::ipv4::{self, Ipv4, Protocol};
use crate::packet::ipv6::{self, Ipv6};
use crate::packet::transport::{Tcp, flag};
use core::mem::offset_of;

/// Kinds of TCP options (RFC 9293, section 3.1).
const END: u32 = 0;
const NOTHING: u32 = 1;
const MSS: u32 = 2;

/// Length of the option of the MSS: kind, length, and the value.
const MSS_LENGTH: usize = 4;

/// Options that are gone over: as many as fit before the MSS.
const OPTIONS: usize = 37;

/// No segment is clamped below this: Linux would not send smaller ones anyway
/// (`TCP_MIN_MSS`).
const MSS_MIN: usize = 88;

/// The packet that leaves.
pub trait Segment {
    /// A window on its first bytes.
    fn frame(&mut self) -> Frame<'_>;

    /// Puts `new` in the place of `old` at `at`, and keeps the checksum at
    /// `checksum` right, even where that is left to the hardware. `is_odd`: the
    /// word does not stand at a multiple of two of what the checksum covers.
    fn replace(&mut self, change: &Change) -> bool;
}

/// A change of a word that a TCP checksum covers.
#[derive(Clone, Copy)]
pub struct Change {
    /// Where the word stands.
    pub at: usize,
    /// Where the checksum stands.
    pub checksum: usize,
    /// What stands there.
    pub old: Wire16,
    /// What is to.
    pub new: Wire16,
    /// It starts in the middle of one of the checksum's words.
    pub is_odd: bool,
}

impl Change {
    /// Old and new value as the checksum sees them, as on the wire: the two
    /// bytes of a word that stands between two of its words change places.
    #[inline(always)]
    #[must_use]
    pub fn summands(&self) -> [u16; 2] {
        [self.old, self.new].map(|word| {
            if self.is_odd {
                word.number()
            } else {
                word.raw()
            }
        })
    }
}

/// Clamps the MSS, if this packet tells too large a one, and counts.
#[inline(always)]
pub fn clamp<S: Segment, T: Tables>(mut segment: S, tables: &T) {
    let overhead = tables.state().overhead.get() as usize;
    let room = (tables.settings().mtu.get() as usize).saturating_sub(overhead);
    let Some(change) = change(&segment.frame(), tables, room) else {
        return;
    };
    if segment.replace(&change) {
        tables.row().clamped.add(1);
    }
}

/// What is to be changed; `None` for nothing.
#[inline(always)]
fn change<T: Tables>(frame: &Frame, tables: &T, room: usize) -> Option<Change> {
    let (ether_type, start) = ethernet::payload(frame)?;
    let (source, headers, plain) = if ether_type.is(EtherType::IPV4) {
        v4(frame, start)?
    } else if ether_type.is(EtherType::IPV6) {
        v6(frame, start)?
    } else {
        return None;
    };
    let tcp_at = start + headers;
    let tcp: &Tcp = frame.header(tcp_at)?;
    if tcp.flags & flag::SYN == 0 {
        return None;
    }
    let end = (tcp.data_offset as usize >> 4) * 4;
    if tables.address(&source) & address::VIP == 0 {
        return None;
    }
    let (option, old) = mss(frame, tcp_at, end)?;
    let limit = room.saturating_sub(plain + size_of::<Tcp>()).max(MSS_MIN);
    let limit = u16::try_from(limit).unwrap_or(u16::MAX);
    (old.number() > limit).then_some(Change {
        at: tcp_at + option,
        checksum: tcp_at + offset_of!(Tcp, checksum),
        old,
        new: Wire16::of_number(limit),
        is_odd: option & 1 != 0,
    })
}

/// The source of a TCP segment, the length of its IP header, and the length
/// that this has without options.
#[inline(always)]
fn v4(frame: &Frame, start: usize) -> Option<([u64; 2], usize, usize)> {
    let ip: &Ipv4 = frame.header(start)?;
    let is_tcp = ip.protocol == Protocol::TCP && !ip.is_later_fragment();
    let found = (mapped(ip.source.raw()), ip.header_length()?, ipv4::LENGTH);
    is_tcp.then_some(found)
}

#[inline(always)]
fn v6(frame: &Frame, start: usize) -> Option<([u64; 2], usize, usize)> {
    let ip: &Ipv6 = frame.header(start)?;
    let is_tcp = ip.is_valid() && ip.next == Protocol::TCP;
    let found = (unmapped(ip.source.raw())?, ipv6::LENGTH, ipv6::LENGTH);
    is_tcp.then_some(found)
}

/// The value of the MSS option of the TCP header at `start`, whose options end
/// `end` bytes from there, and where it stands from there.
#[inline(always)]
fn mss(frame: &Frame, start: usize, end: usize) -> Option<(usize, Wire16)> {
    let mut at = size_of::<Tcp>();
    for _ in 0..OPTIONS {
        if at + MSS_LENGTH > end {
            return None;
        }
        let option = frame.header::<Wire32>(start + at)?.number();
        let (kind, length) = (option >> 24, (option >> 16 & 0xff) as usize);
        match (kind, length) {
            (END, _) => return None,
            (NOTHING, _) => at += 1,
            (MSS, MSS_LENGTH) => return Some((at + 2, *frame.header(start + at + 2)?)),
            (_, 0 | 1) => return None,
            _ => at += length,
        }
    }
    None
}
