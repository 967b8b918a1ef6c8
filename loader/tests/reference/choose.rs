//! Who gets a packet: slot, flow table, and what is remembered.

use super::answer;
use super::fault::Fault;
use super::flows::{IDLE, REUSE};
use super::hash::{Flow, Hash};
use super::wire::{Packet, TCP};
use super::world::{Count, Slot, State, Tracking, World};

/// A flow of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Its service.
    pub service: u16,
    /// Its hash.
    pub hash: Hash,
}

/// A segment or datagram on its way to a service.
pub struct Own<'a> {
    /// The packet that it is in.
    pub packet: &'a Packet,
    /// Its flow.
    pub flow: Flow,
    /// Its flags; none of a datagram.
    pub flags: u8,
    /// Its sequence number, if it is a segment.
    pub sequence: [u8; 4],
}

/// Who gets a packet.
pub enum Choice {
    /// This destination.
    To(u16),
    /// Nobody: its backend is out, and its client is told.
    Reset,
    /// Nobody: there is no backend.
    Nobody,
}

impl World {
    /// The service that a flow is for.
    pub fn service_of(&self, flow: &Flow) -> Option<u16> {
        let port = u16::from_be_bytes(flow.vip_port);
        self.service_at(flow.vip, flow.protocol, port)
    }

    /// The hash that a service knows a flow by.
    pub fn hash(&self, flow: &Flow, service: u16) -> Hash {
        match self.services[&service].affinity {
            Some(bits) => Hash::of_client(flow.client, bits, service, &self.keys),
            None => Hash::of_flow(flow, &self.keys),
        }
    }

    /// The slot of a hash.
    fn slot(&self, service: u16, hash: Hash) -> Slot {
        let slots = &self.services[&service].slots;
        slots[hash.slot(slots.len())]
    }

    /// Whether flows of a slot are remembered.
    fn remembers(&self, service: u16, slot: Slot) -> bool {
        match self.services[&service].tracking {
            Tracking::None => false,
            Tracking::All => true,
            Tracking::Changed => slot.unsettled,
        }
    }

    /// The destination in the flow's entry, and the entry's age. What names a
    /// destination of another service is another flow's.
    fn known(&self, service: u16, hash: Hash) -> Option<(u16, u8)> {
        let entry = self.flows.find(hash)?;
        let owner = self.destinations.get(&entry.destination)?.service;
        let follows = owner == service || self.errs(Fault::ForeignEntryIsFollowed);
        follows.then(|| (entry.destination, self.flows.age(&entry)))
    }

    fn is_live(&self, destination: u16) -> bool {
        self.state(destination) == State::Live
    }

    /// Who has the flows of a slot that are not in the flow table: who had
    /// them before it changed.
    fn owner_of_unknown(slot: Slot) -> Option<u16> {
        if slot.unsettled {
            slot.previous
        } else {
            slot.current
        }
    }

    /// Where flows go that are not in the flow table: to their owner, if that
    /// one is there.
    fn without_entry(&self, slot: Slot) -> Option<u16> {
        let former = Self::owner_of_unknown(slot);
        former.filter(|one| self.is_live(*one)).or(slot.current)
    }

    /// What a flow's fate depends on, for people.
    pub fn explain(&self, about: About) -> String {
        let bucket = self.flows.bucket(about.hash.bucket(self.flows.buckets));
        let own = bucket
            .iter()
            .flatten()
            .filter(|e| e.tag == about.hash.tag());
        let all = self.destinations.iter();
        let of_service = all.filter(|(_, d)| d.service == about.service);
        let states = of_service.map(|(number, d)| (number, d.state));
        format!(
            "{:?}, entries {:?}, destinations {:?}",
            self.slot(about.service, about.hash),
            own.collect::<Vec<_>>(),
            states.collect::<Vec<_>>(),
        )
    }

