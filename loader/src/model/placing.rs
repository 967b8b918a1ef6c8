//! The numbers and slots that services and backends are given.

use super::identity::{candidate, number};
use super::placement::{
    Failing, Loaded, PlacedDestination, PlacedService, Wanted, WantedService, fate, flags,
};
use super::prefix::Prefix;
use super::role::roles;
use super::service::{Manner, ServiceAddress, Tracking};
use super::slots::{self, Fate, Member, State, owners};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use xdp_prog::abi::limits;
use xdp_prog::abi::state::slot;

/// The work in progress.
pub struct Placing<'a> {
    loaded: &'a Loaded,
    /// The services that are loaded, by each of their addresses: which one.
    before: BTreeMap<ServiceAddress, usize>,
    /// The destinations that are loaded, by service and own address.
    backends: BTreeMap<(u16, IpAddr), &'a PlacedDestination>,
    /// As in [`Wanted`].
    failing: &'a Failing,
    /// Loaded services that go on.
    continued: BTreeSet<u16>,
    /// Slots that a new service is given.
    share: u32,
    ids: BTreeSet<u16>,
    lists: Numbers,
    numbers: Numbers,
    taken: BTreeMap<u32, u32>,
    /// The last gap that was found: how long it had to be, and where it ends now.
    last_gap: (u32, u32),
    /// Services, as far as they are placed.
    pub services: Vec<PlacedService>,
    /// Their destinations.
    pub destinations: Vec<PlacedDestination>,
    /// Slots to write.
    pub slots: Vec<(u32, Vec<u32>)>,
    /// Slots that get another owner, by service.
    pub moved: BTreeMap<u16, usize>,
    /// Services whose flows are to be forgotten.
    pub forgotten: BTreeSet<u16>,
}

impl<'a> Placing<'a> {
    /// Nothing is placed yet; what is loaded keeps its place.
    pub fn new(loaded: &'a Loaded, wanted: &'a Wanted) -> Self {
        Self {
            loaded,
            before: (0..)
                .zip(&loaded.services)
                .flat_map(|(index, s)| s.addresses.iter().map(move |&a| (a, index)))
                .collect(),
            backends: loaded
                .destinations
                .iter()
                .map(|d| ((d.service, d.route.address), d))
                .collect(),
            failing: &wanted.failing,
            continued: BTreeSet::new(),
            share: share(loaded.slots, wanted.services.len(), wanted.slots),
            ids: loaded.services.iter().map(|s| s.id).collect(),
            lists: Numbers::new(loaded.services.iter().map(|s| s.sources), u16::MAX),
            numbers: Numbers::new(
                loaded
                    .destinations
                    .iter()
                    .map(|d| d.number)
                    .chain(loaded.named.iter().copied()),
                u16::try_from(limits::DESTINATIONS - 1).unwrap_or(u16::MAX),
            ),
            taken: loaded
                .services
                .iter()
                .map(|s| (s.slots.start, s.slots.end))
                .collect(),
            last_gap: (0, 0),
            services: Vec::new(),
            destinations: Vec::new(),
            slots: Vec::new(),
            moved: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        }
    }

    /// Places one service.
    ///
    /// # Errors
    ///
    /// There is no room.
    pub fn place(&mut self, wanted: &WantedService) -> Result<(), String> {
        let before = self.former(wanted);
        let id = match before {
            Some(before) => {
                self.continued.insert(before.id);
                before.id
            }
            None => {
                let first = number(wanted.addresses.iter().min());
                let mut numbers = (first..=u16::MAX).chain(1..first);
                let id = numbers.find(|n| !self.ids.contains(n));
                let id = id.ok_or("too many services")?;
                self.ids.insert(id);
                id
            }
        };
        if let Some(before) = before {
            self.compare(before, wanted)?;
        }
        let members = self.members(wanted, id)?;
        let sources = self.list(wanted, before)?;
        let (slots, changed) = self.find_slots(wanted, before, id, &members)?;
        self.services.push(PlacedService {
            addresses: wanted.addresses.clone(),
            manner: wanted.manner.clone(),
            id,
            sources,
            slots,
            changed,
        });
        Ok(())
    }

