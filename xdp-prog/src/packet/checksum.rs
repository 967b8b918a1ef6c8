//! The Internet checksum (RFC 1071): the complement of the sum of all 16-bit
//! words, where what is carried out at the top is added at the bottom.
//!
//! That sum is the same in either byte order (RFC 1071, section 2, B): words
//! are added as they stand on the wire, read little-endian, and so is the
//! result to be written.

/// A sum of 16-bit words, not yet folded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds one word.
    #[inline(always)]
    #[must_use]
    pub const fn word16(self, raw: u16) -> Self {
        Self(self.0 + raw as u64)
    }

    /// Adds two words at once: 32 bits are folded just as well.
    #[inline(always)]
    #[must_use]
    pub const fn word32(self, raw: u32) -> Self {
        Self(self.0 + raw as u64)
    }

    /// Adds four.
    #[inline(always)]
    #[must_use]
    pub const fn word64(self, raw: u64) -> Self {
        Self(self.0 + (raw & 0xffff_ffff) + (raw >> 32))
    }

    /// All of it, of which the verifier knows nothing once there is a word in it.
    #[inline(always)]
    #[must_use]
    pub const fn noise(self) -> u64 {
        self.0
    }

    /// Adds another sum.
    #[inline(always)]
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The checksum.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
    pub const fn checksum(self) -> u16 {
        // A number and the same with its halves exchanged: what is carried out
        // of the lower half of the sum is added to the upper one, which so
        // becomes the halves' sum, with its own carry.
        let sum = self.0.wrapping_add(self.0.rotate_left(32));
        let sum = (sum >> 32) as u32;
        let sum = sum.wrapping_add(sum.rotate_left(16));
        !((sum >> 16) as u16)
    }
}

/// The checksum after one word of what it covers has been changed (RFC 1624,
/// equation 3). A checksum that was wrong stays wrong.
#[inline(always)]
#[must_use]
pub const fn replaced(checksum: u16, old: u16, new: u16) -> u16 {
    Sum(0).word16(!checksum).word16(!old).word16(new).checksum()
}

/// [`replaced`], where the new word is the old one less one, as it stands
/// little-endian.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
pub const fn replaced_by_one_less(checksum: u16) -> u16 {
    // The complement of the old word and the new one add up to the same, whatever
    // they are.
    let sum = !checksum as u32 + 0xfffe;
    !((sum + (sum >> 16)) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Word by word, as RFC 1071 defines it.
    fn by_definition(words: &[u16]) -> u16 {
        let add = |sum: u16, word: &u16| {
            let (sum, carry) = sum.overflowing_add(*word);
            sum + u16::from(carry)
        };
        !words.iter().fold(0, add)
    }

    fn noise(n: u64) -> u64 {
        n.wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    }

    fn words(of: u64) -> [u16; 4] {
        let bytes = of.to_le_bytes();
        let (pairs, _) = bytes.as_chunks::<2>();
        core::array::from_fn(|n| u16::from_le_bytes(pairs[n]))
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 1071, section 3: 0001 f203 f4f5 f6f7 sum up to ddf2.
        let sum = Sum::default()
            .word16(0x0001_u16.to_be())
            .word16(0xf203_u16.to_be())
            .word32(0xf4f5_f6f7_u32.to_be());
        assert_eq!(sum.checksum(), !0xddf2_u16.to_be());
    }

    #[test]
    fn words_may_be_added_two_and_four_at_a_time() {
        for n in 0..10_000 {
            let (one, other) = (noise(n), noise(!n));
            let sum = Sum::default().word64(one).word64(other);
            let all = [words(one), words(other)].concat();
            assert_eq!(sum.checksum(), by_definition(&all), "{one:x} {other:x}");
        }
        let ones = (0..20).fold(Sum::default(), |sum, _| sum.word64(u64::MAX));
        assert_eq!(ones.checksum(), 0);
    }

    #[test]
    fn a_replaced_word_gives_the_checksum_of_the_new_words() {
        for n in 0..10_000 {
            let mut all = words(noise(n));
            // The word that holds the checksum of the others.
            let [a, b, c, new] = all;
            let checksum = by_definition(&[a, b, c]);
            all[1] = new;
            assert_eq!(
                replaced(checksum, b, new),
                by_definition(&[a, new, c]),
                "{all:x?}"
            );
        }
        // RFC 1624, section 4: the case that the equation of RFC 1141 got wrong.
        assert_eq!(replaced(0xdd2f, 0x5555, 0x3285), 0x0000);
    }
}
