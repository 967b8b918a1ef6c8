//! Tables whose keys are read, written and compared by the key table alone: what
//! `run` does besides forwarding.

use super::document::At;
use super::keys::{Key, Kind, Place};
use super::quantity::Period;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

/// The keys that a table says, with their values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(pub BTreeMap<&'static str, At<Value>>);

/// What a key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, or one of a few words.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A number.
    Count(u32),
    /// A time.
    Time(Period),
    /// Texts.
    List(Vec<String>),
}

impl Deref for Values {
    type Target = BTreeMap<&'static str, At<Value>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Values {
    /// A text or a word.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A flag.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)?.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    /// A number.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u32> {
        match self.get(name)?.value {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }

    /// A time.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<std::time::Duration> {
        match self.get(name)?.value {
            Value::Time(time) => Some(std::time::Duration::from_millis(time.0)),
            _ => None,
        }
    }

    /// A list; empty if it is not there.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name).map(|at| &at.value) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// The keys that are said, with their values, in the order of the key table.
    pub fn in_order(&self, place: Place) -> impl Iterator<Item = (&'static Key, &At<Value>)> {
        place
            .keys()
            .filter_map(|key| Some((key, self.get(key.name)?)))
    }
}

impl fmt::Display for Value {
    /// As it stands in a file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => out.write_str(&super::write::text(text)),
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Count(count) => write!(out, "{count}"),
            Self::Time(time) => write!(out, "\"{time}\""),
            Self::List(list) if list.len() == 1 && !list[0].is_empty() => {
                out.write_str(&super::write::text(&list[0]))
            }
            Self::List(list) => {
                let list: Vec<String> = list.iter().map(|text| super::write::text(text)).collect();
                write!(out, "[{}]", list.join(", "))
            }
        }
    }
}

/// Whether a text is of the form that its key wants.
///
/// # Errors
///
/// What is wrong with it.
pub fn form(key: &Key, text: &str) -> Result<(), String> {
    let Kind::Form(..) = key.kind else {
        return Ok(());
    };
    match key.name {
        "listen" => text
            .parse::<std::net::SocketAddr>()
            .ok()
            .filter(|address| address.port() != 0)
            .map(drop)
            .ok_or_else(|| format!("'{text}' is no address with a port")),
        "announce_device" => device(text),
        "url" => match text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(()),
            false => Err(format!("'{text}' is no path of an HTTP request")),
        },
        "status" => status(text).map(drop),
        "sni" => server(text),
        "host" => match !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(()),
            false => Err(format!("'{text}' is no name of a host")),
        },
        "query" => query(text),
        "record" => record(text).map(drop),
        "ca" => absolute(text),
        "send" | "expect" => super::bytes::parse(text).map(drop),
        _ => Ok(()),
    }
}

fn device(text: &str) -> Result<(), String> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    // One letter is added for a second device; the kernel takes 15.
    match (1..=14).contains(&text.len()) && text.bytes().all(is_good) && text != "." && text != ".."
    {
        true => Ok(()),
        false => Err(format!(
            "'{text}' is no name of an interface of 1 to 14 letters"
        )),
    }
}

/// Whether a certificate may have it for a name: a host's name, or an IPv4 address.
///
/// # Errors
///
/// It may not.
pub fn server(text: &str) -> Result<(), String> {
    let is_good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_good);
    match text.len() <= 253 && text.split('.').all(is_label) {
        true => Ok(()),
        false => Err(format!("'{text}' is no name that a certificate has")),
    }
}

/// Whether it is an absolute path.
///
/// # Errors
///
/// It is not.
pub fn absolute(text: &str) -> Result<(), String> {
    match text.starts_with('/') && !text.contains('\0') {
        true => Ok(()),
        false => Err(format!("'{text}' is no absolute path")),
    }
}

/// Status codes of HTTP: `200`, `200-299` or `2xx`.
///
/// # Errors
///
/// It is none of those.
pub fn status(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("'{text}' is no status, range of them, or class such as 2xx");
    let code = |text: &str| {
        let code: Option<u16> = text.parse().ok();
        code.filter(|code| (100..600).contains(code) && text.len() == 3)
    };
    if let Some(class) = text.strip_suffix("xx") {
        let first = code(&format!("{class}00")).ok_or_else(wrong)?;
        return Ok((first, first + 99));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = code(first).zip(code(last));
    range
        .filter(|(first, last)| first <= last)
        .ok_or_else(wrong)
}

/// Types of DNS records (RFC 1035, 2782, 3596).
const RECORDS: [(&str, u16); 9] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", 12),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
];

/// The number of a type of DNS records.
///
/// # Errors
///
/// There is none of this name.
pub fn record(text: &str) -> Result<u16, String> {
    let mut known = RECORDS.iter();
    let found = known
        .find(|(name, _)| *name == text)
        .map(|(_, number)| *number);
    let number = || text.parse().ok().filter(|&number: &u16| number != 0);
    found.or_else(number).ok_or_else(|| {
        let names: Vec<&str> = RECORDS.iter().map(|(name, _)| *name).collect();
        format!(
            "'{text}' is no type of DNS records: {} or a number",
            names.join(", ")
        )
    })
}

/// A name that can be asked for (RFC 1035, 2.3.4).
fn query(text: &str) -> Result<(), String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_good = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_graphic())
    };
    match name.is_empty() && text == "." || name.len() <= 253 && name.split('.').all(is_good) {
        true => Ok(()),
        false => Err(format!("'{text}' is no name in the DNS")),
    }
}
