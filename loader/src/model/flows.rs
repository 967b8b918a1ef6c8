//! What the flow table tells of flows: how many a destination has, and where the
//! packets of one go.

use super::sweep::Clock;
use xdp_prog::abi::limits::DESTINATIONS;
use xdp_prog::abi::state::{service, slot};
use xdp_prog::track::entry::Entry;

/// The entries of one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All of them.
    pub flows: usize,
    /// Those whose last packet that left a trace came lately.
    pub live: usize,
    /// Epochs since the youngest left one; none without entries.
    pub youngest: Option<u8>,
}

/// Counts entries by the number of their destination.
#[must_use]
pub fn census(entries: impl Iterator<Item = Entry>, clock: Clock) -> Vec<Census> {
    let mut counted = vec![Census::default(); DESTINATIONS as usize];
    for entry in entries.filter(|entry| !entry.is_free()) {
        let Some(census) = counted.get_mut(usize::from(entry.destination())) else {
            continue;
        };
        let age = clock.age(entry);
        census.flows += 1;
        census.live += usize::from(clock.is_live(entry));
        census.youngest = Some(census.youngest.map_or(age, |youngest| youngest.min(age)));
    }
    counted
}

/// Why a flow's packets go where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its slot says so: the flow table is not asked.
    Slot,
    /// Its entry says so.
    Entry,
    /// It has no entry that counts, so it was established before its slot last
    /// changed hands.
    FormerOwner,
    /// It has none either, and its slot has no former owner, or none any more.
    Owner,
}

impl Reason {
    /// The word that reports use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Slot => "slot",
            Self::Entry => "entry",
            Self::FormerOwner => "former owner",
            Self::Owner => "owner",
        }
    }
}

/// What decides about a flow.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// What its slot holds.
    pub slot: u32,
    /// Bits of [`service`].
    pub flags: u16,
    /// The destination that its entry names.
    pub entry: Option<u16>,
}

impl Ground {
    /// Whether packets of the flow leave a trace in the flow table.
    #[must_use]
    pub fn is_traced(&self) -> bool {
        let asks = !slot::is_settled(self.slot) || self.flags & service::TRACK_ALL != 0;
        asks && self.flags & service::TRACK_NONE == 0
    }

    /// Where the next packet of the flow goes, if it opens no connection; 0 for
    /// nowhere. `state` tells of a destination whether it is of the flow's
    /// service, and whether it is out.
    #[must_use]
    pub fn course(&self, state: impl Fn(u16) -> Standing) -> (u16, Reason) {
        let owner = slot::current(self.slot);
        if !self.is_traced() {
            return (owner, Reason::Slot);
        }
        match self.entry.map(|entry| (entry, state(entry))) {
            Some((entry, Standing::In)) => return (entry, Reason::Entry),
            // The former owner never had this flow.
            Some((_, Standing::Out)) => return (owner, Reason::Owner),
            Some((_, Standing::Foreign)) | None => {}
        }
        let former = slot::previous(self.slot);
        if ![0, owner].contains(&former) && state(former) == Standing::In {
            return (former, Reason::FormerOwner);
        }
        (owner, Reason::Owner)
    }
}

/// What a destination is to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its flows go there.
    In,
    /// It is out: its flows are balanced anew, or ended.
    Out,
    /// It is of another service.
    Foreign,
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { now: 10, idle: 3 };

    #[test]
    fn entries_are_counted_by_destination_and_by_age() {
        let entries = [
            Entry::new(1, 10, 5),
            Entry::new(2, 8, 5),
            Entry::new(3, 7, 5),
            Entry::new(4, 1, 6),
            // A packet after the clock was read.
            Entry::new(5, 11, 7),
            Entry(0),
        ];
        let counted = census(entries.into_iter(), CLOCK);
        let of = |n: usize| (counted[n].flows, counted[n].live, counted[n].youngest);
        assert_eq!(of(5), (3, 2, Some(0)));
        assert_eq!(of(6), (1, 0, Some(9)));
        assert_eq!(of(7), (1, 1, Some(0)));
        assert_eq!(of(0), (0, 0, None));
    }

    fn standing(number: u16) -> Standing {
        match number {
            1 | 2 => Standing::In,
            3 => Standing::Out,
            _ => Standing::Foreign,
        }
    }

    fn course(slot: u32, entry: Option<u16>) -> (u16, Reason) {
        let flags = 0;
        Ground { slot, flags, entry }.course(standing)
    }

    #[test]
    fn a_flow_goes_where_the_program_sends_it() {
        let unsettled = slot::unsettled(1, 2);
        assert_eq!(course(slot::settled(1), Some(2)), (1, Reason::Slot));
        assert_eq!(course(unsettled, Some(1)), (1, Reason::Entry));
        assert_eq!(course(unsettled, None), (2, Reason::FormerOwner));
        assert_eq!(course(unsettled, Some(9)), (2, Reason::FormerOwner));
        assert_eq!(course(unsettled, Some(3)), (1, Reason::Owner));
        assert_eq!(course(slot::unsettled(1, 3), None), (1, Reason::Owner));
        assert_eq!(course(slot::unsettled(1, 0), None), (1, Reason::Owner));
    }

    #[test]
    fn a_service_that_tracks_all_or_nothing_does_so_in_every_slot() {
        let with = |flags, slot| Ground {
            slot,
            flags,
            entry: Some(2),
        };
        let (settled, unsettled) = (slot::settled(1), slot::unsettled(1, 2));
        let all = with(service::TRACK_ALL, settled);
        assert_eq!(all.course(standing), (2, Reason::Entry));
        let without = Ground { entry: None, ..all };
        assert_eq!(without.course(standing), (1, Reason::Owner));
        let none = with(service::TRACK_NONE, unsettled);
        assert_eq!(none.course(standing), (1, Reason::Slot));
    }
}
