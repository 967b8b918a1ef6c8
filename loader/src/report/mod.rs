//! Reports: data until the last moment, then a table or JSON, into any writer.

pub mod bench;
pub mod check;
pub mod decap;
pub mod plan;
pub mod process;
pub mod run;
pub mod show;
pub mod stats;
pub mod status;
pub mod stored;
mod table;

use serde::Serialize;
use std::io::{self, Write};

/// Writes a report as JSON, for machines.
///
/// # Errors
///
/// The writer's.
pub fn json(out: &mut dyn Write, report: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}
