//! The text format 0.0.4 of Prometheus: families of samples.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::Display;
use std::io::{self, Write};

/// What a server says that it sends.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Samples of one name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One line.
    pub(super) help: &'static str,
}

pub(super) const fn counter(name: &'static str, help: &'static str) -> Family {
    let kind = Kind::Counter;
    Family { name, kind, help }
}

pub(super) const fn gauge(name: &'static str, help: &'static str) -> Family {
    let kind = Kind::Gauge;
    Family { name, kind, help }
}

pub(super) const fn histogram(name: &'static str, help: &'static str) -> Family {
    let kind = Kind::Histogram;
    Family { name, kind, help }
}

/// Names and values, in the order in which they are written.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// Writes the format.
pub(super) struct Text<'a> {
    pub(super) out: &'a mut dyn Write,
}

impl Text<'_> {
    /// Begins a family. All of its samples follow before the next one begins: the
    /// format demands it.
    pub(super) fn begin(&mut self, family: &Family) -> io::Result<()> {
        let Family { name, kind, help } = family;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    /// One sample: `suffix` is what a histogram puts behind its name.
    pub(super) fn sample(
        &mut self,
        family: &Family,
        suffix: &str,
        labels: Labels,
        value: impl Display,
    ) -> io::Result<()> {
        write!(self.out, "{}{suffix}", family.name)?;
        let mut before = '{';
        for (name, value) in labels {
            write!(self.out, "{before}{name}=\"{}\"", escaped(value))?;
            before = ',';
        }
        if !labels.is_empty() {
            write!(self.out, "}}")?;
        }
        writeln!(self.out, " {value}")
    }

    /// A family of one sample.
    pub(super) fn one(
        &mut self,
        family: &Family,
        labels: Labels,
        value: impl Display,
    ) -> io::Result<()> {
        self.begin(family)?;
        self.sample(family, "", labels, value)
    }
}

/// The value of a label, without what would end it.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test says what it expected")]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let mut out = Vec::new();
        let mut text = Text { out: &mut out };
        let family = gauge("dsrload_x", "Help.");
        let labels = [("a", "\"} 1\nb \\"), ("c", "\u{e9}")];
        text.one(&family, &labels, 2.5).expect("a vector takes all");
        let expected = "# HELP dsrload_x Help.\n# TYPE dsrload_x gauge\n\
                        dsrload_x{a=\"\\\"} 1\\nb \\\\\",c=\"\u{e9}\"} 2.5\n";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
