//! The packet's way (ARCHITECTURE.md, "A packet's way").
//!
//! Nearly every packet is [`plain`], and for a service: it
//! goes [straight]. Everything else steps [`aside`] and takes the whole way, in
//! which each step gives what the next one needs or ends the way with an
//! [`Outcome`]. Both lead to [`send`].

mod aside;

use crate::abi::state::service;
use crate::abi::{Outcome, Service};
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
/// From the low end: the action (32 bits), the destination (16), the outcome
/// (8), and whether the flow is new.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Decision(u64);

impl Decision {
    #[inline(always)]
    const fn forwarded(action: u32, choice: &Choice) -> Self {
        Self(
            action as u64
                | (choice.destination as u64) << 32
                | (Outcome::Forwarded as u64) << 48
                | (choice.is_new as u64) << 56,
        )
    }

    #[inline(always)]
    const fn ended(outcome: Outcome) -> Self {
        Self(outcome.verdict() as u64 | (outcome as u64) << 48)
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
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub const fn destination(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Where the way ended: an [`Outcome`]'s number.
    #[inline(always)]
    #[must_use]
    pub const fn outcome_number(self) -> usize {
        (self.0 >> 48) as usize & 0xff
    }

    /// It is the first packet of its flow that the flow table sees.
    #[inline(always)]
    #[must_use]
    pub const fn is_new(self) -> bool {
        self.0 >> 56 != 0
    }

    /// The same, of which the verifier knows nothing. `noise` is anything that
    /// it cannot know.
    #[cfg(bpf)]
    #[inline(always)]
    pub fn forgotten(self, noise: u32) -> Self {
        let noise = noise as u64 | (noise as u64) << 32;
        Self(core::hint::black_box(self.0 ^ noise) ^ noise)
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
pub fn balance<B: Buffer, T: Tables>(mut buffer: B, tables: &T) -> Decision {
    match straight(&mut buffer.frame(), tables) {
        Some(decision) => decision,
        None => aside::balance(buffer, tables),
    }
}

/// The way of a plain packet for a service; `None` for any other, of which
/// nothing has been changed or counted yet.
#[inline(always)]
fn straight<T: Tables>(frame: &mut Frame, tables: &T) -> Option<Decision> {
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
fn serve<A: Addresses, T: Tables>(
    frame: &mut Frame,
    tables: &T,
    flow: &Flow<A>,
) -> Option<Decision> {
    let service = vip::service_of(tables, flow)?;
    if service.flags.get() & service::SOURCES != 0 {
        return None;
    }
    match send(frame, tables, flow, service, Role::Own) {
        Ok(decision) => Some(decision),
        Err(Outcome::ResetSent) => None,
        Err(outcome) => Some(ended(tables, outcome)),
    }
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
) -> Result<Decision, Outcome> {
    let choice = choose(flow, service, tables, role)?;
    let decision = deliver(frame, tables, &choice, flow.length as u64)?;
    if choice.is_new && opens(flow.tcp_flags) {
        tables.counter(choice.destination).connections.add(1);
    }
    Ok(decision)
}

/// Sends a packet of this many bytes to the destination that was chosen, and
/// counts it.
#[inline(always)]
fn deliver<T: Tables>(
    frame: &mut Frame,
    tables: &T,
    choice: &Choice,
    length: u64,
) -> Result<Decision, Outcome> {
    let destination = tables.destination(choice.destination);
    let action = forward::l2(frame, tables, destination)?;
    let counter = tables.counter(choice.destination);
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
