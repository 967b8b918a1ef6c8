//! Checkers of a `real_server`.
//!
//! Keywords and defaults are those of `keepalived/check/check_*.c`, version 2.3.

use super::server::last;
use super::untaken;
use super::words::Statement;
use crate::config::At;
use crate::config::bytes;
use crate::config::keys::Place;
use crate::config::quantity::Period;
use crate::config::values::{self, Value, Values, absolute};
use crate::import::Remarks;
use crate::import::address::number;
use crate::import::service::Check;

/// Checkers that carry over: what they are called there and here, and how often one
/// that fails is repeated before the backend is down.
const KINDS: [(&str, &str, u32); 6] = [
    ("DNS_CHECK", "dns", 3),
    ("HTTP_GET", "http", 1),
    ("MISC_CHECK", "exec", 0),
    ("SSL_GET", "https", 1),
    ("TCP_CHECK", "tcp", 1),
    ("UDP_CHECK", "udp", 1),
];

/// Those that do not.
const OTHERS: [&str; 4] = ["BFD_CHECK", "FILE_CHECK", "PING_CHECK", "SMTP_CHECK"];

/// Milliseconds from one check to the next, and until one fails.
const DELAY: u64 = 60_000;
const TIMEOUT: u64 = 5_000;

/// What [`read`] takes from the blocks around a checker as well as from itself.
pub const INHERITED: [&str; 5] = [
    "connect_timeout",
    "delay_loop",
    "nb_get_retry",
    "retry",
    "virtualhost",
];

/// Whether this is a checker.
pub fn is_checker(keyword: &str) -> bool {
    KINDS.iter().any(|(name, ..)| *name == keyword) || OTHERS.contains(&keyword)
}

/// How a backend is checked: by its first checker that carries over.
pub fn read(
    server: &Statement,
    real: &Statement,
    port: u16,
    remarks: &mut Remarks,
) -> Option<Check> {
    let mut found: Option<Check> = None;
    for checker in real.children() {
        let (line, keyword) = (checker.line, checker.keyword());
        let kind = KINDS.iter().find(|(name, ..)| *name == keyword);
        if let Some(first) = found.as_ref().filter(|_| is_checker(keyword)) {
            let text = format!(
                "{keyword}: a backend has one check, here {} of line {}",
                first.keyword, first.line
            );
            remarks.left_out(line, text);
        } else if let Some(&(_, kind, retry)) = kind {
            let mut reading = Reading {
                checker,
                around: [real, server],
                values: Values::default(),
                remarks,
            };
            match reading.read(kind, retry, port) {
                Ok(()) => {
                    found = Some(Check {
                        line,
                        keyword: keyword.to_owned(),
                        values: reading.values,
                    });
                }
                Err(why) => remarks.left_out(line, format!("{keyword}: {why}")),
            }
        } else if OTHERS.contains(&keyword) {
            let text = format!("{keyword}: there is no such check; `exec` runs a program");
            remarks.left_out(line, text);
        }
    }
    found
}