    /// A service goes on if it has kept an address, and nobody before it in the
    /// config has taken it.
    fn former(&self, wanted: &WantedService) -> Option<&'a PlacedService> {
        let kept = wanted.addresses.iter().filter_map(|a| self.before.get(a));
        let services = kept.filter_map(|&index| Some((index, self.loaded.services.get(index)?)));
        let free = services.filter(|(_, service)| !self.continued.contains(&service.id));
        free.min_by_key(|&(index, _)| index)
            .map(|(_, service)| service)
    }

    /// What a change of its manner means for the flows of a service.
    fn compare(&mut self, before: &PlacedService, wanted: &WantedService) -> Result<(), String> {
        if before.manner.affinity != wanted.manner.affinity {
            let name = wanted.addresses.first().map(ToString::to_string);
            return Err(format!(
                "another affinity would move every connection of service {}: `dsrload --unload` first if that may be",
                name.unwrap_or_default()
            ));
        }
        if before.manner.tracking == Tracking::None && wanted.manner.tracking != Tracking::None {
            self.forgotten.insert(before.id);
        }
        Ok(())
    }

    /// The list of clients of a service: the one it has, or a new one.
    fn list(
        &mut self,
        wanted: &WantedService,
        before: Option<&PlacedService>,
    ) -> Result<u16, String> {
        let prefixes = |manner: &Manner| {
            let set = |list: &[Prefix]| list.iter().copied().collect::<BTreeSet<_>>();
            (set(&manner.allow), set(&manner.deny))
        };
        let list = prefixes(&wanted.manner);
        if list.0.is_empty() && list.1.is_empty() {
            return Ok(0);
        }
        match before.filter(|before| prefixes(&before.manner) == list) {
            Some(before) => Ok(before.sources),
            None => self
                .lists
                .take()
                .ok_or_else(|| "too many lists of clients".to_owned()),
        }
    }

    /// Numbers the backends of a service.
    fn members(&mut self, wanted: &WantedService, id: u16) -> Result<Vec<Member>, String> {
        let service = wanted.addresses.iter().min();
        let mut found = Vec::new();
        for backend in &wanted.backends {
            let address = backend.route.address;
            let before = self.backends.get(&(id, address)).copied();
            let number = match before {
                Some(before) => before.number,
                None => self.numbers.take().ok_or_else(|| {
                    format!(
                        "no number is free for backend {address}: old connections still name all"
                    )
                })?,
            };
            let kept = before.map_or(State::Ready, |before| before.state);
            let known = service.and_then(|&service| self.failing.get(&(service, address)));
            found.push(PlacedDestination {
                number,
                service: id,
                route: backend.route,
                weight: backend.weight,
                state: backend.state.unwrap_or(kept),
                is_failing: known.map_or(before.is_some_and(|b| b.is_failing), |&known| known),
                flags: 0,
            });
        }
        let roles = roles(&found, wanted.quorum, wanted.sorry);
        let members = found.iter().zip(&roles).map(|(placed, role)| Member {
            number: placed.number,
            candidate: candidate(service, placed.route.address, role.weight),
            state: role.state,
        });
        let members = members.collect();
        for (placed, role) in found.iter_mut().zip(&roles) {
            placed.flags = flags(role.state, wanted.manner.on_dead) | placed.route.flags();
        }
        self.destinations.append(&mut found);
        Ok(members)
    }

    /// The slots of a service, and when they last changed.
    fn find_slots(
        &mut self,
        wanted: &WantedService,
        before: Option<&PlacedService>,
        id: u16,
        members: &[Member],
    ) -> Result<(Range<u32>, u64), String> {
        let old = before.and_then(|before| Some((before, self.loaded.words.get(&before.id)?)));
        let Some((before, words)) = old else {
            let range = self.range(wanted, self.share)?;
            let count = range.end - range.start;
            let new = owners(members, count).into_iter().map(slot::settled);
            self.slots.push((range.start, new.collect()));
            return Ok((range, self.loaded.now));
        };
        let count = before.slots.end - before.slots.start;
        let owners = owners(members, count);
        let on_dead = wanted.manner.on_dead;
        let fates: BTreeMap<u16, Fate> = members
            .iter()
            .map(|m| (m.number, fate(flags(m.state, on_dead))))
            .collect();
        let change = slots::transition(words, &owners, |number| {
            fates.get(&number).copied().unwrap_or(Fate::Gone)
        });
        let new: Vec<u32> = if wanted.manner.tracking == Tracking::None {
            owners.iter().map(|&owner| slot::settled(owner)).collect()
        } else if before.manner.tracking == Tracking::All
            && wanted.manner.tracking == Tracking::Changed
        {
            // Flows may be anywhere: from now on the flow table is asked.
            let ask = |word| slot::unsettled(slot::current(word), slot::previous(word));
            change.words.into_iter().map(ask).collect()
        } else {
            change.words
        };
        if new == *words {
            return Ok((before.slots.clone(), before.changed));
        }
        self.moved.insert(id, change.moved);
        let range = self.exactly(wanted, count)?;
        self.slots.push((range.start, new));
        Ok((range, self.loaded.now))
    }

    /// Free slots, fewer than asked for if need be.
    fn range(&mut self, wanted: &WantedService, mut count: u32) -> Result<Range<u32>, String> {
        loop {
            match self.exactly(wanted, count) {
                Err(_) if count / 2 >= limits::SLOTS_PER_SERVICE_MIN => count /= 2,
                range => return range,
            }
        }
    }

    /// As many free slots as asked for.
    fn exactly(&mut self, wanted: &WantedService, count: u32) -> Result<Range<u32>, String> {
        let first = self.gap(count).ok_or_else(|| {
            let name = wanted.addresses.first().map(ToString::to_string);
            format!(
                "no {count} slots are free for service {}: unload and load anew with more",
                name.unwrap_or_default()
            )
        })?;
        self.taken.insert(first, first + count);
        Ok(first..first + count)
    }

    /// The first gap of `count` slots.
    fn gap(&mut self, count: u32) -> Option<u32> {
        // Nothing is given back, so what was too short a gap still is.
        let (least, end) = self.last_gap;
        let mut start = if count >= least { end } else { 0 };
        for (&first, &end) in self.taken.range(start..) {
            if first.saturating_sub(start) >= count {
                break;
            }
            start = start.max(end);
        }
        let fits = start + count <= self.loaded.slots;
        if fits {
            self.last_gap = (count, start + count);
        }
        fits.then_some(start)
    }
}

/// Slots that a new service is given, of so many services: a power of two.
///
/// Half of all slots for all services together: the other half is for the next
/// change, which needs new ones beside those in force.
#[must_use]
pub fn share(slots: u32, services: usize, wanted: u32) -> u32 {
    let share = u32::try_from(services.max(1))
        .map_or(0, |n| slots / 2 / n)
        .clamp(
            limits::SLOTS_PER_SERVICE_MIN,
            wanted.max(limits::SLOTS_PER_SERVICE_MIN),
        );
    1 << share.ilog2()
}

/// Numbers from 1 on, each of which is given out once.
struct Numbers {
    taken: BTreeSet<u16>,
    /// All before this one are taken.
    next: u16,
    last: u16,
}

impl Numbers {
    fn new(taken: impl Iterator<Item = u16>, last: u16) -> Self {
        Self {
            taken: taken.collect(),
            next: 1,
            last,
        }
    }

    /// The first one that is not taken.
    fn take(&mut self) -> Option<u16> {
        let mut numbers = self.next..=self.last;
        let number = numbers.find(|n| !self.taken.contains(n))?;
        self.taken.insert(number);
        self.next = number;
        Some(number)
    }
}
