//! A site: its balancers, its clients, and time.

use super::EPOCH;
use super::balancer::{Balancer, Facts};
use super::control::Control;
use super::dice::Dice;
use super::flow::{Excuse, Flow, Memory};
use super::site::Service;
use super::summary::Tally;
use dsrload::commands::settle::Patience;
use dsrload::model::{Policy, Tracking};
use std::collections::HashMap;
use xdp_prog::abi::state::slot;
use xdp_prog::track::IDLE_EPOCHS;

/// Who is to get which share of a service: what its slots depend on.
type Shares = (u8, Vec<(u8, u16, bool)>);

/// The site of one sequence.
pub struct World<'a, C> {
    pub control: &'a C,
    pub balancers: &'a mut [Balancer],
    /// Which of them are up.
    pub up: Vec<usize>,
    /// What the operator wants.
    pub services: Vec<Service>,
    pub flows: Vec<Flow>,
    pub now: u64,
    pub patience: Patience,
    pub dice: Dice,
    pub tally: Tally,
    /// The owners of slots that any balancer has come to.
    owners: HashMap<Shares, Vec<Option<u8>>>,
    /// What has happened, if anybody wants to know.
    pub log: Option<Vec<String>>,
}

impl<'a, C: Control> World<'a, C> {
    /// Any site. Its balancers are not loaded yet.
    pub fn any(
        control: &'a C,
        balancers: &'a mut [Balancer],
        mut dice: Dice,
        is_told: bool,
    ) -> Self {
        let services: Vec<Service> = (0..)
            .take(1 + dice.below(3))
            .map(|number| Service::any(number, &mut dice))
            .collect();
        let flows = dice.pick(&[20, 60, 200]);
        let mut world = Self {
            control,
            up: (0..balancers.len()).collect(),
            balancers,
            flows: Vec::new(),
            now: 10_000 + dice.below(100) as u64,
            patience: Patience {
                idle: dice.pick(&[60, 300]),
                window: dice.pick(&[10, 30]),
            },
            tally: Tally::default(),
            owners: HashMap::new(),
            log: is_told.then(Vec::new),
            services,
            dice,
        };
        for number in 0..flows {
            let service = world.dice.below(world.services.len());
            let mut flow = Flow::new(number, &world.services[service], &mut world.dice);
            flow.at = world.way(number);
            world.flows.push(flow);
        }
        let services = format!("{:?}", world.services);
        world.note(|| services);
        world
    }

    /// Loads all balancers alike.
    pub fn load(&mut self) -> Result<(), String> {
        let site = format!("site {}", self.dice.next());
        for balancer in &mut *self.balancers {
            balancer.reset(&site);
        }
        for at in self.up.clone() {
            self.apply(at, true)?;
        }
        Ok(())
    }

