//! The packet's way (ARCHITECTURE.md, "A packet's way").
//!
//! Nearly every packet is [`plain`], and for a service: it
//! goes [straight]. Everything else steps [`aside`] and takes the whole way, in
//! which each step gives what the next one needs or ends the way with an
//! [`Outcome`]. Both lead to [`send`], and, where the backend is behind a
//! [tunnel], to its wrapping up.

mod aside;
mod tunnel;

pub use tunnel::Parcel;

/// What the steps do that stand [`Apart`].
#[cfg(bpf)]
pub mod steps {
    pub use super::aside::walk;
    pub use super::tunnel::wrap;
}

use crate::abi::state::{destination, service};
use crate::abi::{Destination, Outcome, Service};
use crate::choose::{Choice, Role, choose};
use crate::forward;
use crate::packet::ethernet::EtherType;
use crate::packet::ipv4::Ipv4;
use crate::packet::start::Start;
use crate::packet::transport::opens;
use crate::packet::{Buffer, Frame};
use crate::parse::plain;
use crate::select::{Addresses, Flow, V4, V6};
use crate::tables::Tables;
use crate::vip;

/// How a packet's way ended: one word, so that it fits a register.
///
/// From the low end: the action (32 bits), the [`Choice`] (24), and the outcome
/// (8).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Decision(u64);

impl Decision {
    #[inline(always)]
    const fn forwarded(action: u32, choice: Choice) -> Self {
        let outcome = (Outcome::Forwarded as u64) << 56;
        Self(action as u64 | (choice.word() as u64) << 32 | outcome)
    }

    #[inline(always)]
    const fn ended(outcome: Outcome) -> Self {
        Self(outcome.verdict() as u64 | (outcome as u64) << 56)
    }

    /// The decision of [`word`](Self::word).
    #[inline(always)]
    #[must_use]
    pub const fn of_word(word: u64) -> Self {
        Self(word)
    }

    /// All of it.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// What the kernel is told: an XDP action.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub const fn action(self) -> u32 {
        self.0 as u32
    }

    /// The destination it was sent to; 0 if it was not.
    #[inline(always)]
    #[must_use]
    pub const fn destination(self) -> u16 {
        self.choice().destination()
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    const fn choice(self) -> Choice {
        Choice::of_word((self.0 >> 32) as u32 & 0xff_ffff)
    }

    /// Where the way ended: an [`Outcome`]'s number.
    #[inline(always)]
    #[must_use]
    pub const fn outcome_number(self) -> usize {
        (self.0 >> 56) as usize
    }

    /// It is the first packet of its flow that the flow table sees.
    #[inline(always)]
    #[must_use]
    pub const fn is_new(self) -> bool {
        self.choice().is_new()
    }

    /// Where the way ended.
    #[cfg(not(bpf))]
    #[must_use]
    pub fn outcome(self) -> Outcome {
        Outcome::ALL[self.outcome_number()]
    }
}

#[cfg(not(bpf))]
impl core::fmt::Debug for Decision {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decision")
            .field("outcome", &self.outcome())
            .field("action", &self.action())
            .field("destination", &self.destination())
            .field("is_new", &self.is_new())
            .finish()
    }
}

/// Balances one frame: rewrites it if it is to be forwarded or answered, and
/// counts.
#[inline(always)]
pub fn balance<B: Apart, T: Tables>(mut buffer: B, tables: &T) -> Decision {
    match straight(&mut buffer.frame(), tables) {
        Some(Sent::Off(decision)) => decision,
        Some(Sent::Wrapped(parcel)) => buffer.wrap(tables, parcel),
        None => aside::balance(buffer, tables),
    }
}

/// The steps that stand apart. In the kernel each is a function that the
/// verifier looks at once, on its own, for whatever it may be given, instead of
/// once for each way that leads there: so what they take and give are words.
pub trait Apart: Buffer + Sized {
    /// The way of a packet whose IPv4 header stands at this offset.
    #[inline(always)]
    fn walk_v4<T: Tables>(self, tables: &T, offset: usize) -> Decision {
        aside::walk::<V4, Self, T>(self, tables, offset)
    }