struct Reading<'s, 'r> {
    checker: &'s Statement,
    /// The blocks around it, the nearest first.
    around: [&'s Statement; 2],
    values: Values,
    remarks: &'r mut Remarks,
}

impl<'s> Reading<'s, '_> {
    fn read(&mut self, kind: &str, retry: u32, port: u16) -> Result<(), String> {
        self.put(self.checker.line, "type", Value::Text(kind.to_owned()));
        if port != 0 {
            self.put(self.checker.line, "port", Value::Count(port.into()));
        }
        if kind != "exec" {
            self.put(self.checker.line, "path", Value::Text("real".to_owned()));
        }
        self.times(kind, retry);
        for own in self.checker.children() {
            self.own(kind, own);
        }
        if let "http" | "https" = kind {
            self.host();
        }
        if kind == "https" {
            self.put(self.checker.line, "verify", Value::Flag(false));
            self.server();
        }
        if kind == "dns" && !self.values.contains_key("record") {
            self.put(self.checker.line, "record", Value::Text("SOA".to_owned()));
        }
        match kind {
            "exec" if !self.values.contains_key("command") => {
                Err("it runs nothing that can be run here".to_owned())
            }
            "http" | "https" if last(self.checker, &["url"]).is_none() => {
                Err("it asks for no url".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The last statement with one of these keywords, in the nearest block.
    fn find(&self, keywords: &[&str]) -> Option<&'s Statement> {
        let mut blocks = [self.checker].into_iter().chain(self.around);
        blocks.find_map(|block| last(block, keywords))
    }

    fn put(&mut self, line: usize, name: &'static str, value: Value) {
        let texts = match &value {
            Value::Text(text) => std::slice::from_ref(text),
            Value::List(list) => list.as_slice(),
            Value::Flag(_) | Value::Count(_) | Value::Time(_) => &[],
        };
        let key = Place::Check.key(name);
        let wrong = key.and_then(|key| texts.iter().find_map(|t| values::form(key, t).err()));
        match wrong {
            Some(why) => self.remarks.left_out(line, why),
            None => {
                self.values.0.insert(name, At::new(value, 0..0));
            }
        }
    }

    /// How often, how long, and how many in a row.
    fn times(&mut self, kind: &str, retry: u32) {
        let line = self.checker.line;
        let every = self.time(&["delay_loop"], DELAY, (100, 3_600_000));
        let timeout = match kind {
            // A program may take until it is to be run again.
            "exec" => self.time(&["misc_timeout"], every, (10, 60_000.min(every))),
            _ => self.time(&["connect_timeout"], TIMEOUT, (10, 60_000.min(every))),
        };
        if every != 2_000 {
            self.put(line, "every", Value::Time(Period(every)));
        }
        if timeout != every.min(1_000) {
            self.put(line, "timeout", Value::Time(Period(timeout)));
        }
        self.put(line, "rise", Value::Count(1));
        let found = self.find(&["nb_get_retry", "retry"]);
        let said = found.and_then(|retry| number(retry.value(1)));
        if let (Some(retry), None) = (found, said) {
            let text = format!("{} '{}' is no number", retry.keyword(), retry.value(1));
            self.remarks.left_out(retry.line, text);
        }
        let fall = said.unwrap_or(retry).saturating_add(1).min(100);
        if fall != 3 {
            self.put(line, "fall", Value::Count(fall));
        }
    }

    /// A time in milliseconds, within these bounds.
    fn time(&mut self, keywords: &[&str], default: u64, (least, most): (u64, u64)) -> u64 {
        let Some(said) = self.find(keywords) else {
            return default.clamp(least, most);
        };
        let Some(time) = milliseconds(said.value(1)) else {
            let text = format!("{} '{}' is no time", said.keyword(), said.value(1));
            self.remarks.left_out(said.line, text);
            return default.clamp(least, most);
        };
        let taken = time.clamp(least, most);
        if taken != time {
            let text = format!("{} becomes {}", said.title(), Period(taken));
            self.remarks.note(said.line, text);
        }
        taken
    }

    /// A statement of the checker itself.
    fn own(&mut self, kind: &str, own: &'s Statement) {
        let (line, keyword) = (own.line, own.keyword());
        let text = || Value::Text(own.value(1).to_owned());
        match (kind, keyword) {
            ("http" | "https", "url") if self.values.contains_key("url") => {
                self.remarks
                    .left_out(line, "url: a check asks for one, here for the first");
            }
            ("http" | "https", "url") => self.url(own),
            ("https", "enable_sni") | ("exec", "misc_timeout") => {}
            ("dns", "name") => self.put(line, "query", text()),
            ("dns", "type") => {
                let record = own.value(1).to_ascii_uppercase();
                self.put(line, "record", Value::Text(record));
            }
            ("udp", "payload") => self.data(own, "send"),
            ("udp", "require_reply") => self.data(own, "expect"),
            ("exec", "misc_path") => self.command(own),
            (_, "connect_port") => match number::<u16>(own.value(1)).filter(|&port| port != 0) {
                Some(port) => self.put(line, "port", Value::Count(port.into())),
                None => {
                    let text = format!("connect_port '{}' is no port", own.value(1));
                    self.remarks.left_out(line, text);
                }
            },
            (_, keyword) if INHERITED.contains(&keyword) => {}
            _ => untaken::tell(own, self.remarks),
        }
    }

    fn url(&mut self, url: &'s Statement) {
        let mut codes: Vec<String> = Vec::new();
        let mut path = "/";
        for own in url.children() {
            match own.keyword() {
                "path" => path = own.value(1),
                "status_code" => codes.extend(own.words.iter().skip(1).cloned()),
                "virtualhost" => self.put(own.line, "host", Value::Text(own.value(1).to_owned())),
                _ => untaken::tell(own, self.remarks),
            }
        }
        self.put(url.line, "url", Value::Text(path.to_owned()));
        if !codes.is_empty() {
            self.put(url.line, "status", Value::List(codes));
        }
    }

    /// The name that a page is asked of, unless its url says one.
    fn host(&mut self) {
        let found = self.find(&["virtualhost"]);
        if let Some(host) = found.filter(|_| !self.values.contains_key("host")) {
            self.put(host.line, "host", Value::Text(host.value(1).to_owned()));
        }
    }

    /// The name that TLS is told, if it is: that of the page.
    fn server(&mut self) {
        let host = self.values.text("host").map(str::to_owned);
        if let Some((sni, host)) = last(self.checker, &["enable_sni"]).zip(host) {
            let name = host
                .rsplit_once(':')
                .map_or(host.as_str(), |(name, _)| name);
            self.put(sni.line, "sni", Value::Text(name.to_owned()));
        }
    }

    /// Bytes, in hexadecimal; none, if there is nothing.
    fn data(&mut self, own: &Statement, name: &'static str) {
        let digits = own.words[1..].concat();
        match hexadecimal(&digits) {
            Some(data) => self.put(own.line, name, Value::Text(bytes::text(&data))),
            None => {
                let text = format!("{} '{digits}' is not hexadecimal", own.keyword());
                self.remarks.left_out(own.line, text);
            }
        }
    }

    /// A program with its arguments, in one word or in several.
    fn command(&mut self, own: &Statement) {
        let text = own.words[1..].join(" ");
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let address = self.around[0].value(1);
        let wrong = match words.first() {
            None => Some("it names no program".to_owned()),
            Some(first) if absolute(first).is_err() => {
                Some(format!("'{first}' is no absolute path"))
            }
            Some(_) if text.contains(['"', '\'', '\\']) => {
                Some("words in quotes are not told apart".to_owned())
            }
            Some(_) if words.iter().any(|word| word == address) => Some(format!(
                "{address} is one backend's own, and the check is for all of them: the program is told by DSRLOAD_ADDRESS in its environment"
            )),
            Some(_) => None,
        };
        match wrong {
            Some(why) => {
                let text = format!("misc_path: {why}");
                self.remarks.left_out(own.line, text);
            }
            None => self.put(own.line, "command", Value::List(words)),
        }
    }
}

/// Seconds, with a fraction if need be, as milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = format!("{fraction:0<3}");
    let fraction: u64 = number(digits.get(..3)?)?;
    let seconds: u64 = number(seconds)?;
    seconds.checked_mul(1_000)?.checked_add(fraction)
}

/// The bytes that pairs of digits stand for.
fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = digits
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(high << 4 | low).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_a_fraction() {
        for (text, wanted) in [
            ("6", Some(6_000)),
            ("0.5", Some(500)),
            ("1.25", Some(1_250)),
            ("2.0009", Some(2_000)),
            ("", None),
            ("-1", None),
            ("1.x", None),
            ("1s", None),
        ] {
            assert_eq!(milliseconds(text), wanted, "{text}");
        }
    }

    #[test]
    fn bytes_are_pairs_of_digits() {
        assert_eq!(hexadecimal("00fF"), Some(vec![0, 255]));
        assert_eq!(hexadecimal(""), Some(vec![]));
        assert_eq!((hexadecimal("0"), hexadecimal("0x")), (None, None));
    }
}
