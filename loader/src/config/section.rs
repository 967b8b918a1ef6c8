//! One table of the file, read key by key.

mod values;

use super::document::{At, Span};
use super::finding::Finding;
use super::keys::{Absent, Key, Kind, Place};
use super::nearest::nearest;
use super::quantity::Count;
use crate::model::Word;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a value, and what to do about it.
type Wrong = (String, String);

/// One table of the file.
pub struct Section<'t, 'd> {
    /// Its name with those around it, as in `service.web`; empty for the file.
    pub path: String,
    /// What is wrong in it.
    pub findings: Vec<Finding>,
    place: Place,
    table: &'t DeTable<'d>,
}

impl<'t, 'd> Section<'t, 'd> {
    /// A table that stands there. Keys that it must not have are found, and,
    /// if it is `whole`, those that it lacks.
    pub fn new(
        place: Place,
        path: String,
        span: &Span,
        table: &'t DeTable<'d>,
        whole: bool,
    ) -> Self {
        let mut section = Self {
            path,
            findings: Vec::new(),
            place,
            table,
        };
        for key in table.keys() {
            if place.key(key.get_ref()).is_none() {
                section.unknown(key);
            }
        }
        let missing = place.keys().filter(|key| {
            matches!(key.absent, Absent::Required) && !table.contains_key(key.name) && whole
        });
        for key in missing {
            section.missing(key, span);
        }
        section
    }

    /// The key's name with those around it.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// What it is called in messages.
    fn title(&self) -> String {
        match self.place {
            Place::File => self.place.name().to_owned(),
            Place::Balancer | Place::Service | Place::Run => format!("[{}]", self.path),
            Place::Backend | Place::Check => format!("`{}`", self.path),
        }
    }

    fn unknown(&mut self, key: &Spanned<impl AsRef<str>>) {
        let name = key.get_ref().as_ref();
        let here = || self.place.keys().map(|key| key.name);
        let elsewhere = Place::ALL
            .into_iter()
            .find(|place| place.key(name).is_some());
        let remedy = if let Some(near) = nearest(name, here()) {
            format!("did you mean `{near}`?")
        } else if let Some(place) = elsewhere {
            format!("it is a key of {}: move it there", place.name())
        } else {
            let known: Vec<&str> = here().collect();
            format!("remove it; known here: {}", known.join(", "))
        };
        let message = format!("unknown key `{name}` in {}", self.title());
        let path = self.path_of(name);
        self.findings
            .push(Finding::error(&key.span(), path, message, remedy));
    }

    fn missing(&mut self, key: &Key, span: &Span) {
        let (message, remedy) = match key.kind {
            Kind::Names => (
                format!("{} has no {}", self.title(), key.name),
                format!("add one, as in {} = {}", key.name, key.example),
            ),
            _ => (
                format!("{} lacks `{}`", self.title(), key.name),
                format!("add {} = {}", key.name, key.example),
            ),
        };
        let path = self.path_of(key.name);
        self.findings
            .push(Finding::error(span, path, message, remedy));
    }

    /// A key of this table, and its value if it is there.
    fn find(&self, name: &str) -> Option<(&'static Key, &'t Spanned<DeValue<'d>>)> {
        Some((self.place.key(name)?, self.table.get(name)?))
    }

    fn wrong(&mut self, key: &Key, span: &Span, (message, remedy): Wrong) {
        let path = self.path_of(key.name);
        self.findings
            .push(Finding::error(span, path, message, remedy));
    }

    /// The value of a key, by what reads it.
    fn one<T>(
        &mut self,
        name: &str,
        read: impl Fn(&Key, &DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<At<T>> {
        let (key, value) = self.find(name)?;
        let read = read(key, value.get_ref());
        read.map_err(|wrong| self.wrong(key, &value.span(), wrong))
            .ok()
            .map(|read| At::new(read, value.span()))
    }

    /// A table of named entries, or of keys.
    pub fn table(&mut self, name: &str) -> Option<At<&'t DeTable<'d>>> {
        let (key, value) = self.find(name)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                // The key names the table; the value may be all of the file.
                let (own, _) = self.table.get_key_value(name)?;
                Some(At::new(table, own.span()))
            }
            other => {
                self.wrong(key, &value.span(), wrong_type(key, other));
                None
            }
        }
    }