    /// The way of a packet whose IPv6 header stands at this offset.
    #[inline(always)]
    fn walk_v6<T: Tables>(self, tables: &T, offset: usize) -> Decision {
        aside::walk::<V6, Self, T>(self, tables, offset)
    }

    /// The way of a packet into a tunnel.
    #[inline(always)]
    fn wrap<T: Tables>(self, tables: &T, parcel: Parcel) -> Decision {
        tunnel::wrap(self, tables, parcel)
    }
}

/// The way of a plain packet for a service; `None` for any other, of which
/// nothing has been changed or counted yet.
#[inline(always)]
fn straight<T: Tables>(frame: &mut Frame, tables: &T) -> Option<Sent> {
    let start: &Start<Ipv4> = frame.header(0)?;
    let ethernet = &start.ethernet;
    if !ethernet.is_for(tables.port().mac.get()) {
        return None;
    }
    if ethernet.ether_type.is(EtherType::IPV4) {
        let flow: Flow<V4> = plain::flow(frame, start)?;
        return serve(frame, tables, &flow);
    }
    if ethernet.ether_type.is(EtherType::IPV6) {
        let flow: Flow<V6> = plain::flow(frame, frame.header(0)?)?;
        return serve(frame, tables, &flow);
    }
    None
}

/// The second half of the straight way.
#[inline(always)]
fn serve<A: Addresses, T: Tables>(frame: &mut Frame, tables: &T, flow: &Flow<A>) -> Option<Sent> {
    let service = vip::service_of(tables, flow)?;
    if service.flags.get() & service::SOURCES != 0 {
        return None;
    }
    match send(frame, tables, flow, service, Role::Own) {
        Ok(sent) => Some(sent),
        Err(Outcome::ResetSent) => None,
        Err(outcome) => Some(Sent::Off(ended(tables, outcome))),
    }
}

/// What has become of a packet whose way ends at a backend.
enum Sent {
    /// It is gone.
    Off(Decision),
    /// It is to be wrapped up yet.
    Wrapped(Parcel),
}

/// Sends the packet of a flow to the flow's backend.
///
/// # Errors
///
/// Those of [`choose`] and of [`forward::l2`].
#[inline(always)]
fn send<A: Addresses, T: Tables>(
    frame: &mut Frame,
    tables: &T,
    flow: &Flow<A>,
    service: &Service,
    role: Role,
) -> Result<Sent, Outcome> {
    let choice = choose(flow, service, tables, role)?;
    let destination = tables.destination(choice.destination());
    if is_behind_tunnel(destination) {
        let opens = choice.is_new() && opens(flow.tcp_flags);
        return Ok(Sent::Wrapped(Parcel::new(choice, opens)));
    }
    let decision = deliver(frame, tables, choice, destination, flow.length as u64)?;
    if choice.is_new() && opens(flow.tcp_flags) {
        tables.counter(choice.destination()).connections.add(1);
    }
    Ok(Sent::Off(decision))
}

/// Whether packets reach the destination inside others.
#[inline(always)]
fn is_behind_tunnel(destination: &Destination) -> bool {
    destination.flags.get() & destination::TUNNEL != 0
}

/// Sends a packet of this many bytes to the destination that was chosen, and
/// counts it.
#[inline(always)]
fn deliver<T: Tables>(
    frame: &mut Frame,
    tables: &T,
    choice: Choice,
    destination: &Destination,
    length: u64,
) -> Result<Decision, Outcome> {
    let action = forward::l2(frame, tables, destination, length)?;
    let counter = tables.counter(choice.destination());
    counter.packets.add(1);
    counter.bytes.add(length);
    Ok(Decision::forwarded(action, choice))
}

/// Counts what did not end with a backend.
#[inline(never)]
fn ended<T: Tables>(tables: &T, outcome: Outcome) -> Decision {
    tables.outcomes().of(outcome).add(1);
    Decision::ended(outcome)
}
