//! The process that looks after a balancer, as `dsrload status` tells of it.

use super::run::Snapshot;
use serde::Serialize;
use std::io::{self, Write};

/// The process that looks after a balancer.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// Seconds since it started.
    pub seconds: u64,
    /// Why the last reload of its file was refused; none if it was not.
    pub refused: Option<String>,
    /// What is wrong with this host or with the config, a sentence each.
    pub warnings: Vec<String>,
}

impl RunStatus {
    /// What of a snapshot is told.
    #[must_use]
    pub fn new(known: &Snapshot) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds, and a cast of floats stays within bounds"
        )]
        let seconds = (known.time - known.started) as u64;
        Self {
            seconds,
            refused: known.config.refused.clone(),
            warnings: known.warnings.clone(),
        }
    }

    /// Writes a line, or more if there is something to be known.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "run: looked after for {} s", self.seconds)?;
        if let Some(refused) = &self.refused {
            writeln!(out, "  the last reload was refused: {refused}")?;
        }
        let mut warnings = self.warnings.iter();
        warnings.try_for_each(|warning| writeln!(out, "  {warning}"))
    }
}