    /// Who gets a packet of a service. What is to be remembered is.
    pub fn choose(&mut self, own: &Own, service: u16, hash: Hash) -> Choice {
        let slot = self.slot(service, hash);
        let opens = own.flow.protocol == TCP && answer::opens(own.flags, self.fault);
        if !self.remembers(service, slot) {
            return self.send(own.packet, slot.current, opens);
        }
        // A client's affinity outlives its connections.
        let has_affinity = self.services[&service].affinity.is_some();
        let begins = opens && (!has_affinity || self.errs(Fault::AffinityEnds));
        let known = self.known(service, hash);
        if let Some((destination, age)) = known
            && self.is_live(destination)
        {
            let is_reused = begins && age >= REUSE && !self.errs(Fault::NoPortIsReused);
            if !is_reused {
                self.flows.enter(hash, destination, IDLE);
                let again = self.errs(Fault::RetransmissionCounts);
                return self.send(
                    own.packet,
                    Some(destination),
                    opens && (has_affinity || again),
                );
            }
        }
        // From here on nobody has the flow, or somebody who is not there.
        let owner = match known {
            Some((destination, _)) => Some(destination),
            None => Self::owner_of_unknown(slot),
        };
        // Without room, flows of the present owner are not known either.
        let is_its_own = known.is_some()
            || self.flows.room(hash, IDLE).is_some()
            || self.errs(Fault::FullTellsAll);
        let is_told = is_its_own && owner.is_some_and(|one| self.state(one) == State::OutTold);
        if is_told && !opens && own.flow.protocol == TCP {
            return Choice::Reset;
        }
        let chosen = if begins && self.services[&service].is_random {
            let is_blind = self.errs(Fault::RollIgnoresSequence);
            let sequence = if is_blind { [0; 4] } else { own.sequence };
            let roll = Hash::of_connection(&own.flow, sequence, &self.keys);
            self.slot(service, roll).current
        } else if begins || known.is_some() && !self.errs(Fault::FormerOwnerTakesAll) {
            slot.current
        } else {
            self.without_entry(slot)
        };
        match chosen {
            Some(chosen) => self.remember(own.packet, hash, slot, chosen, opens),
            None => Choice::Nobody,
        }
    }

    /// Enters a flow, and sends its packet there. Without room it goes where
    /// all of its packets will go.
    fn remember(
        &mut self,
        packet: &Packet,
        hash: Hash,
        slot: Slot,
        chosen: u16,
        opens: bool,
    ) -> Choice {
        let is_early = self.errs(Fault::LiveEntryMakesRoom);
        let idle = if is_early { IDLE - 1 } else { IDLE };
        if self.flows.enter(hash, chosen, idle) {
            return self.send(packet, Some(chosen), opens);
        }
        let destination = if self.errs(Fault::FullGoesToCurrent) {
            slot.current
        } else {
            self.without_entry(slot)
        };
        if let Some(destination) = destination
            && !self.errs(Fault::UntrackedIsNotCounted)
        {
            self.count(destination).untracked += 1;
        }
        self.send(packet, destination, opens)
    }

    fn send(&mut self, packet: &Packet, destination: Option<u16>, opens: bool) -> Choice {
        let Some(destination) = destination else {
            return Choice::Nobody;
        };
        // What cannot be sent opens nothing.
        let is_sent = self.obstacle(packet, destination).is_none();
        if opens && (is_sent || self.errs(Fault::NoWayOutOpens)) {
            self.count(destination).connections += 1;
        }
        Choice::To(destination)
    }

    /// The counters of a destination.
    pub fn count(&mut self, destination: u16) -> &mut Count {
        let destination = self.destinations.get_mut(&destination);
        &mut destination.expect("slots name destinations").count
    }

    /// Where a flow's next packet would go, were it no SYN and not reset.
    pub fn owner(&self, service: u16, hash: Hash) -> Option<u16> {
        let slot = self.slot(service, hash);
        if !self.remembers(service, slot) {
            return slot.current;
        }
        match self.known(service, hash) {
            Some((destination, _)) if self.is_live(destination) => Some(destination),
            Some(_) => slot.current,
            None => self.without_entry(slot),
        }
    }
}
