//! When candidates come to slots: the part of the race that depends on nobody
//! else.

use crate::model::rendezvous::{WAIT_ERROR, halves, mix, wait};

/// The way of one candidate through all slots: the `rank`th one is
/// `(offset + rank * skip) ^ key`, modulo the number of slots.
pub struct Path {
    offset: u32,
    /// Odd, hence no slot comes twice before all have come.
    skip: u32,
    /// The modular inverse of `skip`.
    back: u32,
    /// Two candidates of almost the same skip would else follow each other.
    key: u32,
    /// 2^32 / weight: how long it takes from one slot to the next.
    pace: u64,
}

impl Path {
    /// The way of who is called `name`. `weight` is not 0.
    pub fn new(name: u64, weight: u64) -> Self {
        let [offset, skip] = halves(mix(name));
        let [key, _] = halves(mix(!name));
        Self {
            offset,
            skip: skip | 1,
            back: inverse(skip | 1),
            key,
            pace: (1 << 32) / weight,
        }
    }
}

/// The modular inverse of an odd number. Each step of Newton's method doubles
/// the bits that are right, of which the number itself has three.
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |inverse, _| {
        inverse.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(inverse)))
    })
}

/// The slots, and the clock. Times are in units of 2^-44.
pub struct Course {
    /// Number of slots less one.
    mask: u32,
    /// When a candidate of weight 1 comes to its first slot, its second, and so
    /// on, in units of 2^-28: exponentially distributed, and evenly spread. So
    /// each one's share of the slots is its share of the weights, and varies
    /// half as much as if it were drawn by lot.
    ticks: Vec<u64>,
    /// Up to when paths are walked.
    horizon: u64,
}

impl Course {
    /// Long enough for candidates of `total` weight, of which the heaviest has
    /// `weight`.
    pub fn new(slots: u32, weight: u64, total: u64) -> Self {
        // Where slots have had n visitors on average, 1 / e^n of them had none.
        const VISITORS: u64 = 6;
        let mut course = Self {
            mask: slots - 1,
            ticks: Vec::new(),
            horizon: (VISITORS << 44) / total,
        };
        let pace = (1 << 32) / weight;
        course.ticks = (0..slots)
            .map(|rank| wait(course.word(rank)) >> 4)
            .take_while(|tick| (tick * pace) >> 16 <= course.horizon)
            .collect();
        course
    }

    /// The middle of the `rank`th part, if all words are parted evenly among
    /// the slots.
    fn word(&self, rank: u32) -> u64 {
        (u64::from(rank) << 1 | 1) << self.mask.leading_zeros() << 31
    }

    /// The slots up to the horizon, and when it is there.
    pub fn walk<'a>(&'a self, path: &'a Path) -> Walk<'a> {
        Walk {
            course: self,
            path,
            ticks: self.ticks.iter(),
            slot: path.offset,
        }
    }

    /// The slot that comes after `rank` others.
    pub fn slot(&self, path: &Path, rank: usize) -> u32 {
        let [rank, _] = halves(rank as u64);
        (rank.wrapping_mul(path.skip).wrapping_add(path.offset) ^ path.key) & self.mask
    }

    /// When it is at `slot`.
    pub fn time(&self, path: &Path, slot: u32) -> u64 {
        ((wait(self.word_at(path, slot)) >> 4) * path.pace) >> 16
    }

    /// The same, if that is before `best`. Spares most the logarithm:
    /// -ln(1 - u) is at least u.
    pub fn time_before(&self, best: u64, path: &Path, slot: u32) -> Option<u64> {
        let least = (self.word_at(path, slot) >> 32).saturating_sub(WAIT_ERROR) >> 4;
        if (least * path.pace) >> 16 >= best {
            return None;
        }
        Some(self.time(path, slot)).filter(|&time| time < best)
    }

    fn word_at(&self, path: &Path, slot: u32) -> u64 {
        let steps = (slot ^ path.key).wrapping_sub(path.offset);
        self.word(steps.wrapping_mul(path.back) & self.mask)
    }
}

/// The way of one candidate up to the horizon.
pub struct Walk<'a> {
    course: &'a Course,
    path: &'a Path,
    ticks: std::slice::Iter<'a, u64>,
    slot: u32,
}

impl Iterator for Walk<'_> {
    /// The slot, and when it is there.
    type Item = (u32, u64);

    // A loader of a thousand services takes a million of these steps, and the
    // binary is built to be small: nothing is inlined there that need not be.
    #[inline(always)]
    fn next(&mut self) -> Option<(u32, u64)> {
        let tick = self.ticks.next()?;
        let here = (self.slot ^ self.path.key) & self.course.mask;
        self.slot = self.slot.wrapping_add(self.path.skip);
        let time = (tick * self.path.pace) >> 16;
        (time <= self.course.horizon).then_some((here, time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_comes_to_each_slot_once() {
        for bits in [0, 1, 2, 8, 12] {
            let course = Course::new(1 << bits, 1, 1);
            for name in 0..20 {
                let path = Path::new(name, 1);
                let mut slots: Vec<u32> = (0..1 << bits).map(|n| course.slot(&path, n)).collect();
                slots.sort_unstable();
                assert_eq!(slots, Vec::from_iter(0..1 << bits));
            }
        }
    }

    #[test]
    fn walking_and_asking_for_the_time_agree() {
        let course = Course::new(1 << 12, 700, 2_000);
        for (name, weight) in [(1, 1), (2, 3), (3, 700)] {
            let path = Path::new(name, weight);
            let walked: Vec<(u32, u64)> = course.walk(&path).collect();
            assert!(!walked.is_empty());
            for (rank, &(slot, time)) in walked.iter().enumerate() {
                assert_eq!(course.slot(&path, rank), slot);
                assert_eq!(course.time(&path, slot), time);
                assert_eq!(course.time_before(time, &path, slot), None);
                assert_eq!(course.time_before(time + 1, &path, slot), Some(time));
            }
        }
    }

    #[test]
    fn the_heavier_one_is_earlier() {
        let course = Course::new(1 << 10, 65_535, 65_536);
        for slot in 0..1 << 10 {
            let time = |weight| course.time(&Path::new(7, weight), slot);
            assert!(time(1) > time(2) && time(2) > time(300) && time(300) > time(65_535));
        }
    }
}
