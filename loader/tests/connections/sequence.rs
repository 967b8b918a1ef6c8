//! A sequence of anything that can happen, in any order.

use super::EPOCH;
use super::control::Control;
use super::dice::Dice;
use super::flow::Kind;
use super::site::{BACKENDS, Backend};
use super::world::World;
use dsrload::model::{Affinity, Manner, OnDead, Policy, State, Tracking};
use xdp_prog::track::REUSE_EPOCHS;

impl<C: Control> World<'_, C> {
    /// Plays all of it. The error says which promise was broken.
    pub fn play(&mut self) -> Result<(), String> {
        self.load()?;
        let steps = self.dice.pick(&[30, 80, 150]);
        for _ in 0..steps {
            self.step()?;
        }
        self.finish()
    }

    fn step(&mut self) -> Result<(), String> {
        match self.dice.below(100) {
            0..=61 => self.packets(12),
            62..=71 => {
                let seconds = self.duration();
                self.pass(seconds);
                Ok(())
            }
            72..=86 => self.change(),
            87..=95 => {
                for at in self.up.clone() {
                    if self.dice.chance(80) {
                        self.settle(at)?;
                    }
                }
                Ok(())
            }
            96..=97 => self.lose_or_restore(),
            _ => self.reload(),
        }
    }

    /// Some packets of any flows; of some flows more than of others.
    fn packets(&mut self, most: usize) -> Result<(), String> {
        for _ in 0..self.dice.below(most + 1) {
            let flows = self.flows.len();
            let index = self.dice.below(flows).min(self.dice.below(flows));
            let kind = self.kind(index);
            self.send(index, kind)?;
        }
        Ok(())
    }

    /// What a flow sends next.
    fn kind(&mut self, index: usize) -> Kind {
        let flow = &self.flows[index];
        let is_opened = self.service(flow).is_opened(flow.protocol);
        let epochs = self.epoch(self.now) - self.epoch(flow.last);
        let is_young = flow.last > 0 && epochs < u64::from(REUSE_EPOCHS);
        match (flow.owed, self.dice.below(20)) {
            (Some(_), 0..=1) => Kind::Error,
            (Some(_), 2..=5) if is_opened && !flow.is_established && is_young => Kind::Again,
            (Some(_), 6..=7) if is_opened && flow.is_established => Kind::Close,
            (Some(_), _) => Kind::Data,
            // The client does not know yet that its connection is over.
            (None, 0..=3) if flow.is_over && is_opened => Kind::Data,
            // It does not take a port again at once. Hardly ever.
            (None, 4..=18) if is_young && is_opened => Kind::Close,
            (None, _) => Kind::Open,
        }
    }

    fn duration(&mut self) -> u64 {
        let longest = self.dice.pick(&[3, 3, 8, 8, 40, 40, 90, 400, 1500]);
        1 + self.dice.below(longest) as u64
    }

    /// A change, made on one balancer after the other while packets flow.
    fn change(&mut self) -> Result<(), String> {
        let service = self.dice.below(self.services.len());
        let only = self.vary(service);
        let name = format!("{:?}", self.services[service]);
        self.note(|| name);
        self.roll_out(service, only)
    }

    fn roll_out(&mut self, service: usize, only: Option<u8>) -> Result<(), String> {
        let mut order = self.up.clone();
        self.dice.shuffle(&mut order);
        for at in order {
            if !self.up.contains(&at) {
                continue;
            }
            let owners = |world: &Self| {
                let balancer = &world.balancers[at];
                balancer.owners(&balancer.services[service])
            };
            let before = owners(self);
            self.apply(at, true)?;
            let moved = before.iter().zip(&owners(self)).any(|(old, new)| {
                let is_healthy = *old != only && *new != only;
                only.is_some() && is_healthy && old != new && old.is_some() && new.is_some()
            });
            if moved {
                return Err(format!("slots of healthy backends moved with {only:?}"));
            }
            self.packets(4)?;
            if self.up.len() > 1 && self.dice.chance(3) {
                self.lose_or_restore()?;
            }
            if self.dice.chance(20) {
                let seconds = self.duration().min(20);
                self.pass(seconds);
            }
        }
        Ok(())
    }

    /// Changes what is wanted of a service. The backend whose state alone
    /// changes, if that is all.
    fn vary(&mut self, number: usize) -> Option<u8> {
        let dice = &mut self.dice;
        let service = &mut self.services[number];
        let count = service.backends.len();
        let which = dice.below(count);
        let backend = &mut service.backends[which];
        match dice.below(20) {
            0..=1 if count < BACKENDS => {
                let has = |n: &u8| service.backends.iter().all(|b| b.number != *n);
                let free: Vec<u8> = (0..8).filter(has).collect();
                service.backends.push(Backend {
                    number: dice.pick(&free),
                    weight: dice.pick(&[0, 1, 1, 2]),
                    state: dice.pick(&[State::Ready, State::Ready, State::Drain]),
                });
                None
            }
            2..=3 if count > 1 => {
                service.backends.remove(which);
                None
            }
            4..=5 => {
                backend.weight = dice.pick(&[0, 1, 1, 2, 5]);
                None
            }
            6 => {
                service.manner.on_dead = dice.pick(&[OnDead::Rehash, OnDead::Reset, OnDead::Hold]);
                None
            }
            7 => {
                vary_manner(&mut service.manner, dice);
                None
            }
            8..=11 => {
                backend.state = State::Ready;
                Some(backend.number)
            }
            12..=14 => {
                backend.state = State::Drain;
                Some(backend.number)
            }
            15..=16 => {
                backend.state = State::Maint;
                Some(backend.number)
            }
            _ => {
                backend.state = State::Down;
                Some(backend.number)
            }
        }
    }

    /// The same config once more, in another order.
    fn reload(&mut self) -> Result<(), String> {
        for at in self.up.clone() {
            let unsettled = self.balancers[at].unsettled();
            let moved = self.apply(at, false)?;
            if moved != 0 || self.balancers[at].unsettled() != unsettled {
                return Err(format!("the same config moved {moved} slots"));
            }
        }
        Ok(())
    }

    fn lose_or_restore(&mut self) -> Result<(), String> {
        let lost = (0..self.balancers.len()).find(|at| !self.up.contains(at));
        match lost {
            Some(at) if self.dice.chance(60) => self.restore(at),
            _ if self.up.len() > 1 => {
                let at = self.dice.pick(&self.up.clone());
                self.lose(at);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// All backends come back, all slots settle, and then a balancer is lost.
    fn finish(&mut self) -> Result<(), String> {
        for number in 0..self.services.len() {
            for backend in &mut self.services[number].backends {
                backend.state = State::Ready;
                backend.weight = backend.weight.max(1);
            }
        }
        for at in self.up.clone() {
            self.apply(at, true)?;
        }
        // Entries that were idle for nearly 256 epochs, or a multiple of that,
        // look young for a while.
        for _ in 0..64 {
            let more = self.dice.below(256) as u64 * EPOCH;
            self.pass(self.patience.idle + more);
            for at in self.up.clone() {
                self.settle(at)?;
            }
            if self
                .up
                .iter()
                .all(|&at| self.balancers[at].unsettled() == 0)
            {
                break;
            }
        }
        for at in self.up.clone() {
            let left = self.balancers[at].unsettled();
            if left != 0 {
                return Err(format!("{left} slots of balancer {at} never settle"));
            }
        }
        for _ in 0..4 {
            self.packets(30)?;
        }
        if self.up.len() > 1 {
            let at = self.dice.pick(&self.up.clone());
            self.lose(at);
        }
        for index in 0..self.flows.len() {
            let kind = self.kind(index);
            self.send(index, kind)?;
        }
        for &at in &self.up {
            self.balancers[at].check_counters()?;
        }
        Ok(())
    }
}

/// Another policy, or another tracking.
fn vary_manner(manner: &mut Manner, dice: &mut Dice) {
    let all = [Tracking::Changed, Tracking::All, Tracking::None];
    let is_plain = manner.tracking == Tracking::All && manner.affinity == Affinity::Flow;
    if manner.policy == Policy::Random {
        // Its flows may be anywhere, whatever is remembered from now on.
        manner.policy = Policy::Maglev;
        manner.tracking = dice.pick(&all);
    } else if is_plain && dice.chance(40) {
        manner.policy = Policy::Random;
    } else {
        manner.tracking = dice.pick(&all);
    }
}
