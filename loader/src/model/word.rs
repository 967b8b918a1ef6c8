//! The words for values: in configs, on the command line and in reports.

use super::service::{Affinity, OnDead, Policy, Tracking};
use super::slots::State;
use std::fmt;
use std::str::FromStr;

/// A value that has one of a few words.
pub trait Word: Copy + PartialEq + 'static {
    /// Each value with its word.
    const WORDS: &'static [(&'static str, Self)];

    /// Its word.
    #[must_use]
    fn word(self) -> &'static str {
        let mut words = Self::WORDS.iter();
        words
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }

    /// The value with this word.
    #[must_use]
    fn from_word(word: &str) -> Option<Self> {
        let mut words = Self::WORDS.iter();
        words
            .find(|(name, _)| *name == word)
            .map(|&(_, value)| value)
    }
}

impl Word for Policy {
    const WORDS: &'static [(&'static str, Self)] =
        &[("maglev", Self::Maglev), ("random", Self::Random)];
}

impl Word for Tracking {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("changed", Self::Changed),
        ("all", Self::All),
        ("none", Self::None),
    ];
}

impl Word for OnDead {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("rehash", Self::Rehash),
        ("reset", Self::Reset),
        ("hold", Self::Hold),
    ];
}

impl Word for State {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ready", Self::Ready),
        ("drain", Self::Drain),
        ("maint", Self::Maint),
        ("down", Self::Down),
    ];
}

impl fmt::Display for Affinity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow => write!(out, "flow"),
            Self::Client(32, 128) => write!(out, "client"),
            Self::Client(v4, 128) => write!(out, "client/{v4}"),
            Self::Client(v4, v6) => write!(out, "client/{v4}/{v6}"),
        }
    }
}

impl FromStr for Affinity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("affinity '{text}': flow, client, client/24 or client/24/64 is expected");
        let bits = |text: &str, longest: u8| {
            text.parse()
                .ok()
                .filter(|&bits| bits <= longest)
                .ok_or_else(wrong)
        };
        let words: Vec<&str> = text.split('/').collect();
        match words.as_slice() {
            ["flow"] => Ok(Self::Flow),
            ["client"] => Ok(Self::Client(32, 128)),
            ["client", v4] => Ok(Self::Client(bits(v4, 32)?, 128)),
            ["client", v4, v6] => Ok(Self::Client(bits(v4, 32)?, bits(v6, 128)?)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read_and_written_alike<T: Word + fmt::Debug>() {
        for &(word, value) in T::WORDS {
            assert_eq!(value.word(), word);
            assert_eq!(T::from_word(word), Some(value));
        }
        assert_eq!(T::from_word(""), None);
    }

    #[test]
    fn words_are_read_and_written_alike() {
        is_read_and_written_alike::<Policy>();
        is_read_and_written_alike::<Tracking>();
        is_read_and_written_alike::<OnDead>();
        is_read_and_written_alike::<State>();
    }

    #[test]
    fn affinity_is_read_and_written_alike() {
        for text in ["flow", "client", "client/24", "client/24/64", "client/0/0"] {
            let affinity: Affinity = text.parse().expect(text);
            assert_eq!(affinity.to_string(), text);
        }
        for text in [
            "",
            "flows",
            "client/33",
            "client/24/129",
            "client/",
            "client/1/2/3",
        ] {
            assert!(text.parse::<Affinity>().is_err(), "{text}");
        }
    }
}
