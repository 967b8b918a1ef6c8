//! What of other balancers' files becomes a config file, and what is said of the
//! rest. Nothing here takes root.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

mod blocks;
mod command;
#[allow(dead_code, reason = "each test binary uses its part of the dice")]
#[path = "../connections/dice.rs"]
mod dice;
mod files;
mod messages;
mod random;

use dsrload::import::{Import, Refusal};

/// One of the two readers.
type Reader = fn(&str) -> Result<Import, Refusal>;

/// The remarks, one a line.
fn remarks(import: &Import) -> String {
    let lines = import.remarks.iter();
    lines
        .map(|r| format!("{}: {}: {}\n", r.line, r.fate.name(), r.text))
        .collect()
}
