//! Who owns a slot: a Maglev table with weights (Eisenbud et al., NSDI 2016,
//! 3.4), built so that a newcomer disturbs less.
//!
//! As in the paper, each candidate has a permutation of all slots, and a slot
//! belongs to the first one that comes to it. There, candidates take turns, and
//! who finds a slot taken goes on to its next one at once: a newcomer puts
//! everybody out of step, and at 100 candidates and 65,536 slots moves half as
//! many slots again as its share. Here nobody goes faster for that: when a
//! candidate comes to a slot depends on its name and weight alone. So a newcomer
//! takes what it comes to first, and nothing else changes.
//!
//! The shares are then right but for chance, some percent. What is out of bounds
//! is traded: first the slots whose new owner came closest behind the old one.
//! The bounds are as wide as they may be, since each trade is one that a
//! newcomer may upset.
//!
//! Integers alone, and the order of the candidates does not matter: every
//! balancer comes to the same table.

mod course;

use super::rendezvous::halves;
use course::{Course, Path};

/// The largest weight. A larger one counts as this.
pub const WEIGHT_MAX: u32 = 65_535;

/// Somebody who may own slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// A hash of the service's and the backend's identity, the same on every
    /// balancer.
    pub name: u64,
    /// Its share, against the others' weights: 0 (no slot) to [`WEIGHT_MAX`].
    pub weight: u32,
}

/// For each of `slots` slots (a power of two, at most 2^22) the index of the
/// candidate that owns it. Empty if nobody has weight.
///
/// A candidate's number of slots differs from its ideal share by a fiftieth of
/// that at most, and by 0.6 times its square root at most; but by up to one slot
/// where the share is so small. A share below one slot may come to none.
/// Candidates after the 65,535th own nothing: a destination's number has 15 bits.
#[must_use]
pub fn table(candidates: &[Candidate], slots: u32) -> Vec<u16> {
    debug_assert!(slots.is_power_of_two() && slots <= 1 << 22);
    let Some(mut race) = Race::new(candidates, slots) else {
        return Vec::new();
    };
    race.run();
    race.trade();
    let owners = race.places.iter();
    owners.map(|p| race.runners[p.runner()].index).collect()
}

/// How many slots are fair for an ideal share of `part / total` slots.
fn bounds(part: u64, total: u64) -> [u32; 2] {
    // In units of 2^-16 slots.
    let ideal = (part << 16) / total;
    let slack = (ideal / 50).min((ideal << 16).isqrt() * 3 / 5);
    let [low, _] = halves((ideal - slack).div_ceil(1 << 16).min(part / total));
    let [high, _] = halves(((ideal + slack) >> 16).max(part.div_ceil(total)));
    [low, high]
}

/// A candidate on its way through the slots.
struct Runner {
    /// Its index among the candidates.
    index: u16,
    path: Path,
    /// How many slots it is to have at least.
    low: u32,
    /// And at most.
    high: u32,
    /// How many it has.
    load: u32,
}