    /// Notes what happens, if anybody wants to know.
    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(format!("{}: {}", self.now, what()));
        }
    }

    pub fn epoch(&self, time: u64) -> u64 {
        time / EPOCH
    }

    /// The service of a flow, as its balancer knows it.
    pub fn service(&self, flow: &Flow) -> &Service {
        &self.balancers[flow.at].services[usize::from(flow.service)]
    }

    /// Time passes.
    pub fn pass(&mut self, seconds: u64) {
        let epochs = self.epoch(self.now + seconds) - self.epoch(self.now);
        self.now += seconds;
        for &at in &self.up {
            self.balancers[at].age(epochs);
        }
        self.note(|| format!("{seconds} seconds have passed"));
    }

    /// Tells one balancer what is wanted now. How many slots moved.
    pub fn apply(&mut self, at: usize, says_states: bool) -> Result<usize, String> {
        let balancer = &mut self.balancers[at];
        let mut services = self.services.clone();
        if !says_states {
            self.dice.shuffle(&mut services);
            for service in &mut services {
                self.dice.shuffle(&mut service.backends);
            }
        }
        let moved = balancer.apply(self.control, &services, says_states, self.now)?;
        balancer.services.sort_by_key(|s| s.number);
        self.tally.changes += 1;
        self.bury();
        self.release(at);
        self.compare(at)?;
        self.note(|| format!("balancer {at} has it, {moved} slots moved"));
        Ok(moved)
    }

    /// Connections end with their backends: when the first balancer hears of it.
    fn bury(&mut self) {
        for flow in &mut self.flows {
            let Some(backend) = flow.owed else { continue };
            let number = usize::from(flow.service);
            let mut views = self.up.iter().map(|&at| &self.balancers[at].services);
            let is_out = |s: &Vec<Service>| s.get(number).is_some_and(|s| !s.keeps(backend));
            if !self.services[number].keeps(backend) && views.any(is_out) {
                flow.owed = None;
                flow.is_over = true;
            }
        }
    }

    /// Nothing is promised to the flows of a service that remembers none: they
    /// go where their slots say.
    fn release(&mut self, at: usize) {
        for (index, facts) in self.look(at) {
            let flow = &self.flows[index];
            if self.service(flow).manner.tracking != Tracking::None {
                continue;
            }
            let owner = self.balancers[at].backend(slot::current(facts.word));
            self.balancers[at].evicted.remove(&facts.tag);
            let flow = &mut self.flows[index];
            flow.memory.without_room = None;
            flow.memory.given_up = None;
            flow.memory.was_settled = true;
            if flow.owed != owner {
                flow.owed = None;
                flow.is_over = true;
                self.tally.unpromised += 1;
            }
        }
    }

    /// The same shares make the same table: on each balancer, and again after a
    /// failure and a return.
    fn compare(&mut self, at: usize) -> Result<(), String> {
        let balancer = &self.balancers[at];
        for service in &balancer.services {
            let share = |b: &super::site::Backend| (b.number, b.weight, b.is_eligible());
            let mut shares: Vec<_> = service.backends.iter().map(share).collect();
            shares.sort_unstable();
            let owners = balancer.owners(service);
            let known = self
                .owners
                .entry((service.number, shares))
                .or_insert_with(|| owners.clone());
            if *known != owners {
                let number = service.number;
                return Err(format!(
                    "service {number} has another table on balancer {at}"
                ));
            }
        }
        Ok(())
    }

    /// A sweep of one balancer.
    pub fn settle(&mut self, at: usize) -> Result<(), String> {
        let before = self.look(at);
        self.balancers[at].settle(self.control, self.now, self.patience)?;
        for (index, before) in before {
            let after = self.facts(index);
            self.flows[index].memory.was_settled |= slot::is_settled(after.word);
            let flow = &self.flows[index];
            let silence = self.now - flow.last;
            let service = self.service(flow);
            let (wait, kind) = if service.has_window() {
                (self.patience.window, Excuse::Window)
            } else {
                (self.patience.idle, Excuse::Idle)
            };
            let is_noted = flow.memory.is_noted;
            let is_given_up = before.without != after.without;
            let limit = match (&before.entry, &after.entry) {
                // Its entry would say if it had been heard of.
                (Some(_), None) if is_noted => self.patience.idle,
                (Some(_), None) => wait,
                (None, None) if is_given_up => wait,
                // Its entry is older than its last packet, and alone now.
                (Some(_), Some(_)) if is_given_up && !is_noted => wait,
                _ => continue,
            };
            let memory = &mut self.flows[index].memory;
            memory.without_room = None;
            if silence >= limit {
                memory.given_up = Some(kind);
            }
        }
        self.tally.sweeps += 1;
        let left = self.balancers[at].unsettled();
        self.note(|| format!("balancer {at} is swept, {left} slots are unsettled"));
        Ok(())
    }

    /// What this balancer knows of the living connections that go to it.
    fn look(&self, at: usize) -> Vec<(usize, Facts)> {
        let is_its_own = |&index: &usize| {
            let flow = &self.flows[index];
            flow.at == at && flow.owed.is_some()
        };
        let flows = (0..self.flows.len()).filter(is_its_own);
        flows.map(|index| (index, self.facts(index))).collect()
    }

    fn facts(&self, index: usize) -> Facts {
        let flow = &self.flows[index];
        self.facts_at(index, flow.at)
    }

    fn facts_at(&self, index: usize, at: usize) -> Facts {
        let flow = &self.flows[index];
        let service = &self.balancers[at].services[usize::from(flow.service)];
        self.balancers[at].facts(&flow.any_segment(service))
    }

    /// The balancer that routers send a flow to: rendezvous, so that the others
    /// keep theirs when one is lost.
    fn way(&self, number: u16) -> usize {
        let claim = |at: &usize| Dice::new(u64::from(number), *at as u64).next();
        let best = self.up.iter().copied().max_by_key(claim);
        best.expect("one is up")
    }

    /// A balancer is lost, and all that it knew.
    pub fn lose(&mut self, at: usize) {
        self.up.retain(|&up| up != at);
        self.note(|| format!("balancer {at} is lost"));
        self.tally.losses += 1;
        self.reroute();
    }

    /// It comes back, with the config that is wanted now.
    pub fn restore(&mut self, at: usize) -> Result<(), String> {
        let site = self.balancers[self.up[0]].site.clone();
        self.balancers[at].reset(&site);
        for flow in &mut self.flows {
            flow.went[at] = None;
        }
        self.apply(at, true)?;
        self.up.push(at);
        self.up.sort_unstable();
        self.note(|| format!("balancer {at} is back"));
        self.reroute();
        Ok(())
    }

    fn reroute(&mut self) {
        for index in 0..self.flows.len() {
            let (from, to) = (self.flows[index].at, self.way(self.flows[index].number));
            if from != to {
                let moved = self.moved(index, from, to);
                let flow = &mut self.flows[index];
                self.tally.moved += u64::from(flow.owed.is_some());
                let is_safe = flow.owed.is_some() && moved.is_none();
                self.tally.moved_safely += u64::from(is_safe);
                flow.at = to;
                flow.memory = Memory {
                    moved: flow.memory.moved.or(moved),
                    given_up: flow.memory.given_up,
                    is_guest: true,
                    was_settled: moved.is_none(),
                    ..Memory::default()
                };
            }
        }
        self.bury();
    }

    /// Whether another flow has taken the place of this one, which was idle.
    pub fn is_evicted(&self, flow: &Flow, facts: &Facts) -> bool {
        let epochs = self.epoch(self.now) - self.epoch(flow.last);
        let age = self.balancers[flow.at].evicted.get(&facts.tag);
        age.is_some_and(|&age| age >= IDLE_EPOCHS) && epochs >= u64::from(IDLE_EPOCHS)
    }

    /// Whether the design excuses a flow that moves now.
    fn moved(&mut self, index: usize, from: usize, to: usize) -> Option<Excuse> {
        let backend = self.flows[index].owed?;
        let facts = [from, to].map(|at| (at, self.facts_at(index, at)));
        self.balancers[to].evicted.remove(&facts[1].1.tag);
        if self.is_evicted(&self.flows[index], &facts[0].1) {
            return Some(Excuse::Evicted);
        }
        let then = self.flows[index].memory.without_room;
        if then.is_some_and(|then| then != facts[0].1.without) {
            return Some(Excuse::NoRoom);
        }
        let current = facts.each_ref().map(|(at, facts)| {
            let owner = slot::current(facts.word);
            self.balancers[*at].backend(owner)
        });
        if facts.iter().any(|(_, f)| !slot::is_settled(f.word)) || current[0] != current[1] {
            // Unsettled on one of them, or only one has heard of a change.
            return Some(Excuse::Moved);
        }
        let named = facts.each_ref().map(|(at, facts)| {
            let entry = facts.entry?;
            self.balancers[*at].backend(entry.destination())
        });
        let service = self.service(&self.flows[index]);
        let remembers = service.manner.tracking == Tracking::All;
        let others = [current[0], named[1]].into_iter().flatten();
        let is_elsewhere = others.into_iter().any(|other| other != backend);
        let flow = &self.flows[index];
        let is_rolled = service.manner.policy == Policy::Random && !flow.is_established;
        if is_rolled && !flow.is_chosen {
            return Some(Excuse::MovedRandom);
        }
        let was_known = current[0] == Some(backend) || named[0] == Some(backend);
        (remembers && was_known && is_elsewhere).then_some(Excuse::MovedRandom)
    }
}
