//! The config of what is loaded, as `dsrload status` tells of it.

use serde::Serialize;
use std::io::{self, Write};

/// The config in force.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigStatus {
    /// Counts changes; 0 if it was loaded without a config.
    pub generation: u64,
    /// The same on two balancers that send every packet the same way.
    pub digest: String,
    /// Seconds until it is rolled back unless it is confirmed, negative after that;
    /// none if it stays.
    pub rolled_back_in: Option<i64>,
    /// What to do about that.
    #[serde(skip)]
    pub waiting: Option<String>,
    /// The generation that was not confirmed in time, if that is why this one is
    /// in force.
    pub given_up: Option<u64>,
}

impl ConfigStatus {
    /// Writes a line, or more if there is something to be known.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "config: generation {}, digest {}",
            self.generation, self.digest
        )?;
        if let Some(given_up) = self.given_up {
            writeln!(
                out,
                "  generation {given_up} was not confirmed in time and has been rolled back"
            )?;
        }
        if let Some(waiting) = &self.waiting {
            writeln!(out, "  {waiting}")?;
        }
        Ok(())
    }
}
