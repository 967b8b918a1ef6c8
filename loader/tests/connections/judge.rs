//! Each packet, and whether it went where it had to.

use super::balancer::{Facts, Went};
use super::control::Control;
use super::flow::{Excuse, Flow, Kind, Memory};
use super::world::World;
use dsrload::model::{OnDead, Policy};
use xdp_prog::abi::state::slot;
use xdp_prog::track::entry::Entry;
use xdp_prog::track::{IDLE_EPOCHS, REUSE_EPOCHS};

/// A packet that was sent.
struct Sent {
    kind: Kind,
    before: Facts,
    after: Facts,
    went: Went,
    found_no_room: bool,
}

impl<C: Control> World<'_, C> {
    /// Sends a packet of a flow, and judges where it went.
    ///
    /// The error says which promise was broken.
    pub fn send(&mut self, index: usize, kind: Kind) -> Result<(), String> {
        if kind == Kind::Open {
            let sequence = self.dice.next().to_le_bytes();
            let [a, b, c, d, ..] = sequence;
            self.flows[index].sequence = u32::from_le_bytes([a, b, c, d]);
        }
        let flow = &self.flows[index];
        let at = flow.at;
        let balancer = &mut self.balancers[at];
        let service = &balancer.services[usize::from(flow.service)];
        let segment = flow.segment(service, kind, &mut self.dice);
        let frame = if kind == Kind::Error {
            segment.error()
        } else {
            segment.frame()
        };
        let before = balancer.facts(&segment);
        let (went, found_no_room) = balancer.send(&frame)?;
        let after = balancer.facts(&segment);
        let sent = Sent {
            kind,
            before,
            after,
            went,
            found_no_room,
        };
        self.note(|| format!("flow {index} {segment:?}\n    at {at}: {sent}"));
        self.tally.packets += 1;
        let flow = &self.flows[index];
        self.check_any(flow, &sent)?;
        if kind == Kind::Open {
            self.open(index, &sent)?;
        } else if let Some(backend) = flow.owed {
            self.tally.living += 1;
            self.go_on(index, backend, &sent)?;
        }
        if kind != Kind::Error {
            self.remember(index, &sent);
        }
        Ok(())
    }

    /// What holds for every packet.
    fn check_any(&self, flow: &Flow, sent: &Sent) -> Result<(), String> {
        let service = self.service(flow);
        match sent.went {
            Went::To(number, _) if number != flow.service => {
                return Err(format!(
                    "a packet of service {} {:?}",
                    flow.service, sent.went
                ));
            }
            Went::To(_, backend) if !service.keeps(backend) => {
                return Err(format!("a packet to backend {backend}, which is out"));
            }
            Went::Back if service.manner.on_dead != OnDead::Reset => {
                return Err("a reset by a service that sends none".to_owned());
            }
            _ => {}
        }
        let without = sent.before.without.map(|b| Went::To(flow.service, b));
        if sent.found_no_room && without != Some(sent.went) {
            return Err(format!(
                "a packet without room {:?}, its next ones {without:?}",
                sent.went
            ));
        }
        if sent.kind == Kind::Error && sent.before.bucket != sent.after.bucket {
            return Err("an ICMP error changed the flow table".to_owned());
        }
        Ok(())
    }

    /// The first packet of a connection: it goes to a backend that gets new
    /// ones, if there is one.
    fn open(&mut self, index: usize, sent: &Sent) -> Result<(), String> {
        let flow = &self.flows[index];
        let service = self.service(flow);
        let Went::To(_, backend) = sent.went else {
            if service.has_eligible() {
                return Err(format!("a new connection {:?}", sent.went));
            }
            return Ok(());
        };
        let is_eligible = |b: &super::site::Backend| b.is_eligible();
        if !service.backend(backend).is_some_and(is_eligible) {
            let known = self.entry_names(flow, &sent.before, backend);
            let is_without = sent.before.without == Some(backend);
            let count = if service.is_opened(flow.protocol) {
                let is_young = |e: &Entry| e.age(0) < REUSE_EPOCHS;
                if known && sent.before.entry.as_ref().is_some_and(is_young) {
                    &mut self.tally.young
                } else if sent.found_no_room && is_without {
                    &mut self.tally.crowded
                } else {
                    return Err(format!(
                        "a new connection to backend {backend}, out of rotation"
                    ));
                }
            } else if known || is_without && !slot::is_settled(sent.before.word) {
                &mut self.tally.known
            } else {
                return Err(format!("a new flow to backend {backend}, out of rotation"));
            };
            *count += 1;
        }
        self.tally.connections += 1;
        let is_young = |e: Entry| e.age(0) < REUSE_EPOCHS;
        let was_known = sent.before.entry.is_some_and(is_young);
        let flow = &mut self.flows[index];
        flow.changes = self.tally.changes;
        flow.is_chosen = !was_known && !sent.found_no_room;
        flow.owed = Some(backend);
        flow.is_over = false;
        flow.is_established = false;
        Ok(())
    }

    /// Whether there is an entry from when this flow went to that backend.
    fn entry_names(&self, flow: &Flow, facts: &Facts, backend: u8) -> bool {
        let balancer = &self.balancers[flow.at];
        let named = facts.entry.and_then(|e| balancer.backend(e.destination()));
        named == Some(backend) && flow.went[flow.at] == Some(backend)
    }

    /// A packet of a living connection: it goes to the connection's backend.
    fn go_on(&mut self, index: usize, backend: u8, sent: &Sent) -> Result<(), String> {
        let flow = &self.flows[index];
        let is_right = sent.went == Went::To(flow.service, backend);
        match sent.kind {
            Kind::Again => self.tally.again += 1,
            Kind::Error => self.tally.errors += 1,
            _ => {}
        }
        if !is_right {
            let flow = &self.flows[index];
            let excuse = self.excuse(flow, sent).ok_or_else(|| {
                let silence = self.now - flow.last;
                format!(
                    "flow {index}, silent for {silence} seconds: {:?} instead of backend {backend}",
                    sent.went
                )
            })?;
            if sent.kind == Kind::Error {
                self.tally.stray_errors += 1;
                return Ok(());
            }
            self.tally.excuse(excuse);
        }
        let is_opened = self
            .service(&self.flows[index])
            .is_opened(self.flows[index].protocol);
        let flow = &mut self.flows[index];
        flow.is_established |= matches!(sent.kind, Kind::Data | Kind::Close);
        match sent.went {
            _ if is_right && sent.kind != Kind::Close => {}
            // Without connections the flow goes on, with another backend.
            Went::To(_, other) if !is_opened && sent.kind != Kind::Close => flow.owed = Some(other),
            _ => {
                flow.owed = None;
                flow.is_over = true;
            }
        }
        Ok(())
    }

    /// What the design says of a flow that went elsewhere, if there are facts
    /// for it.
    fn excuse(&self, flow: &Flow, sent: &Sent) -> Option<Excuse> {
        let memory = &flow.memory;
        if let Some(known) = memory.given_up.or(memory.moved) {
            return Some(known);
        }
        if self.is_evicted(flow, &sent.before) {
            return Some(Excuse::Evicted);
        }
        let is_unsettled = !slot::is_settled(sent.before.word);
        let is_old = |e: Entry| e.age(0) >= REUSE_EPOCHS;
        let is_unknown = is_unsettled && sent.before.entry.is_none_or(is_old);
        if sent.kind == Kind::Again && memory.was_settled && is_unknown {
            return Some(Excuse::HalfOpen);
        }
        // Its SYN is balanced anew there. The owners are others now.
        let is_random = self.service(flow).manner.policy == Policy::Random;
        let is_again = sent.kind == Kind::Again && memory.is_guest && is_random;
        if is_again && flow.changes != self.tally.changes {
            return Some(Excuse::MovedRandom);
        }
        // It was sent where its slot said, and its slot says something else. Or
        // it looks like another now: like one that opens a connection, or one of
        // the former owner, which is out.
        let then = memory.without_room?;
        let is_told = sent.went == Went::Back && has_room(&sent.before);
        let is_new = sent.after.entry.is_some() || sent.went == Went::Nowhere;
        let finds_room = sent.kind == Kind::Again && is_new || is_told;
        (then != sent.before.without || finds_room).then_some(Excuse::NoRoom)
    }

    /// What the next packet is judged by.
    fn remember(&mut self, index: usize, sent: &Sent) {
        let flow = &mut self.flows[index];
        flow.last = self.now;
        if let Went::To(_, backend) = sent.went {
            flow.went[flow.at] = Some(backend);
        }
        flow.memory = Memory {
            without_room: sent.found_no_room.then_some(sent.before.without),
            was_settled: slot::is_settled(sent.before.word),
            is_noted: sent.after.entry.is_some_and(|e| e.age(0) == 0),
            ..Memory::default()
        };
        let evicted = &mut self.balancers[flow.at].evicted;
        evicted.remove(&sent.before.tag);
        let entries = |facts: &Facts| facts.bucket.map(Entry);
        for (old, new) in entries(&sent.before).into_iter().zip(entries(&sent.after)) {
            if !old.is_free() && old.tag() != new.tag() {
                evicted.insert(old.tag(), old.age(0));
            }
        }
    }
}

/// Whether a flow can be entered in a bucket.
fn has_room(facts: &Facts) -> bool {
    let is_room = |e: Entry| e.is_free() || e.age(0) >= IDLE_EPOCHS;
    facts.bucket.into_iter().map(Entry).any(is_room)
}

impl std::fmt::Display for Sent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |w: u32| {
            let mark = if slot::is_settled(w) {
                ""
            } else {
                "unsettled "
            };
            let (current, previous) = (slot::current(w), slot::previous(w));
            format!("{mark}{current}/{previous}")
        };
        let entry = |e: Option<Entry>| e.map(|e| (e.destination(), e.age(0)));
        write!(
            out,
            "{:?} {:?}{}, slot {}, entry {:?} then {:?}",
            self.kind,
            self.went,
            if self.found_no_room { ", no room" } else { "" },
            word(self.before.word),
            entry(self.before.entry),
            entry(self.after.entry),
        )
    }
}