/// Who has a slot, and when it came there: the time in the upper 48 bits, so
/// that the smaller word is the earlier runner; then the number of the runner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Place {
    const FREE: Self = Self(u64::MAX);

    fn new(time: u64, runner: usize) -> Self {
        Self(time << 16 | runner as u64)
    }

    fn time(self) -> u64 {
        self.0 >> 16
    }

    fn runner(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// Somebody else who would take a slot. The smaller word is who came closer
/// behind the owner: how much later, 24 bits, in units of 2^-16 of the owner's
/// time; then the slot, 24 bits, and the number of the runner.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Offer(u64);

impl Offer {
    fn new(regret: u64, slot: u32, runner: usize) -> Self {
        Self(regret << 40 | u64::from(slot) << 16 | runner as u64)
    }

    fn slot(self) -> u32 {
        let [slot, _] = halves(self.0 >> 16 & 0xff_ffff);
        slot
    }

    fn runner(self) -> usize {
        (self.0 & 0xffff) as usize
    }
}

/// The making of a table.
struct Race {
    course: Course,
    /// In the order of their names.
    runners: Vec<Runner>,
    /// One for each slot.
    places: Vec<Place>,
}

impl Race {
    /// `None` if nobody has weight.
    fn new(candidates: &[Candidate], slots: u32) -> Option<Self> {
        let mut order: Vec<(u64, u64, u16)> = candidates
            .iter()
            .zip(0..u16::MAX)
            .filter(|(c, _)| c.weight > 0)
            .map(|(c, index)| (c.name, u64::from(c.weight.min(WEIGHT_MAX)), index))
            .collect();
        order.sort_unstable();
        let total = order.iter().map(|&(_, weight, _)| weight).sum();
        let heaviest = order.iter().map(|&(_, weight, _)| weight).max()?;
        let runners = order.iter().map(|&(name, weight, index)| {
            let [low, high] = bounds(u64::from(slots) * weight, total);
            Runner {
                index,
                path: Path::new(name, weight),
                low,
                high,
                load: 0,
            }
        });
        Some(Self {
            course: Course::new(slots, heaviest, total),
            runners: runners.collect(),
            places: vec![Place::FREE; slots as usize],
        })
    }

    /// Gives each slot to the first one that comes to it.
    fn run(&mut self) {
        for (number, runner) in self.runners.iter().enumerate() {
            for (slot, time) in self.course.walk(&runner.path) {
                let place = &mut self.places[slot as usize];
                *place = Place::new(time, number).min(*place);
            }
        }
        for slot in 0.. {
            match self.places.get(slot as usize) {
                Some(&Place::FREE) => self.places[slot as usize] = self.first(slot, |_| true),
                Some(_) => {}
                None => break,
            }
        }
        for place in &self.places {
            self.runners[place.runner()].load += 1;
        }
    }

    /// The first to come to `slot` of those that `may`.
    fn first(&self, slot: u32, may: impl Fn(&Runner) -> bool) -> Place {
        let mut first = Place::FREE;
        for (number, runner) in self.runners.iter().enumerate() {
            if may(runner)
                && let Some(time) = self.course.time_before(first.time(), &runner.path, slot)
            {
                first = Place::new(time, number);
            }
        }
        first
    }

    /// Trades slots until everybody has as many as is fair.
    fn trade(&mut self) {
        // How late a new owner may be, in units of 2^-16 of the old one's time.
        // Twice as late is enough, except where shares are a few slots.
        for reach in [1 << 16, 1 << 20] {
            if self.is_fair() {
                return;
            }
            for offer in self.offers(reach) {
                let owner = self.places[offer.slot() as usize].runner();
                if self.is_welcome(owner, offer.runner()) {
                    self.give(offer.slot(), offer.runner());
                }
            }
        }
        self.enforce();
    }

    fn is_fair(&self) -> bool {
        let is_fair = |runner: &Runner| (runner.low..=runner.high).contains(&runner.load);
        self.runners.iter().all(is_fair)
    }

    /// Whether a slot of `from` should rather be one of `to`.
    fn is_welcome(&self, from: usize, to: usize) -> bool {
        let (from, to) = (&self.runners[from], &self.runners[to]);
        (from.load > from.high && to.load < to.high) || (from.load > from.low && to.load < to.low)
    }

    fn give(&mut self, slot: u32, to: usize) {
        let place = &mut self.places[slot as usize];
        self.runners[place.runner()].load -= 1;
        self.runners[to].load += 1;
        *place = Place::new(self.course.time(&self.runners[to].path, slot), to);
    }

    /// Who would take slots of others, and may; those that came closest first.
    fn offers(&self, reach: u64) -> Vec<Offer> {
        let has_too_many: Vec<bool> = self.runners.iter().map(|r| r.load > r.high).collect();
        let can_spare: Vec<bool> = self.runners.iter().map(|r| r.load > r.low).collect();
        let mut offers = Vec::new();
        for (number, runner) in self.runners.iter().enumerate() {
            let gives = match runner.load {
                load if load < runner.low => &can_spare,
                load if load < runner.high => &has_too_many,
                _ => continue,
            };
            for (slot, time) in self.course.walk(&runner.path) {
                let place = self.places[slot as usize];
                if gives[place.runner()] {
                    let first = place.time().max(1);
                    let regret = (time.saturating_sub(first) << 16) / first;
                    if regret < reach {
                        offers.push(Offer::new(regret, slot, number));
                    }
                }
            }
        }
        offers.sort_unstable();
        offers
    }

    /// Trades at any price. If one has too many, another has room; if one has
    /// too few, another can spare some: all lower bounds together are at most
    /// the number of slots, all upper ones at least.
    fn enforce(&mut self) {
        for slot in 0.. {
            let Some(place) = self.places.get(slot as usize) else {
                break;
            };
            let owner = &self.runners[place.runner()];
            if owner.load > owner.high {
                let to = self.first(slot, |runner| runner.load < runner.high);
                if to != Place::FREE {
                    self.give(slot, to.runner());
                }
            }
        }
        for to in 0..self.runners.len() {
            for rank in 0..self.places.len() {
                if self.runners[to].load >= self.runners[to].low {
                    break;
                }
                let slot = self.course.slot(&self.runners[to].path, rank);
                let from = self.places[slot as usize].runner();
                if self.is_welcome(from, to) {
                    self.give(slot, to);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "maglev_tests.rs"]
mod tests;
