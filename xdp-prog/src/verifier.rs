//! Hints for the kernel's verifier, which follows every way through the program.

use core::hint::black_box;

/// The same number, below a power of two, of which the verifier knows no more
/// than that. Else it would follow the rest of the way for each number that
/// can come up, on its own. `noise` is anything that it cannot know.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
#[must_use]
pub fn forget<const BELOW: usize>(number: usize, noise: u64) -> usize {
    let noise = noise as usize;
    (black_box(number ^ noise) ^ noise) & (BELOW - 1)
}
