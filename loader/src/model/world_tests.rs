//! A balancer in a nutshell: one service, its slots, its flow table that never
//! evicts, and clients who remember where their flows were. All that is known
//! of packets is in [`World::packet`].

use crate::model::slots::{Fate, transition};
use crate::model::sweep::{Clock, Flows, Service, sweep};
use std::cell::{Cell, RefCell};
use xdp_prog::abi::state::slot::{current, is_settled, previous, settled};
use xdp_prog::track::REUSE_EPOCHS;
use xdp_prog::track::entry::{Entry, FREE};

/// Moments in one epoch.
pub const EPOCH: u64 = 4;

/// Numbers without end, the same for the same seed.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: usize) -> usize {
        // Marsaglia's xorshift (2003), all but its weakest bits.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % limit as u64).expect("below a usize")
    }
}

/// What a client knows of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Who answered last; 0 before the first packet, and after a reset.
    pub backend: u16,
    /// When.
    pub last: u64,
    /// That one has been there ever since.
    pub is_owed: bool,
}

/// The promises that hold for the flows.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// First packets show that they are.
    pub is_tcp: bool,
    /// [`Clock::idle`].
    pub idle: u8,
    /// For how long after a change silent flows are waited for.
    pub window: u64,
    /// A flow that was silent for less long never moves.
    pub silence: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: u64,
    pub words: Vec<u32>,
    /// When they last changed.
    pub changed: u64,
    /// What becomes of the flows of each destination; that of 0 is not used.
    pub fates: Vec<Fate>,
    pub flows: Vec<Flow>,
    /// The flow table: a place for each flow.
    pub entries: Vec<u64>,
}

impl World {
    pub fn new(slots: usize, destinations: usize, flows: usize) -> Self {
        let silent = Flow {
            backend: 0,
            last: 0,
            is_owed: false,
        };
        Self {
            now: 1000 * EPOCH,
            words: vec![settled(1); slots],
            changed: 0,
            fates: vec![Fate::Stays; destinations + 1],
            flows: vec![silent; flows],
            entries: vec![FREE.0; flows],
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "epochs count modulo 256")]
    pub fn epoch(&self) -> u8 {
        (self.now / EPOCH) as u8
    }

    fn slot(&self, flow: usize) -> usize {
        flow % self.words.len()
    }

    /// Where a packet goes by the rules of the datapath; 0: a reset, or nobody.
    fn packet(&mut self, rules: Rules, flow: usize, is_syn: bool) -> u16 {
        let word = self.words[self.slot(flow)];
        if is_settled(word) {
            return current(word);
        }
        let entry = Entry(self.entries[flow]);
        let is_told = |fate| fate == Fate::Told && rules.is_tcp && !is_syn;
        let mut is_new = is_syn;
        if !entry.is_free() {
            let fate = self.fates[usize::from(entry.destination())];
            if is_told(fate) {
                return 0;
            }
            let is_stale = is_syn && entry.age(self.epoch()) >= REUSE_EPOCHS;
            if fate == Fate::Stays && !is_stale {
                return self.enter(flow, entry.destination());
            }
            is_new |= fate != Fate::Stays;
        }
        let before = previous(word);
        let mut without = current(word);
        if before != 0 {
            match self.fates[usize::from(before)] {
                Fate::Stays => without = before,
                fate if is_told(fate) => return 0,
                _ => {}
            }
        }
        match if is_new { current(word) } else { without } {
            0 => 0,
            wanted => self.enter(flow, wanted),
        }
    }

    fn enter(&mut self, flow: usize, destination: u16) -> u16 {
        let tag = (self.slot(flow) as u64) << 16 | flow as u64;
        self.entries[flow] = Entry::new(tag, self.epoch(), destination).0;
        destination
    }

    /// A packet of a flow. It panics if the flow's backend has been there all
    /// the time, and does not get it.
    pub fn send(&mut self, rules: Rules, flow: usize) {
        let before = self.flows[flow];
        let silence = self.now - before.last;
        let to = self.packet(rules, flow, false);
        if before.is_owed && silence < rules.silence {
            assert_eq!(
                to, before.backend,
                "flow {flow}, silent for {silence}: {self:?}"
            );
        }
        self.answered(flow, to);
    }

    /// A new connection from a flow's address and port, which have been silent
    /// for long enough to be used again. Without TCP, any packet.
    pub fn open(&mut self, rules: Rules, flow: usize) {
        let before = self.flows[flow];
        let reuse = u64::from(REUSE_EPOCHS) * EPOCH;
        if !rules.is_tcp || before.backend != 0 && self.now - before.last < reuse {
            return self.send(rules, flow);
        }
        let to = self.packet(rules, flow, true);
        self.answered(flow, to);
    }

    fn answered(&mut self, flow: usize, backend: u16) {
        self.flows[flow] = Flow {
            backend,
            last: self.now,
            is_owed: backend != 0 && self.fates[usize::from(backend)] == Fate::Stays,
        };
    }

    /// A change of who is there, and who owns each slot.
    pub fn change(&mut self, fates: &[Fate], owners: &[u16]) {
        self.fates = fates.to_vec();
        for flow in &mut self.flows {
            flow.is_owed &= fates[usize::from(flow.backend)] == Fate::Stays;
        }
        let new = transition(&self.words, owners, |number| fates[usize::from(number)]);
        if new.words != self.words {
            self.words = new.words;
            self.changed = self.now;
        }
    }

    /// A sweep by a clock that is `late`, with packets of random flows under
    /// way if there are `dice`.
    pub fn sweep(&mut self, rules: Rules, late: u8, dice: Option<Dice>) {
        let words = self.words.clone();
        let service = Service {
            id: 7,
            words: &words,
            is_window_over: self.now - self.changed >= rules.window,
        };
        let clock = Clock {
            now: self.epoch().wrapping_sub(late),
            idle: rules.idle,
        };
        let fates = self.fates.clone();
        let live = Live {
            world: RefCell::new(self),
            rules,
            dice: Cell::new(dice),
        };
        let changes = sweep(&[service], &live, clock, |number| {
            Some((7, fates[usize::from(number)]))
        });
        for change in changes {
            self.words[change.slot] = change.word;
        }
    }
}

/// The flow table while packets arrive.
struct Live<'a> {
    world: RefCell<&'a mut World>,
    rules: Rules,
    dice: Cell<Option<Dice>>,
}

impl Live<'_> {
    fn disturb(&self) {
        if let Some(mut dice) = self.dice.take() {
            if dice.below(4) == 0 {
                let mut world = self.world.borrow_mut();
                let flow = dice.below(world.flows.len());
                world.open(self.rules, flow);
            }
            self.dice.set(Some(dice));
        }
    }
}

impl Flows for Live<'_> {
    fn places(&self) -> usize {
        self.world.borrow().entries.len()
    }

    fn entry(&self, place: usize) -> Entry {
        self.disturb();
        Entry(self.world.borrow().entries[place])
    }

    fn forget(&self, place: usize, entry: Entry) -> bool {
        self.disturb();
        let stands = &mut self.world.borrow_mut().entries[place];
        let is_same = *stands == entry.0;
        if is_same {
            *stands = FREE.0;
        }
        is_same
    }
}
