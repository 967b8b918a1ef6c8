//! The last steps of a packet whose backend is reached through a tunnel: it is
//! wrapped up, or its sender is told why it cannot be.
//!
//! They take one word, so that the verifier can look at them apart from all
//! that comes before.

use super::{Apart, Decision, ended};
use crate::abi::Outcome;
use crate::choose::Choice;
use crate::forward::{self, Outside};
use crate::packet::ethernet::{self, EtherType};
use crate::packet::ip::Ip;
use crate::packet::start::Start;
use crate::parse::{Family, Packet};
use crate::reply::{self, Refusal, Reply};
use crate::select::{V4, V6};
use crate::tables::Tables;
use crate::verifier::forget;

/// What the way of a packet has found out when it comes to a tunnel.
///
/// From the low end: the [`Choice`], marks, and in the upper half the entropy; 0
/// if it is still to be found, of a plain packet.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Parcel(u64);

/// It opens a connection.
const OPENS: u64 = 1 << 17;
/// It must not be answered by an ICMP error: it is one itself, or a later
/// fragment (RFC 1122, section 3.2.2; RFC 4443, section 2.4 e).
const MUTE: u64 = 1 << 18;

impl Parcel {
    /// A packet with this destination, which opens a connection, or not.
    #[inline(always)]
    pub const fn new(choice: Choice, opens: bool) -> Self {
        Self(choice.word() as u64 | if opens { OPENS } else { 0 })
    }

    /// The same, which must not be answered.
    #[inline(always)]
    pub const fn mute(self) -> Self {
        Self(self.0 | MUTE)
    }

    /// The same, of a flow with this [entropy](crate::select::Flow::entropy).
    #[inline(always)]
    pub const fn with(self, entropy: u32) -> Self {
        Self(self.0 | (entropy as u64) << 32)
    }

    /// The word of [`word`](Self::word).
    #[inline(always)]
    pub const fn of_word(word: u64) -> Self {
        Self(word)
    }

    /// All of it.
    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    const fn choice(self) -> Choice {
        Choice::of_word(self.0 as u32 & (OPENS as u32 - 1))
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    const fn entropy(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    const fn is_mute(self) -> bool {
        self.0 & MUTE != 0
    }
}

/// Sends a packet through the tunnel to its destination, and counts.
#[inline(always)]
pub fn wrap<B: Apart, T: Tables>(buffer: B, tables: &T, parcel: Parcel) -> Decision {
    match way(buffer, tables, parcel) {
        Ok(decision) => decision,
        Err(outcome) => ended(tables, outcome),
    }
}

/// [`wrap`] of a plain packet, whose headers stand where they always do; `None`,
/// and nothing is changed, if it needs a closer look.
#[inline(always)]
pub fn wrap_plain<F: Family, B: Apart, T: Tables>(
    buffer: &mut B,
    tables: &T,
    parcel: Parcel,
) -> Option<Decision> {
    let choice = parcel.choice();
    let tunnel = tables.tunnel(choice.destination());
    let destination = tables.destination(choice.destination());
    let frame = buffer.frame();
    let start: &Start<F::Header> = frame.header(0)?;
    let ip = &start.ip;
    let outside = Outside {
        destination,
        tunnel,
        entropy: parcel.entropy(),
        class: ip.class(),
        length: ip.length() as usize,
    };
    let is_sent = ip.hops() > 1 && outside.length <= tunnel.mtu.get() as usize;
    if !is_sent || outside.entropy == 0 {
        return None;
    }
    let action = match forward::action(tables, destination, outside.length as u64) {
        Ok(action) => action,
        Err(outcome) => return Some(ended(tables, outcome)),
    };
    if forward::wrap_plain::<F::Header, B>(buffer, &outside).is_none() {
        return Some(ended(tables, Outcome::TooBig));
    }
    counted(tables, parcel, outside.length as u64);
    Some(Decision::forwarded(action, choice))
}

/// Counts a packet of this many bytes that was wrapped up.
#[inline(always)]
fn counted<T: Tables>(tables: &T, parcel: Parcel, length: u64) {
    let counter = tables.counter(parcel.choice().destination());
    counter.packets.add(1);
    counter.bytes.add(length);
    if parcel.0 & OPENS != 0 {
        counter.connections.add(1);
    }
}

#[inline(always)]
fn way<B: Apart, T: Tables>(
    mut buffer: B,
    tables: &T,
    parcel: Parcel,
) -> Result<Decision, Outcome> {
    let found = ethernet::payload(&buffer.frame()).ok_or(Outcome::BadHeader)?;
    let (ether_type, offset) = found;
    let offset = forget::<32>(offset, parcel.0);
    if ether_type.is(EtherType::IPV4) {
        post::<V4, B, T>(buffer, tables, parcel, offset)
    } else {
        post::<V6, B, T>(buffer, tables, parcel, offset)
    }
}

/// The way of a packet whose IP header stands at this offset.
#[inline(always)]
fn post<F: Reply, B: Apart, T: Tables>(
    mut buffer: B,
    tables: &T,
    parcel: Parcel,
    offset: usize,
) -> Result<Decision, Outcome> {
    let choice = parcel.choice();
    let tunnel = tables.tunnel(choice.destination());
    let destination = tables.destination(choice.destination());
    let frame = buffer.frame();
    let packet = Packet::<F>::at(&frame, offset).ok_or(Outcome::BadHeader)?;
    let entropy = match parcel.entropy() {
        0 => packet
            .flow(&frame)
            .map_or(0, |flow| flow.entropy(tables.control())),
        known => known,
    };
    let ip: &F::Header = frame.header(offset).ok_or(Outcome::BadHeader)?;
    let class = ip.class();
    let mtu = tunnel.mtu.get();
    if ip.hops() <= 1 {
        return Err(refuse(buffer, tables, parcel, &packet, F::EXPIRED));
    }
    // A super-frame is none of the sender's: the kernel takes it apart again.
    // XDP cannot fragment, so that IPv4 packets are answered that might be, too.
    if packet.length > mtu as usize && packet.length <= tables.port().mtu.get() as usize {
        return Err(refuse(buffer, tables, parcel, &packet, F::too_big(mtu)));
    }
    let action = forward::action(tables, destination, packet.length as u64)?;
    let outside = Outside {
        destination,
        tunnel,
        entropy,
        class,
        length: packet.length,
    };
    forward::wrap::<F::Header, B>(&mut buffer, offset, &outside).ok_or(Outcome::TooBig)?;
    counted(tables, parcel, packet.length as u64);
    Ok(Decision::forwarded(action, choice))
}

/// Tells the sender of a packet why it cannot be sent on, if that is allowed.
#[inline(always)]
fn refuse<F: Reply, B: Apart, T: Tables>(
    buffer: B,
    tables: &T,
    parcel: Parcel,
    packet: &Packet<F>,
    refusal: Refusal,
) -> Outcome {
    if parcel.is_mute() {
        return refusal.silent;
    }
    reply::error(buffer, tables, packet, refusal)
}
