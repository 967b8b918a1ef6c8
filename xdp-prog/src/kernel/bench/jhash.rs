//! Bob Jenkins' hash of 2006 (`lookup3`, public domain), in which Linux knows
//! it as `jhash`, for the lengths that are needed.
//!
//! Three words are mixed by additions and rotations: twelve bytes at a time,
//! and once more at the end.

/// What all three words start with, before length and seed are added.
const START: u32 = 0xdead_beef;

/// The hash of eight bytes.
#[inline(always)]
pub fn of_two(words: [u32; 2], seed: u32) -> u32 {
    let start = START.wrapping_add(8).wrapping_add(seed);
    finish([
        start.wrapping_add(words[0]),
        start.wrapping_add(words[1]),
        start,
    ])
}

/// The hash of sixteen bytes.
#[inline(always)]
pub fn of_four(words: [u32; 4], seed: u32) -> u32 {
    let start = START.wrapping_add(16).wrapping_add(seed);
    let [a, b, c] = mix([
        start.wrapping_add(words[0]),
        start.wrapping_add(words[1]),
        start.wrapping_add(words[2]),
    ]);
    finish([a.wrapping_add(words[3]), b, c])
}

/// Twelve bytes have been added and more follow.
#[inline(always)]
const fn mix([mut a, mut b, mut c]: [u32; 3]) -> [u32; 3] {
    a = a.wrapping_sub(c) ^ c.rotate_left(4);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(6);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(8);
    b = b.wrapping_add(a);
    a = a.wrapping_sub(c) ^ c.rotate_left(16);
    c = c.wrapping_add(b);
    b = b.wrapping_sub(a) ^ a.rotate_left(19);
    a = a.wrapping_add(c);
    c = c.wrapping_sub(b) ^ b.rotate_left(4);
    b = b.wrapping_add(a);
    [a, b, c]
}

/// The last bytes have been added.
#[inline(always)]
const fn finish([mut a, mut b, mut c]: [u32; 3]) -> u32 {
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}
