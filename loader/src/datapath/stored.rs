//! The config that is in force, as text in the tables: written beside what readers
//! see, and in force by the same word as the services that it describes
//! ([`xdp_prog::abi::text`]).

use super::tables::Tables;
use crate::fault;
use crate::model::sha256::sha256;
use anyhow::Result;
use std::sync::atomic::{Ordering, fence};
use xdp_prog::abi::text::{
    DEADLINE, GENERATION, GIVEN_UP, HEAD, INDEX, LENGTH, MAGIC, MARK, PARTS, SUM,
};
use xdp_prog::abi::word::Word64;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// A reader that keeps meeting writers gives up after so many tries.
const TRIES: u32 = 100;

/// A config in the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Counts changes.
    pub generation: u64,
    /// When it is given up unless it is confirmed: milliseconds since the machine
    /// started. 0 if it need not be.
    pub deadline: u64,
    /// It is here because that generation was not confirmed in time; else 0.
    pub given_up: u64,
    /// The config file.
    pub text: String,
}

/// What is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewText<'a> {
    /// The config file.
    pub text: &'a str,
    /// As in [`Stored`].
    pub deadline: u64,
    /// As in [`Stored`].
    pub given_up: u64,
    /// It is the text in force, which goes on with other tables: of the same
    /// generation, so that the one before it stays the one to go back to.
    pub goes_on: bool,
}

impl<'a> NewText<'a> {
    /// A text that stays.
    #[must_use]
    pub fn lasting(text: &'a str) -> Self {
        Self {
            text,
            deadline: 0,
            given_up: 0,
            goes_on: false,
        }
    }
}

/// One of the texts' places.
#[derive(Clone, Copy)]
struct Part<'a>(&'a [Word64]);

impl Part<'_> {
    fn get(self, word: usize) -> u64 {
        self.0.get(word).map_or(0, Word64::get)
    }

    fn set(self, word: usize, value: u64) {
        if let Some(word) = self.0.get(word) {
            word.set(value);
        }
    }

    /// Bytes that its text can have.
    fn room(self) -> usize {
        self.0.len().saturating_sub(HEAD) * WORD
    }

    fn is(self, other: Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }

    fn holds_text(self) -> bool {
        self.get(MARK) == MAGIC && self.get(GENERATION) != 0
    }

    fn write(self, text: &str) {
        for (to, bytes) in self.0.iter().skip(HEAD).zip(text.as_bytes().chunks(WORD)) {
            let mut word = [0; WORD];
            word[..bytes.len()].copy_from_slice(bytes);
            to.set(u64::from_le_bytes(word));
        }
    }

    /// What it holds; none if that is being written.
    fn read(self) -> Option<Stored> {
        let length = usize::try_from(self.get(LENGTH)).ok()?;
        if !self.holds_text() || length > self.room() {
            return None;
        }
        let (generation, sum) = (self.get(GENERATION), self.get(SUM));
        let words = self.0.iter().skip(HEAD).take(length.div_ceil(WORD));
        let mut bytes: Vec<u8> = words.flat_map(|word| word.get().to_le_bytes()).collect();
        bytes.truncate(length);
        fence(Ordering::SeqCst);
        let text = String::from_utf8(bytes).ok()?;
        (sum_of(&text) == sum && self.get(GENERATION) == generation).then(|| Stored {
            generation,
            deadline: self.get(DEADLINE),
            given_up: self.get(GIVEN_UP),
            text,
        })
    }
}

fn sum_of(text: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = sha256(text.as_bytes());
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Tables {
    fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let words = self.config.entries();
        words.chunks_exact((words.len() / PARTS).max(1)).map(Part)
    }

    /// The part that goes with the services in force.
    fn part_in_force(&self) -> Option<Part<'_>> {
        let index = self.control().index.get();
        let parts = self.parts().filter(|part| part.holds_text());
        parts
            .filter(|part| part.get(INDEX) == index)
            .max_by_key(|part| part.get(GENERATION))
    }

    fn part_before(&self) -> Option<Part<'_>> {
        let now = self.part_in_force()?.get(GENERATION);
        let parts = self.parts().filter(|part| part.holds_text());
        parts
            .filter(|part| part.get(GENERATION) < now)
            .max_by_key(|part| part.get(GENERATION))
    }

    /// The config in force. None if these tables were filled without one.
    #[must_use]
    pub fn stored(&self) -> Option<Stored> {
        for _ in 0..TRIES {
            let index = self.control().index.get();
            let stored = self.part_in_force()?.read();
            fence(Ordering::SeqCst);
            if stored.is_some() && self.control().index.get() == index {
                return stored;
            }
        }
        None
    }

    /// The config before that one. For whoever keeps others from changing it.
    #[must_use]
    pub fn stored_before(&self) -> Option<Stored> {
        self.part_before()?.read()
    }

    /// The generation of what is in force; 0 if there is no text.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.part_in_force().map_or(0, |part| part.get(GENERATION))
    }

    /// Generation and deadline of what is in force, without its text.
    #[must_use]
    pub fn pending(&self) -> Option<(u64, u64)> {
        let part = self.part_in_force()?;
        Some((part.get(GENERATION), part.get(DEADLINE)))
            .filter(|&(generation, deadline)| generation != 0 && deadline != 0)
    }

    /// Takes the deadline of what is in force away: it stays.
    pub fn confirm(&self) {
        if let Some(part) = self.part_in_force() {
            part.set(DEADLINE, 0);
        }
    }

    /// Writes a text that will be in force with this
    /// [index](xdp_prog::abi::Control::index).
    ///
    /// # Errors
    ///
    /// `Invalid`: it is too long for the tables. Nothing is written then.
    pub fn enter_text(&self, new: NewText<'_>, index: u64) -> Result<()> {
        let NewText { text, .. } = new;
        let room = self.parts().next().map_or(0, Part::room);
        if text.len() > room {
            return Err(fault!(
                Invalid,
                "the config has {} bytes and these tables hold {room}: `dsrload --unload` and load it anew, which makes room",
                text.len()
            ));
        }
        let now = self.part_in_force().map_or(0, |part| part.get(GENERATION));
        // Those of a loader that was killed, and copies of what is in force, are
        // spare as well: none may be taken for what is written now.
        let needed = [self.part_in_force(), self.part_before()];
        let is_needed = |part: &Part<'_>| needed.iter().flatten().any(|p| p.is(*part));
        self.parts()
            .filter(|part| !is_needed(part))
            .for_each(|part| part.set(GENERATION, 0));
        let Some(spare) = self.parts().find(|part| !is_needed(part)) else {
            return Err(fault!(Failed, "the tables have no place for a config"));
        };
        fence(Ordering::SeqCst);
        spare.write(text);
        spare.set(MARK, MAGIC);
        spare.set(INDEX, index);
        spare.set(LENGTH, text.len() as u64);
        spare.set(SUM, sum_of(text));
        spare.set(DEADLINE, new.deadline);
        spare.set(GIVEN_UP, new.given_up);
        fence(Ordering::SeqCst);
        spare.set(GENERATION, if new.goes_on { now.max(1) } else { now + 1 });
        Ok(())
    }

    /// Takes back a text that did not get into force.
    pub fn discard_text(&self) {
        let now = self.part_in_force().map_or(0, |part| part.get(GENERATION));
        for part in self.parts().filter(|part| part.get(GENERATION) > now) {
            part.set(GENERATION, 0);
        }
    }
}
