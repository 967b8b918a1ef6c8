//! What a service's slots hold: who owns them, and what a change makes of them.

use super::maglev::{self, Candidate};
use super::rendezvous;
use xdp_prog::abi::state::slot::{self, current, is_settled, previous};

/// What a backend of a service is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It gets new flows.
    Ready,
    /// It keeps its flows and gets no new ones.
    Drain,
    /// It is out at once: the operator says so.
    Maint,
    /// It is out at once: it does not answer.
    Down,
}

/// A backend that is configured for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Number of its destination, 1 to 32,767.
    pub number: u16,
    /// Its name and weight, by which it gets slots.
    pub candidate: Candidate,
    /// What it is to do.
    pub state: State,
}

/// The owner's number for each of `slots` slots (a power of two); 0 if nobody
/// is ready and has weight.
///
/// A [Maglev table](maglev) of all members, whatever their states, in which the
/// slots of those that are not ready are [shared out](patch) among those that
/// are.
#[must_use]
pub fn owners(members: &[Member], slots: u32) -> Vec<u16> {
    let candidates: Vec<Candidate> = members.iter().map(|m| m.candidate).collect();
    let table = maglev::table(&candidates, slots);
    if table.is_empty() {
        return vec![0; slots as usize];
    }
    patch(&table, members)
}

/// The same from the [Maglev table](maglev::table) of the members, which does
/// not change with their states: only slots of members that are not ready
/// change hands, and go back when they return.
#[must_use]
pub fn patch(table: &[u16], members: &[Member]) -> Vec<u16> {
    let is_ready = |member: &&Member| member.state == State::Ready;
    let ready: Vec<&Member> = members.iter().filter(is_ready).collect();
    let candidates: Vec<Candidate> = ready.iter().map(|m| m.candidate).collect();
    let owner = |(slot, &index): (u32, &u16)| {
        let owner = members.get(usize::from(index)).filter(is_ready);
        let stand_in = || rendezvous::owner(slot, &candidates).map(|index| ready[index]);
        owner.or_else(stand_in).map_or(0, |member| member.number)
    };
    (0..).zip(table).map(owner).collect()
}

/// What becomes of the flows of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// They go on: it is ready, draining, or held although it is down.
    Stays,
    /// It is out, and their clients are told by a reset.
    Told,
    /// It is out, or is no more; they are balanced anew.
    Gone,
}

/// A change of a service's slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What the slots hold then.
    pub words: Vec<u32>,
    /// How many get another owner.
    pub moved: usize,
}

/// What the slots hold after a change: `owners` get the new flows.
///
/// * A settled slot that gets another owner becomes unsettled, and its former
///   owner is the previous one.
/// * In an unsettled slot the previous owner remains. All flows since then are
///   in the flow table; only those that have sent nothing since are not, and
///   they are the previous owner's. So a slot also remains unsettled when it
///   goes back to its previous owner: flows of the owner in between are in the
///   table.
/// * A previous owner whose flows are balanced anew counts as none.
#[must_use]
pub fn transition(old: &[u32], owners: &[u16], fate: impl Fn(u16) -> Fate) -> Transition {
    let word = |(&old, &owner): (&u32, &u16)| {
        if is_settled(old) && current(old) == owner {
            return old;
        }
        let before = previous(old);
        let is_there = before != 0 && fate(before) != Fate::Gone;
        slot::unsettled(owner, if is_there { before } else { 0 })
    };
    let has_moved = |&(&old, &owner): &(&u32, &u16)| current(old) != owner;
    Transition {
        words: old.iter().zip(owners).map(word).collect(),
        moved: old.iter().zip(owners).filter(has_moved).count(),
    }
}

/// The same slots, unsettled: the flow table is asked again.
///
/// Where every flow was in the flow table (tracking `all`), settled slots may
/// have flows of any backend. They have to become unsettled before only flows
/// at risk are looked up.
#[must_use]
pub fn unsettle(words: &[u32]) -> Vec<u32> {
    let unsettle = |&word: &u32| {
        if is_settled(word) {
            slot::unsettled(current(word), current(word))
        } else {
            word
        }
    };
    words.iter().map(unsettle).collect()
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
