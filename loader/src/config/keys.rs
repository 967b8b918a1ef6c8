//! Every key of the config file, once: what is checked, what is suggested, and
//! what `docs/CONFIG.md` says.
//!
//! What a later version adds becomes a line here, a field in
//! [`document`](super::document) and a line in [`read`](super::read); in the tables of
//! `run` and of checks ([`values`](super::values)) a line here, and one in
//! [`care`](super::care), which says what it means.

mod running;
mod table;

use super::quantity::Period;

/// Which table a key belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The file itself.
    File,
    /// `[balancer]`
    Balancer,
    /// `[service.NAME]`
    Service,
    /// An entry of `[service.NAME.backends]`
    Backend,
    /// `[service.NAME.check]`
    Check,
    /// `[run]`
    Run,
}

/// All keys, in the order in which they are explained and written.
pub fn all() -> impl Iterator<Item = &'static Key> {
    let keys = [
        table::KEYS,
        running::OF_SERVICE,
        running::CHECK,
        running::RUN,
    ];
    keys.into_iter().flatten()
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A table with keys of its own.
    Table,
    /// A table of named entries.
    Names,
    /// Any text but an empty one.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, and what it counts.
    Count(u32, u32, &'static str),
    /// One of these words, with what they mean.
    Word(&'static [(&'static str, &'static str)]),
    /// Text of a form of its own; or, if the flag is set, a list of such texts.
    Form(&'static str, bool),
    /// A text, or a list of texts: what they are.
    Texts(&'static str),
    /// A time within bounds, in milliseconds.
    Time(u64, u64),
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table that it belongs to.
    pub place: Place,
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it is if it is not there.
    pub absent: Absent,
    /// A value, as it stands in a file.
    pub example: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// The version of dsrload that brought it.
    pub since: &'static str,
}

/// What a key is if it is not there.
#[derive(Clone, Copy, Debug)]
pub enum Absent {
    /// It must be there.
    Required,
    /// This value, as it would stand in a file.
    Value(&'static str),
    /// What no value says.
    Else(&'static str),
}

impl Place {
    /// All of them, in the order in which they are explained.
    pub const ALL: [Self; 6] = [
        Self::File,
        Self::Balancer,
        Self::Service,
        Self::Backend,
        Self::Check,
        Self::Run,
    ];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "the file",
            Self::Balancer => "[balancer]",
            Self::Service => "[service.NAME]",
            Self::Backend => "a backend in [service.NAME.backends]",
            Self::Check => "a service's check",
            Self::Run => "[run]",
        }
    }

    /// Its keys.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        all().filter(move |key| key.place == self)
    }

    /// One of its keys.
    #[must_use]
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

impl Kind {
    /// What it takes, in words.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Table | Self::Names => "a table".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Count(least, most, _) => format!("a number from {least} to {most}"),
            Self::Word(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                words
                    .join(", ")
                    .replacen(", ", " or ", usize::from(words.len() == 2))
            }
            Self::Form(form, false) => form.to_owned(),
            Self::Form(form, true) => format!("{form}, or a list of them"),
            Self::Texts(what) => what.to_owned(),
            Self::Time(least, most) => {
                format!("a time from {} to {}", Period(least), Period(most))
            }
        }
    }
}
