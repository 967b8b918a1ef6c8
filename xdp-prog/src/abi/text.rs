//! The text of the config that is in force, and of the one before it: what
//! `export` writes and `rollback` goes back to. User space alone reads and writes
//! it, as words.
//!
//! The table has three [`PARTS`] of the same size, each a head of [`HEAD`] words
//! and a text behind it. In force is the part whose [`INDEX`] is that of
//! [`Control::index`](super::Control::index); of several, that with the highest
//! [`GENERATION`]. So the word that makes new services visible makes their text
//! visible as well, and there is no moment at which they differ. A text is written
//! into the part that is neither in force nor the one before.

/// Parts of the table.
pub const PARTS: usize = 3;

/// Words of a part's head.
pub const HEAD: usize = 8;

/// The word of a head that holds [`MAGIC`]; the version of this format is in it.
pub const MARK: usize = 0;
/// The word that counts changes, from 1. 0 in a part that holds nothing.
pub const GENERATION: usize = 1;
/// The word of [`Control::index`](super::Control::index) that the text goes with.
pub const INDEX: usize = 2;
/// The text's length in bytes.
pub const LENGTH: usize = 3;
/// The first eight bytes of the text's SHA-256.
pub const SUM: usize = 4;
/// When the text is to be given up for the one before, unless that is 0:
/// milliseconds of `CLOCK_BOOTTIME`.
pub const DEADLINE: usize = 5;
/// The generation that was not confirmed in time, if that is why this text is in
/// force; else 0.
pub const GIVEN_UP: usize = 6;

/// `dsrtext`, and version 1.
pub const MAGIC: u64 = u64::from_le_bytes(*b"dsrtext\x01");
