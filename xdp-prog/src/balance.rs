//! The packet's way (ARCHITECTURE.md, "A packet's way").
//!
//! Nearly every packet is [plain](crate::parse::plain), and for a service: it
//! goes [straight](mod@straight). Everything else steps [`aside`] and takes the
//! whole way, in which each step gives what the next one needs or ends the way
//! with an [`Outcome`]. Both lead to the same destinations, and, where the backend
//! is behind a [tunnel], to its wrapping up.

mod aside;
mod straight;
mod tunnel;

pub use straight::{Straight, straight};
pub use tunnel::Parcel;

/// What the steps do that stand [`Apart`].
#[cfg(bpf)]
pub mod steps {
    pub use super::aside::walk;
    pub use super::tunnel::{wrap, wrap_plain};
}

use crate::abi::limits::OUTCOMES;
use crate::abi::state::destination;
use crate::abi::{Destination, Outcome};
use crate::choose::{Choice, Risk};
use crate::forward;
use crate::packet::ethernet::Ethernet;
use crate::packet::transport::opens;
use crate::packet::{Buffer, Frame};
use crate::select::{V4, V6};
use crate::tables::Tables;
use crate::verifier::forget;

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
    let begun = straight(&mut buffer.frame(), tables);
    finish(buffer, tables, begun)
}

/// Goes on where the straight way of a packet ended.
#[inline(always)]
pub fn finish<B: Apart, T: Tables>(mut buffer: B, tables: &T, begun: Straight) -> Decision {
    match begun {
        Straight::Sent(action, to) => Decision::forwarded(action, to.choice()),
        Straight::Ended(outcome) => Decision::ended(outcome),
        Straight::Wrapped(to, entropy, version) => {
            let parcel = Parcel::new(to.choice(), opens(to.tcp_flags)).with(entropy);
            let wrapped = if version == 4 {
                buffer.wrap_v4(tables, parcel)
            } else {
                buffer.wrap_v6(tables, parcel)
            };
            // What cannot be sent, or needs a closer look, goes the long way.
            wrapped.unwrap_or_else(|| buffer.wrap(tables, parcel))
        }
        Straight::AtRisk(risk, length) => send_at_risk(buffer, tables, &risk, length),
        Straight::Aside => aside::balance(buffer, tables),
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

    /// The way of a plain IPv4 packet into a tunnel; `None` if it needs a closer
    /// look.
    #[inline(always)]
    fn wrap_v4<T: Tables>(&mut self, tables: &T, parcel: Parcel) -> Option<Decision> {
        tunnel::wrap_plain::<V4, Self, T>(self, tables, parcel)
    }

    /// The same for IPv6.
    #[inline(always)]
    fn wrap_v6<T: Tables>(&mut self, tables: &T, parcel: Parcel) -> Option<Decision> {
        tunnel::wrap_plain::<V6, Self, T>(self, tables, parcel)
    }
}

/// The way of a plain packet of this many bytes whose flow may have an entry in
/// the flow table.
#[inline(always)]
fn send_at_risk<B: Apart, T: Tables>(
    mut buffer: B,
    tables: &T,
    risk: &Risk,
    length: u32,
) -> Decision {
    let chosen = tables.choose_at_risk(risk);
    if chosen == Err(Outcome::ResetSent) {
        return aside::balance(buffer, tables);
    }
    let opens = risk.opens_connection();
    let frame = &mut buffer.frame();
    match chosen.and_then(|choice| send(frame, tables, choice, opens, length)) {
        Ok(Sent::Off(decision)) => decision,
        Ok(Sent::Wrapped(parcel)) => buffer.wrap(tables, parcel),
        Err(outcome) => ended(tables, outcome),
    }
}

/// What has become of a packet whose way ends at a backend.
enum Sent {
    /// It is gone.
    Off(Decision),
    /// It is to be wrapped up yet.
    Wrapped(Parcel),
}

/// Sends a packet of this many bytes, which opens a connection or does not, to
/// the destination that was chosen.
///
/// # Errors
///
/// Those of [`forward::l2`]. [`Outcome::BadHeader`] cannot come up after
/// parsing; it is what the verifier needs to see.
#[inline(always)]
fn send<T: Tables>(
    frame: &mut Frame,
    tables: &T,
    choice: Choice,
    opens: bool,
    length: u32,
) -> Result<Sent, Outcome> {
    let opens = choice.is_new() && opens;
    let destination = tables.destination(choice.destination());
    if is_behind_tunnel(destination) {
        return Ok(Sent::Wrapped(Parcel::new(choice, opens)));
    }
    let ethernet = frame.header_mut(0).ok_or(Outcome::BadHeader)?;
    let action = deliver(
        ethernet,
        tables,
        choice.destination(),
        destination,
        length as u64,
    )?;
    if opens {
        tables.counter(choice.destination()).connections.add(1);
    }
    Ok(Sent::Off(Decision::forwarded(action, choice)))
}

/// Whether packets reach the destination inside others.
#[inline(always)]
fn is_behind_tunnel(destination: &Destination) -> bool {
    destination.flags.get() & destination::TUNNEL != 0
}

/// Sends a packet of this many bytes to the destination with this number, and
/// counts it. Gives the XDP action.
#[inline(always)]
fn deliver<T: Tables>(
    ethernet: &mut Ethernet,
    tables: &T,
    number: u16,
    destination: &Destination,
    length: u64,
) -> Result<u32, Outcome> {
    let action = forward::l2(ethernet, tables, destination, length)?;
    let counter = tables.counter(number);
    counter.packets.add(1);
    counter.bytes.add(length);
    Ok(action)
}

/// Counts what did not end with a backend.
#[inline(never)]
fn ended<T: Tables>(tables: &T, outcome: Outcome) -> Decision {
    // The compiler knows that no outcome has a higher number; the verifier of
    // Linux 6.1 does not always.
    let number = forget::<OUTCOMES>(outcome as usize, 0);
    tables.outcomes().0[number % OUTCOMES].add(1);
    Decision::ended(outcome)
}
