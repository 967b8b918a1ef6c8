//! Hash keys from a seed.

#[allow(
    deprecated,
    reason = "the algorithm of `SipHasher` is fixed (SipHash-2-4), unlike that of `DefaultHasher`: all balancers of a site make the same keys, whatever their version"
)]
use std::hash::{Hasher, SipHasher};

/// How many words the datapath takes.
const WORDS: usize = 9;

/// The words of the hash key that belong to a seed: SipHash-2-4 of the text,
/// keyed by the word's number.
#[must_use]
#[allow(deprecated, reason = "see above")]
pub fn keys(seed: &str) -> [u64; WORDS] {
    let mut keys = [0; WORDS];
    for (number, key) in (1..).zip(&mut keys) {
        let mut hasher = SipHasher::new_with_keys(number, 0);
        hasher.write(seed.as_bytes());
        *key = hasher.finish();
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kept for good: other words would part balancers of different versions.
    #[test]
    fn the_key_of_a_seed_never_changes() {
        assert_eq!(keys("site-a")[0], 17_364_303_430_080_612_219);
        assert_ne!(keys("site-a"), keys("site-b"));
        assert_ne!(keys("site-a")[0], keys("site-a")[1]);
    }
}