    /// Text.
    pub fn text(&mut self, name: &str) -> Option<At<String>> {
        self.one(name, |key, value| match value {
            DeValue::String(text) if text.is_empty() => Err((
                format!("`{}` is empty", key.name),
                format!("write {} = {}, or leave it out", key.name, key.example),
            )),
            DeValue::String(text) => Ok(text.clone().into_owned()),
            other => Err(wrong_type(key, other)),
        })
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Option<At<bool>> {
        self.one(name, |key, value| {
            value.as_bool().ok_or_else(|| wrong_type(key, value))
        })
    }

    /// A number within the bounds of its key.
    pub fn count<T: TryFrom<u32>>(&mut self, name: &str) -> Option<At<T>> {
        self.one(name, |key, value| {
            let count = count(key, value)?;
            T::try_from(count).map_err(|_| out_of_bounds(key))
        })
    }

    /// One of a few words.
    pub fn word<T: Word>(&mut self, name: &str) -> Option<At<T>> {
        self.one(name, |key, value| {
            let text = value.as_str().ok_or_else(|| wrong_type(key, value))?;
            T::from_word(text).ok_or_else(|| {
                let words = T::WORDS.iter().map(|(word, _)| *word);
                let remedy = match nearest(text, words) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("it takes {}", key.kind.expected()),
                };
                (format!("`{}` cannot be '{text}'", key.name), remedy)
            })
        })
    }

    /// Text of a form of its own.
    pub fn form<T: FromStr<Err = String>>(&mut self, name: &str) -> Option<At<T>> {
        self.form_by(name, str::parse)
    }

    /// Text of a form of its own, by what reads it.
    pub fn form_by<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<At<T>> {
        self.one(name, |key, value| form(key, value, &parse))
    }

    /// One text of a form of its own, or a list of them.
    pub fn list<T: PartialEq>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<At<T>> {
        let Some((key, value)) = self.find(name) else {
            return Vec::new();
        };
        let DeValue::Array(entries) = value.get_ref() else {
            let one = self.one(name, |key, value| form(key, value, &parse));
            return one.into_iter().collect();
        };
        if entries.is_empty() {
            let remedy = match key.absent {
                Absent::Required => format!("write {} = {}", key.name, key.example),
                Absent::Value(default) | Absent::Else(default) => {
                    format!("leave it out: then it is {default}")
                }
            };
            let message = format!("the list `{}` is empty", key.name);
            self.wrong(key, &value.span(), (message, remedy));
        }
        let mut list: Vec<At<T>> = Vec::new();
        for entry in entries {
            match form(key, entry.get_ref(), &parse) {
                Err(wrong) => self.wrong(key, &entry.span(), wrong),
                Ok(read) => list.push(At::new(read, entry.span())),
            }
        }
        list
    }
}

/// A value of another type than its key takes.
pub fn wrong_type(key: &Key, value: &DeValue<'_>) -> Wrong {
    (
        format!(
            "`{}` takes {}, not {}",
            key.name,
            key.kind.expected(),
            type_name(value)
        ),
        format!("write {} = {}", key.name, key.example),
    )
}

/// The type of a value, in words.
pub fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn form<T>(
    key: &Key,
    value: &DeValue<'_>,
    parse: &impl Fn(&str) -> Result<T, String>,
) -> Result<T, Wrong> {
    let text = value.as_str().ok_or_else(|| wrong_type(key, value))?;
    parse(text).map_err(|message| {
        let remedy = format!(
            "`{}` takes {}, such as {}",
            key.name,
            key.kind.expected(),
            key.example
        );
        (message, remedy)
    })
}

fn count(key: &Key, value: &DeValue<'_>) -> Result<u32, Wrong> {
    let Kind::Count(least, most, _) = key.kind else {
        return Err(wrong_type(key, value));
    };
    let count = match value {
        DeValue::Integer(digits) => i128::from_str_radix(digits.as_str(), digits.radix()).ok(),
        DeValue::String(text) => {
            let count: Count = text.parse().map_err(|message| {
                let remedy = format!("write {} = {}, without quotes", key.name, key.example);
                (message, remedy)
            })?;
            Some(i128::from(count.0))
        }
        other => return Err(wrong_type(key, other)),
    };
    count
        .and_then(|count| u32::try_from(count).ok())
        .filter(|count| (least..=most).contains(count))
        .ok_or_else(|| out_of_bounds(key))
}

fn out_of_bounds(key: &Key) -> Wrong {
    (
        format!("`{}` is not {}", key.name, key.kind.expected()),
        format!("write {} = {}", key.name, key.example),
    )
}
