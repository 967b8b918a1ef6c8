//! The far end of the tunnels, on the backend: a packet of a tunnel becomes the
//! packet that is inside, as if it had come without a tunnel.
//!
//! Only from balancers that are allowed, and only for VIPs of this host. All
//! else passes as it came. Each step gives what the next one needs, or ends the
//! packet's way with an [`Outcome`].
//!
//! [`clamp`] is the other direction: what leaves is told how much the tunnel
//! takes.

pub mod clamp;
mod ecn;
#[cfg(not(bpf))]
pub mod host;
mod inner;
mod outer;
pub mod tables;

use crate::abi::decap::{Outcome, address};
use crate::packet::ethernet::{self, EtherType, Ethernet};
use crate::packet::{Buffer, Frame};
use inner::{Inner, Version};
use outer::Outer;
use tables::Tables;

/// Ends the tunnel, if the frame is a packet of one, and counts.
#[inline(always)]
pub fn decap<B: Buffer, T: Tables>(mut buffer: B, tables: &T) -> Outcome {
    let outcome = match end(&mut buffer, tables) {
        Ok(()) => Outcome::Decapsulated,
        Err(outcome) => outcome,
    };
    tables.row().of(outcome).add(1);
    outcome
}

#[inline(always)]
fn end<B: Buffer, T: Tables>(buffer: &mut B, tables: &T) -> Result<(), Outcome> {
    let mut frame = buffer.frame();
    let (start, outer) = tunnel(&frame, tables)?;
    let inner = inner::find(&frame, start, &outer)?;
    if tables.address(&inner.destination) & address::VIP == 0 {
        return Err(Outcome::NotLocalVip);
    }
    let at = start + outer.headers;
    ecn::carry_over(&mut frame, &inner, at, outer.ecn)?;
    take_off(buffer, start, outer.headers, inner.version).ok_or(Outcome::NotShortened)?;
    note(tables, &outer, &inner);
    Ok(())
}

/// Takes `headers` bytes off behind the Ethernet header and its tags, which are
/// `start` bytes long. `None` leaves a frame that is of no use.
#[inline(always)]
fn take_off<B: Buffer>(
    buffer: &mut B,
    start: usize,
    headers: usize,
    inside: Version,
) -> Option<()> {
    ethernet::move_down(&mut buffer.frame(), headers, start)?;
    let is_off = buffer.shrink(headers);
    let ether_type = match inside {
        Version::V4 => EtherType::IPV4,
        Version::V6 => EtherType::IPV6,
    };
    is_off
        .then(|| ethernet::set_payload(&mut buffer.frame(), start, ether_type))
        .flatten()
}

/// A packet of a tunnel that ends here and comes from an allowed balancer: where
/// its outer header stands, and what that says.
#[inline(always)]
fn tunnel<T: Tables>(frame: &Frame, tables: &T) -> Result<(usize, Outer), Outcome> {
    let settings = tables.settings();
    let ethernet: &Ethernet = frame.header(0).ok_or(Outcome::NotIp)?;
    if !ethernet.is_for(settings.mac.get()) {
        return Err(Outcome::OtherStation);
    }
    let (ether_type, start) = ethernet::payload(frame).ok_or(Outcome::NotIp)?;
    let outer = outer::find(frame, ether_type, start, settings.gue_port.get())?;
    if tables.address(&outer.destination) & address::OWN == 0 {
        return Err(Outcome::OtherHost);
    }
    if !tables.is_allowed(&outer.source) {
        return Err(Outcome::ForeignSource);
    }
    Ok((start, outer))
}

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "a few headers, and a length that IP can say"
)]
fn note<T: Tables>(tables: &T, outer: &Outer, inner: &Inner) {
    tables.row().bytes.add(inner.length as u64);
    let (overhead, seen) = (outer.headers as u32, &tables.state().overhead);
    if seen.get() < overhead {
        seen.set(overhead);
    }
}
