//! Who takes a slot whose owner is out: weighted rendezvous hashing (Thaler and
//! Ravishankar, 1998; with weights as in Schindelhauer and Schomaker, 2005).
//!
//! Each candidate waits for each slot, a time drawn by hash from the exponential
//! distribution with its weight as rate; the slot goes to who waits least. So
//! each gets slots in proportion to its weight, whoever leaves gives up its own
//! slots alone, whoever comes takes its share from all, and the order of the
//! candidates does not matter.
//!
//! Integers alone: every balancer comes to the same result, whatever its
//! processor, compiler or mathematical library.

use super::maglev::{Candidate, WEIGHT_MAX};

/// The candidate that takes `slot`; `None` if none has weight.
#[must_use]
pub fn owner(slot: u32, candidates: &[Candidate]) -> Option<usize> {
    let salt = mix(u64::from(slot));
    let mut first: Option<Bid> = None;
    for (index, candidate) in candidates.iter().enumerate() {
        let word = mix(candidate.name ^ salt);
        let weight = u64::from(candidate.weight.min(WEIGHT_MAX));
        if weight == 0 || first.is_some_and(|first| first.beats_for_sure(word, weight)) {
            continue;
        }
        let bid = Bid {
            wait: wait(word),
            weight,
            name: candidate.name,
            index,
        };
        if first.is_none_or(|first| bid.beats(&first)) {
            first = Some(bid);
        }
    }
    first.map(|bid| bid.index)
}

/// How long one candidate waits for one slot: `wait / weight`.
#[derive(Clone, Copy)]
struct Bid {
    wait: u64,
    weight: u64,
    name: u64,
    index: usize,
}

impl Bid {
    fn beats(&self, other: &Self) -> bool {
        // Fractions are compared by cross-multiplication: 38 bits by 16. No
        // rounding, hence the same order for everybody.
        (self.wait * other.weight, self.name) < (other.wait * self.weight, other.name)
    }

    /// Spares most candidates the logarithm: -ln(1 - u) is at least u.
    fn beats_for_sure(&self, word: u64, weight: u64) -> bool {
        let least = (word >> 32).saturating_sub(WAIT_ERROR);
        self.wait * weight < least * self.weight
    }
}

/// [`wait`] may be too small by this much at most.
pub(super) const WAIT_ERROR: u64 = 16;

/// Turns a uniformly distributed word into an exponentially distributed time:
/// -ln(1 - word / 2^64), in units of 2^-32. At most 38 bits.
#[must_use]
pub(super) fn wait(word: u64) -> u64 {
    const LN_2: u64 = 2_977_044_472;
    const ONE: u64 = 1 << 32;
    // artanh(z) / z = 1 + z^2 / 3 + z^4 / 5 + ...: what is left out is below
    // 2^-25 of the result.
    const SERIES: [u64; 7] = [ONE / 13, ONE / 11, ONE / 9, ONE / 7, ONE / 5, ONE / 3, ONE];
    // 1 - u = part / 2^zeros, with part from 1/2 to 1 (64 bits of fraction).
    let rest = !word | 1;
    let zeros = rest.leading_zeros();
    let part = rest << zeros;
    // -ln(part) = 2 artanh(z) with z = (1 - part) / (1 + part), at most 1/3;
    // 33 bits of fraction.
    let z = part.wrapping_neg() / ((1 << 31) + (part >> 33));
    let square = (z * z) >> 34;
    let series = SERIES
        .iter()
        .fold(0, |sum, term| term + ((square * sum) >> 32));
    u64::from(zeros) * LN_2 + ((z * series) >> 32)
}

/// `splitmix64`'s finisher (Steele, Lea, Flood, 2014).
pub(super) fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// The lower half of a word, and the upper one.
#[expect(clippy::cast_possible_truncation, reason = "takes a word apart")]
pub(super) fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

#[cfg(test)]
#[path = "rendezvous_tests.rs"]
mod tests;
