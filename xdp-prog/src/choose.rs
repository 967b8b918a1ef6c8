//! Which backend a flow goes to: slots, and the flow table where a change has
//! put flows at risk (DESIGN: just enough tracking).
//!
//! In a settled slot nothing is looked up and nothing is stored. In an
//! unsettled one the flow table decides, and a packet without an entry goes
//! * to the slot's current owner if it opens a connection;
//! * else to the previous one: it was established before the change.
//!
//! Either way it is entered. Where there is no room it goes where every later
//! packet of its flow goes, which has no entry then: no packet is ever balanced
//! by chance, and a live entry never makes room.

use crate::abi::state::{destination, service, slot};
use crate::abi::{Destination, Outcome, Service};
use crate::packet::ipv4::Protocol;
use crate::packet::transport;
use crate::select::{Addresses, Flow};
use crate::tables::Tables;
use crate::track::Track;

/// The backend of a packet, in one word: the destination's number in the low
/// half, and whether the flow is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Choice(u32);

impl Choice {
    const NEW: u32 = 1 << 16;

    /// This destination.
    #[inline(always)]
    #[must_use]
    pub const fn new(destination: u16, is_new: bool) -> Self {
        Self(destination as u32 | (is_new as u32) << 16)
    }

    /// The choice of [`word`](Self::word).
    #[inline(always)]
    #[must_use]
    pub const fn of_word(word: u32) -> Self {
        Self(word)
    }

    /// All of it: 17 bits.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u32 {
        self.0
    }

    /// The destination's number.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    pub const fn destination(self) -> u16 {
        self.0 as u16
    }

    /// As far as is known it is the first packet of its flow: it opens a TCP
    /// connection, or the flow table did not know it.
    #[inline(always)]
    #[must_use]
    pub const fn is_new(self) -> bool {
        self.0 & Self::NEW != 0
    }
}

/// Whether a packet may change what is known of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The client's own packet.
    Own,
    /// A packet about the flow: an ICMP error, which anybody may send. It is
    /// sent after the flow, and leaves no trace.
    About,
}

/// The backend of a flow.
///
/// # Errors
///
/// [`Outcome::NoBackend`]: nobody is in rotation. [`Outcome::ResetSent`]: the
/// flow's backend is out, and the client is to be told by a reset.
#[inline(always)]
pub fn choose<A: Addresses, T: Tables>(
    flow: &Flow<A>,
    service: &Service,
    tables: &T,
    role: Role,
) -> Result<Choice, Outcome> {
    let flags = service.flags.get();
    let hash = flow.hash(tables.control(), service);
    let slot = slot_of(tables, service, hash);
    let is_settled = slot::is_settled(slot) && flags & service::TRACK_ALL == 0;
    if is_settled || flags & service::TRACK_NONE != 0 {
        return given(slot::current(slot), transport::opens(flow.tcp_flags));
    }
    let at_risk = AtRisk {
        flow,
        service,
        tables,
        slot,
        opens: flags & service::CLIENT == 0 && transport::opens(flow.tcp_flags),
        track: Track::of(tables, hash),
    };
    at_risk.choose(role)
}

#[inline(always)]
fn given(destination: u16, is_new: bool) -> Result<Choice, Outcome> {
    if destination == 0 {
        return Err(Outcome::NoBackend);
    }
    Ok(Choice::new(destination, is_new))
}

/// The slot of `hash`.
#[inline(always)]
fn slot_of<T: Tables>(tables: &T, service: &Service, hash: u64) -> u32 {
    let [_, high] = halves(hash >> 8);
    let index = high & service.slot_mask.get();
    tables
        .slot(service.first_slot.get().wrapping_add(index))
        .get()
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "takes the hash apart")]
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// A flow whose entry, if it has one, decides.
struct AtRisk<'a, A, T> {
    flow: &'a Flow<A>,
    service: &'a Service,
    tables: &'a T,
    slot: u32,
    /// The packet opens a TCP connection of its own.
    opens: bool,
    track: Track<'a>,
}

impl<A: Addresses, T: Tables> AtRisk<'_, A, T> {
    #[inline(always)]
    fn choose(&self, role: Role) -> Result<Choice, Outcome> {
        let mut is_anew = self.opens;
        if let Some(known) = self.track.find() {
            let number = known.destination();
            let entry = self.tables.destination(number);
            if belongs(entry, self.service) {
                if !is_in(entry) {
                    self.reset(entry, role)?;
                    // The former owner of its slot never had this flow.
                    is_anew = true;
                } else if !(self.opens && self.track.is_stale(&known)) {
                    if role == Role::Own {
                        self.track.refresh(&known);
                    }
                    return given(number, self.opens_another());
                }
            }
        }
        let wanted = if is_anew {
            self.wanted()
        } else {
            self.without_entry(role)?
        };
        if wanted == 0 {
            return Err(Outcome::NoBackend);
        }
        if role == Role::About || self.track.enter(self.tables, wanted) {
            return given(wanted, true);
        }
        let without = self.without_entry(Role::About)?;
        let choice = given(without, true)?;
        self.tables.counter(without).untracked.add(1);
        Ok(choice)
    }

    /// A client with affinity opens one more connection: all of them are one
    /// flow, so a SYN does not show that it is the first.
    #[inline(always)]
    fn opens_another(&self) -> bool {
        self.service.flags.get() & service::CLIENT != 0 && transport::opens(self.flow.tcp_flags)
    }

    /// Who gets a new connection.
    #[inline(always)]
    fn wanted(&self) -> u16 {
        if self.service.flags.get() & service::RANDOM != 0 && self.opens {
            let hash = self.flow.roll(self.tables.control());
            slot::current(slot_of(self.tables, self.service, hash))
        } else {
            slot::current(self.slot)
        }
    }

    /// Where a packet goes whose flow has no entry: to the slot's former owner
    /// as long as that is there. When that is out, the client is told; but not
    /// where flows find no room, since a connection of the current owner has no
    /// entry there either.
    #[inline(always)]
    fn without_entry(&self, role: Role) -> Result<u16, Outcome> {
        let previous = slot::previous(self.slot);
        if previous != 0 {
            let entry = self.tables.destination(previous);
            if belongs(entry, self.service) {
                if is_in(entry) {
                    return Ok(previous);
                }
                if self.track.has_room() {
                    self.reset(entry, role)?;
                }
            }
        }
        Ok(slot::current(self.slot))
    }

    /// Ends the way of an established connection whose backend is out, if its
    /// client is to be told.
    #[inline(always)]
    fn reset(&self, out: &Destination, role: Role) -> Result<(), Outcome> {
        let flags = out.flags.get() & (destination::OUT | destination::RESET);
        let told = flags == destination::OUT | destination::RESET;
        let is_established =
            self.flow.protocol == Protocol::TCP.0 && !transport::opens(self.flow.tcp_flags);
        if told && is_established && role == Role::Own {
            return Err(Outcome::ResetSent);
        }
        Ok(())
    }
}

/// Whether `destination` is of `service`. An entry of another one is that of
/// a flow whose tag is by accident the same.
#[inline(always)]
fn belongs(destination: &Destination, service: &Service) -> bool {
    destination.service.get() == service.id.get()
}

/// Whether flows may go there: it names a backend, and that is not out.
#[inline(always)]
fn is_in(destination: &Destination) -> bool {
    destination.flags.get() & (destination::LIVE | destination::OUT) == destination::LIVE
}
