//! What a line says, and how it looks. No I/O, no clock.

use crate::report::run::Event;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// Characters of one part of a line; what is longer is cut. So a plain line of all
/// parts is written to a pipe in one piece in all but odd cases (`PIPE_BUF`, 4096).
const PART_MAX: usize = 500;

/// How much a line matters, as syslog counts (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something does not work.
    Error = 3,
    /// Something will not work if nobody looks at it.
    Warning = 4,
    /// A change of state.
    Notice = 5,
    /// For who reads along.
    #[default]
    Info = 6,
}

/// One line. Parts that are empty are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// How much it matters.
    pub level: Level,
    /// What it is about, in one word: lines of one kind are limited together.
    pub kind: &'static str,
    /// The service.
    pub service: &'a str,
    /// Its backend.
    pub backend: &'a str,
    /// The old state.
    pub from: &'a str,
    /// The new state.
    pub to: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Anything else, in words.
    pub message: &'a str,
}

impl<'a> Line<'a> {
    /// A change of state, of kind `state`.
    #[must_use]
    pub fn state(event: &'a Event) -> Self {
        Self {
            level: Level::Notice,
            kind: "state",
            service: &event.service,
            backend: &event.backend,
            from: &event.from,
            to: &event.to,
            reason: &event.reason,
            message: "",
        }
    }

    /// For people: `2026-11-25T22:40:08.123Z state web/b1 ready -> down: refused`.
    /// `time` is since 1970. With `has_level` its number stands before it, as in
    /// `<5>`: the journal takes that off (sd-daemon(3)).
    #[must_use]
    pub fn plain(&self, time: Duration, has_level: bool) -> String {
        let mut text = String::new();
        if has_level {
            // Writing to a string cannot fail.
            let _ = write!(text, "<{}>", self.level as u8);
        }
        let _ = write!(text, "{} {}", utc(time), self.kind);
        let mut separator = " ";
        if !self.service.is_empty() || !self.backend.is_empty() {
            push(&mut text, " ", self.service);
            push(&mut text, "/", self.backend);
            separator = ": ";
        }
        if !self.from.is_empty() || !self.to.is_empty() {
            push(&mut text, " ", self.from);
            push(&mut text, " -> ", self.to);
            separator = ": ";
        }
        for part in [self.message, self.reason] {
            if !part.is_empty() {
                push(&mut text, separator, part);
                separator = ": ";
            }
        }
        text
    }

    /// For programs: an object with `time`, `level` and `event` (the kind), and the
    /// other parts by their names.
    #[must_use]
    pub fn json(&self, time: Duration) -> String {
        let object = Object {
            time: utc(time),
            level: self.level,
            event: self.kind,
            service: cut(self.service).0,
            backend: cut(self.backend).0,
            from: cut(self.from).0,
            to: cut(self.to).0,
            reason: cut(self.reason).0,
            message: cut(self.message).0,
        };
        // Strings and unit variants: there is nothing in it that has no JSON.
        serde_json::to_string(&object).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    level: Level,
    event: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    service: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    backend: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    from: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    to: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
}

/// Adds a part, if there is one, so that it cannot end the line or move a cursor.
fn push(text: &mut String, separator: &str, part: &str) {
    if part.is_empty() {
        return;
    }
    text.push_str(separator);
    let (part, is_cut) = cut(part);
    for character in part.chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if is_cut {
        text.push_str("...");
    }
}

/// The beginning of a part, and whether there is more.
fn cut(part: &str) -> (&str, bool) {
    match part.char_indices().nth(PART_MAX) {
        Some((end, _)) => (part.get(..end).unwrap_or(part), true),
        None => (part, false),
    }
}

/// A moment as RFC 3339 writes it, in UTC, to the millisecond. `time` is since 1970.
fn utc(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = date(seconds / 86_400);
    let milliseconds = time.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// Year, month and day, so many days after 1970-01-01. Years are counted from March
/// here, so that the odd day comes last, in eras of 400 years, which all have the
/// same length (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(1_795_646_408_123);

    fn change() -> Line<'static> {
        Line {
            level: Level::Notice,
            kind: "state",
            service: "web",
            backend: "b1",
            from: "ready",
            to: "down",
            reason: "connection refused",
            message: "",
        }
    }

    #[test]
    fn a_change_of_state_is_a_sentence() {
        assert_eq!(
            change().plain(TIME, false),
            "2026-11-25T22:40:08.123Z state web/b1 ready -> down: connection refused"
        );
        assert_eq!(
            change().plain(TIME, true),
            "<5>2026-11-25T22:40:08.123Z state web/b1 ready -> down: connection refused"
        );
    }

    #[test]
    fn what_is_empty_leaves_no_trace() {
        let line = Line {
            kind: "start",
            message: "holds nothing",
            ..Line::default()
        };
        assert_eq!(
            line.plain(TIME, false),
            "2026-11-25T22:40:08.123Z start holds nothing"
        );
        let line = Line {
            service: "web",
            reason: "why",
            ..line
        };
        let plain = line.plain(TIME, false);
        assert_eq!(
            plain,
            "2026-11-25T22:40:08.123Z start web: holds nothing: why"
        );
    }

    #[test]
    fn a_change_of_state_is_an_object() {
        assert_eq!(
            change().json(TIME),
            r#"{"time":"2026-11-25T22:40:08.123Z","level":"notice","event":"state","service":"web","backend":"b1","from":"ready","to":"down","reason":"connection refused"}"#
        );
    }

    #[test]
    fn nothing_that_a_stranger_says_makes_a_second_line_or_a_colour() {
        let line = Line {
            reason: "a\r\n2026 state\t\u{1b}[31mred\u{7f}\u{9b}\0 \u{e9}",
            ..change()
        };
        let plain = line.plain(TIME, false);
        assert!(
            plain.ends_with(r": a\r\n2026 state\t\u{1b}[31mred\u{7f}\u{9b}\u{0} é"),
            "{plain}"
        );
        let json = line.json(TIME);
        assert!(!json.contains(['\n', '\u{1b}']));
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["reason"], line.reason);
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let reason = "\u{e9}".repeat(100_000);
        let line = Line {
            reason: &reason,
            ..change()
        };
        let plain = line.plain(TIME, false);
        assert!(plain.ends_with("éé..."));
        assert!(plain.len() < 1100, "{}", plain.len());
        assert!(line.json(TIME).len() < 1300);
    }

    #[test]
    fn days_have_the_dates_of_the_calendar() {
        let known = [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (11_322, (2000, 12, 31)),
            (19_782, (2024, 2, 29)),
            (47_541, (2100, 3, 1)),
        ];
        for (days, expected) in known {
            assert_eq!(date(days), expected, "{days}");
        }
        assert_eq!(
            utc(Duration::from_millis(86_399_999)),
            "1970-01-01T23:59:59.999Z"
        );
    }
}
