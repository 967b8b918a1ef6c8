//! Tables that are read as the key table says.

use super::{Section, Wrong, count, out_of_bounds, wrong_type};
use crate::config::document::At;
use crate::config::keys::{Key, Kind};
use crate::config::nearest::nearest;
use crate::config::quantity::Period;
use crate::config::values::{self, Value, Values};
use std::collections::BTreeMap;
use toml::de::DeValue;

impl Section<'_, '_> {
    /// All keys of this table that are there, each read as the key table says.
    pub fn values(&mut self) -> Values {
        let mut values = BTreeMap::new();
        for key in self.place.keys() {
            let read = match key.kind {
                Kind::Form(_, true) | Kind::Texts(_) => self.texts(key.name),
                _ => self.one(key.name, value_of),
            };
            values.extend(read.map(|at| (key.name, at)));
        }
        Values(values)
    }

    /// One text or several, in their order.
    fn texts(&mut self, name: &str) -> Option<At<Value>> {
        let (key, value) = self.find(name)?;
        let DeValue::Array(entries) = value.get_ref() else {
            let read =
                |key: &Key, value: &DeValue<'_>| Ok(Value::List(vec![one_text(key, value)?]));
            return self.one(name, read);
        };
        if entries.is_empty() {
            let message = format!("the list `{}` is empty", key.name);
            let remedy = format!("write {} = {}, or leave it out", key.name, key.example);
            self.wrong(key, &value.span(), (message, remedy));
            return None;
        }
        let mut texts = Vec::new();
        for entry in entries {
            match one_text(key, entry.get_ref()) {
                Err(wrong) => self.wrong(key, &entry.span(), wrong),
                Ok(text) => texts.push(text),
            }
        }
        (texts.len() == entries.len()).then(|| At::new(Value::List(texts), value.span()))
    }
}

fn value_of(key: &Key, value: &DeValue<'_>) -> Result<Value, Wrong> {
    let wrong = || wrong_type(key, value);
    match key.kind {
        Kind::Flag => value.as_bool().map(Value::Flag).ok_or_else(wrong),
        Kind::Count(..) => count(key, value).map(Value::Count),
        Kind::Time(least, most) => {
            let text = value.as_str().ok_or_else(wrong)?;
            let time: Period = text
                .parse()
                .map_err(|message| (message, format!("write {} = {}", key.name, key.example)))?;
            let is_good = (least..=most).contains(&time.0);
            is_good
                .then_some(Value::Time(time))
                .ok_or_else(|| out_of_bounds(key))
        }
        Kind::Word(words) => {
            let text = value.as_str().ok_or_else(wrong)?;
            let mut known = words.iter().map(|(word, _)| *word);
            if known.any(|word| word == text) {
                return Ok(Value::Text(text.to_owned()));
            }
            let remedy = match nearest(text, words.iter().map(|(word, _)| *word)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("it takes {}", key.kind.expected()),
            };
            Err((format!("`{}` cannot be '{text}'", key.name), remedy))
        }
        Kind::Form(_, false) | Kind::Text => one_text(key, value).map(Value::Text),
        Kind::Table | Kind::Names | Kind::Form(_, true) | Kind::Texts(_) => Err(wrong()),
    }
}

fn one_text(key: &Key, value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = match value {
        DeValue::String(text) => text.clone().into_owned(),
        // A status may stand as a number.
        DeValue::Integer(digits) if key.name == "status" || key.name == "record" => {
            digits.as_str().to_owned()
        }
        other => return Err(wrong_type(key, other)),
    };
    // Arguments and datagrams may be empty; an empty `expect` is any answer.
    let may_be_empty = matches!(key.kind, Kind::Texts(_)) || matches!(key.name, "send" | "expect");
    if text.is_empty() && !may_be_empty {
        return Err((
            format!("`{}` is empty", key.name),
            format!("write {} = {}, or leave it out", key.name, key.example),
        ));
    }
    values::form(key, &text).map_err(|message| {
        let expected = key.kind.expected();
        (
            message,
            format!("`{}` takes {expected}, such as {}", key.name, key.example),
        )
    })?;
    Ok(text)
}
