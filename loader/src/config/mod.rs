//! The config file: text becomes services, or a list of all that is wrong with
//! it, each with its place.
//!
//! [`keys`] says what may stand there, and is what [`read`] checks against and
//! `docs/CONFIG.md` is made of. [`document`] is the file as typed values that
//! know where they stand; [`check`] compares them with each other, [`host`] with
//! this host; [`convert`] makes of them what a balancer is told, and [`mod@write`]
//! makes text of them again.
//!
//! Of a balancer that runs: [`generate`] makes a document of what was said without
//! one, [`merge`] fills in what a new one leaves as it is, [`plan`] says what that
//! changes, and [`digest`] whether two are the same.
//!
//! The `toml` crate gives the tree and the places. `serde` is not used for it: it
//! stops at the first mistake.

pub mod bytes;
pub mod care;
pub mod check;
pub mod convert;
pub mod digest;
pub mod document;
pub mod finding;
pub mod generate;
pub mod host;
pub mod keys;
pub mod merge;
pub mod nearest;
pub mod plan;
mod plan_care;
pub mod position;
pub mod quantity;
pub mod read;
mod section;
pub mod values;
pub mod write;

pub use convert::{Balancer, Options};
pub use document::{At, Document, Mode};
pub use finding::{Finding, Severity};
pub use position::Lines;

/// Reads a config file and checks all that can be checked without a host. The
/// document is whole if no finding is an error.
#[must_use]
pub fn examine(text: &str) -> (Document, Vec<Finding>) {
    let mut reading = read::read(text);
    if reading.is_toml {
        let lines = Lines::new(text);
        reading
            .findings
            .extend(check::check(&reading.document, &lines));
    }
    reading.findings.sort_by_key(|f| (f.span.start, f.span.end));
    (reading.document, reading.findings)
}

/// The text of a config file; if it is none, as much as is, and what is wrong.
#[must_use]
pub fn text(bytes: &[u8]) -> (&str, Option<Finding>) {
    match str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let end = error.valid_up_to();
            let text = bytes.get(..end).and_then(|good| str::from_utf8(good).ok());
            let finding = Finding::error(
                &(end..end),
                "",
                "the file is not UTF-8 text from here on",
                "save it as UTF-8",
            );
            (text.unwrap_or_default(), Some(finding))
        }
    }
}
