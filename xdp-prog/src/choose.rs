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

mod risk;

use crate::abi::state::{destination, service, slot};
use crate::abi::{Destination, Outcome, Service};
use crate::packet::ipv4::Protocol;
use crate::packet::transport;
use crate::select::{self, Addresses, Flow};
use crate::tables::Tables;
use crate::track::Track;
pub use risk::Risk;

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

/// The backend of a flow. `sequence` is the sequence number of its packet, as on
/// the wire, which is asked for where a connection is opened at random.
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
    sequence: impl Fn() -> u32,
) -> Result<Choice, Outcome> {
    match settled(flow, service, service.flags.get(), tables, role, sequence) {
        Ok(found) => given(found.destination, transport::opens(flow.tcp_flags)),
        Err(risk) => tables.choose_at_risk(&risk),
    }
}

/// Where a packet goes, and by which hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The destination's number; 0 if nobody is in rotation.
    pub destination: u16,
    /// The flow's [stirred](Flow::stirred) hash; 0 with affinity, where that is
    /// the client's.
    pub stirred: u64,
}

/// The destination of a flow that needs no look into the flow table. `flags` are
/// the service's.
///
/// # Errors
///
/// What [`choose_at_risk`] takes, if the flow may have an entry.
#[inline(always)]
pub fn settled<A: Addresses, T: Tables>(
    flow: &Flow<A>,
    service: &Service,
    flags: u16,
    tables: &T,
    role: Role,
    sequence: impl Fn() -> u32,
) -> Result<Found, Risk> {
    let stirred = flow.stirred(tables.control(), service, flags);
    let slot = slot_of(tables, service, stirred);
    let is_settled = slot::is_settled(slot) && flags & service::TRACK_ALL == 0;
    if is_settled || flags & service::TRACK_NONE != 0 {
        return Ok(Found {
            destination: slot::current(slot),
            stirred: of_flow(stirred, flags),
        });
    }
    let opens = flags & service::CLIENT == 0 && transport::opens(flow.tcp_flags);
    let anew = if flags & service::RANDOM != 0 && opens {
        let hash = select::roll(select::finish(stirred), sequence(), tables.control());
        slot::current(slot_of(tables, service, hash))
    } else {
        slot::current(slot)
    };
    Err(Risk {
        hash: select::finish(stirred),
        slot,
        service: service.id.get(),
        flags,
        anew,
        protocol: flow.protocol,
        tcp_flags: flow.tcp_flags,
        role,
    })
}

#[inline(always)]
const fn of_flow(stirred: u64, flags: u16) -> u64 {
    if flags & service::CLIENT != 0 {
        0
    } else {
        stirred
    }
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

/// The backend of a flow whose entry, if it has one, decides.
///
/// # Errors
///
/// Those of [`choose`].
#[inline(always)]
pub fn choose_at_risk<T: Tables>(tables: &T, risk: &Risk) -> Result<Choice, Outcome> {
    let at_risk = AtRisk {
        risk,
        tables,
        track: Track::of(tables, risk.hash),
    };
    at_risk.choose()
}

/// What is found at one glance at the flow table: the entry of a flow stands
/// where it prefers to, its last packet came in this epoch, its backend is in,
/// and the packet opens nothing. As [`choose_at_risk`] would find it; `None` if
/// that has to look.
#[inline(always)]
pub fn glance<T: Tables>(tables: &T, risk: &Risk) -> Option<Found> {
    let destination = Track::of(tables, risk.hash).glance()?;
    let entry = tables.destination(destination);
    let is_good = !risk.opens_connection() && risk.is_for(entry) && is_in(entry);
    is_good.then_some(Found {
        destination,
        // To finish it twice is to take that back.
        stirred: of_flow(select::finish(risk.hash), risk.flags),
    })
}

/// What [`choose_at_risk`] gives, in one word.
#[inline(always)]
#[must_use]
pub const fn answer(chosen: &Result<Choice, Outcome>) -> u64 {
    match chosen {
        Ok(choice) => choice.word() as u64,
        Err(Outcome::ResetSent) => RESET,
        Err(_) => NOBODY,
    }
}

/// What such a word says.
///
/// # Errors
///
/// Those of [`choose`].
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
pub const fn answered(word: u64) -> Result<Choice, Outcome> {
    match word {
        NOBODY => Err(Outcome::NoBackend),
        RESET => Err(Outcome::ResetSent),
        choice => Ok(Choice::of_word(choice as u32)),
    }
}

/// No [`Choice`], since none names destination 0.
const NOBODY: u64 = 0;
/// The same, of a new flow.
const RESET: u64 = Choice::NEW as u64;

struct AtRisk<'a, T> {
    risk: &'a Risk,
    tables: &'a T,
    track: Track<'a>,
}

impl<T: Tables> AtRisk<'_, T> {
    #[inline(always)]
    fn choose(&self) -> Result<Choice, Outcome> {
        let risk = self.risk;
        let mut is_anew = risk.opens();
        if let Some(known) = self.track.find() {
            let number = known.destination();
            let entry = self.tables.destination(number);
            if self.risk.is_for(entry) {
                if !is_in(entry) {
                    self.reset(entry, risk.role)?;
                    // The former owner of its slot never had this flow.
                    is_anew = true;
                } else if !(risk.opens() && self.track.is_stale(&known)) {
                    if risk.role == Role::Own {
                        self.track.refresh(&known);
                    }
                    return given(number, risk.opens_another());
                }
            }
        }
        let wanted = if is_anew {
            risk.anew
        } else {
            self.without_entry(risk.role)?
        };
        if wanted == 0 {
            return Err(Outcome::NoBackend);
        }
        if risk.role == Role::About || self.track.enter(self.tables, wanted) {
            return given(wanted, true);
        }
        let without = self.without_entry(Role::About)?;
        let choice = given(without, true)?;
        self.tables.counter(without).untracked.add(1);
        Ok(choice)
    }

    /// Where a packet goes whose flow has no entry: to the slot's former owner
    /// as long as that is there. When that is out, the client is told; but not
    /// where flows find no room, since a connection of the current owner has no
    /// entry there either.
    #[inline(always)]
    fn without_entry(&self, role: Role) -> Result<u16, Outcome> {
        let previous = slot::previous(self.risk.slot);
        if previous != 0 {
            let entry = self.tables.destination(previous);
            if self.risk.is_for(entry) {
                if is_in(entry) {
                    return Ok(previous);
                }
                if self.track.has_room() {
                    self.reset(entry, role)?;
                }
            }
        }
        Ok(slot::current(self.risk.slot))
    }

    /// Ends the way of an established connection whose backend is out, if its
    /// client is to be told.
    #[inline(always)]
    fn reset(&self, out: &Destination, role: Role) -> Result<(), Outcome> {
        let flags = out.flags.get() & (destination::OUT | destination::RESET);
        let told = flags == destination::OUT | destination::RESET;
        let is_established =
            self.risk.protocol == Protocol::TCP.0 && !transport::opens(self.risk.tcp_flags);
        if told && is_established && role == Role::Own {
            return Err(Outcome::ResetSent);
        }
        Ok(())
    }
}

/// Whether flows may go there: it names a backend, and that is not out.
#[inline(always)]
fn is_in(destination: &Destination) -> bool {
    destination.flags.get() & (destination::LIVE | destination::OUT) == destination::LIVE
}
