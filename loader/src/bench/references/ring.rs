//! Who has which place of a ring: Maglev's table as in the paper (Eisenbud et
//! al., NSDI 2016, 3.4), for backends of equal weight.
//!
//! Each backend has a permutation of all places and takes, in turn, the next of
//! them that is free. A step is coprime to every number of places below it,
//! because that is a prime.

use xdp_prog::abi::bench::reference::RING;

/// For each place the backend that has it, below `backends`. Another `seed`
/// makes another ring. Empty if there is no backend.
pub fn ring(seed: u64, backends: u32) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    if backends == 0 {
        return Vec::new();
    }
    let mut walks: Vec<Walk> = (0..backends).map(|n| Walk::new(seed, n)).collect();
    let mut ring = vec![FREE; RING as usize];
    let mut left = RING;
    while left > 0 {
        for (walk, backend) in walks.iter_mut().zip(0..) {
            while let Some(place) = ring.get_mut(walk.step())
                && left > 0
            {
                if *place == FREE {
                    *place = backend;
                    left -= 1;
                    break;
                }
            }
        }
    }
    ring
}

/// The way of one backend over all places.
struct Walk {
    next: u64,
    step: u64,
}

impl Walk {
    fn new(seed: u64, backend: u32) -> Self {
        let word = scattered(seed ^ scattered(backend.into()));
        Self {
            next: (word >> 32) % u64::from(RING),
            step: (word & 0xffff_ffff) % u64::from(RING - 1) + 1,
        }
    }

    /// Where it is, before it goes on.
    fn step(&mut self) -> usize {
        let now = self.next;
        self.next = (now + self.step) % u64::from(RING);
        // Below `RING`.
        usize::try_from(now).unwrap_or_default()
    }
}

/// Another word for each word, of which no bit is like the original's: the
/// finisher of MurmurHash3 (public domain).
fn scattered(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (word ^ word >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many places each backend has.
    fn shares(ring: &[u32], backends: usize) -> Vec<usize> {
        let mut shares = vec![0; backends];
        for &backend in ring {
            shares[backend as usize] += 1;
        }
        shares
    }

    #[test]
    fn every_backend_has_the_same_share_but_for_one_place() {
        for backends in [1, 2, 3, 100, 4096] {
            let ring = ring(7, backends);
            assert_eq!(ring.len(), RING as usize);
            let shares = shares(&ring, backends as usize);
            let (least, most) = (shares.iter().min(), shares.iter().max());
            let spread = most.expect("a backend") - least.expect("a backend");
            assert!(spread <= 1, "{backends}: {spread}");
        }
    }

    #[test]
    fn a_newcomer_takes_its_share_and_leaves_most_of_the_rest() {
        let (before, after) = (ring(7, 99), ring(7, 100));
        let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!(moved < RING as usize / 20, "{moved}");
    }

    #[test]
    fn each_seed_has_a_ring_of_its_own() {
        assert_ne!(ring(7, 10), ring(8, 10));
        assert!(ring(7, 0).is_empty());
    }
}
