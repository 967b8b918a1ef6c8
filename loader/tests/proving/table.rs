//! What each class of frames did, as a table.

use crate::reference::generator::Class;
use std::io::{self, Write};
use xdp_prog::abi::Outcome;

/// How often each outcome came up in each class.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: [[u64; Outcome::ALL.len()]; Class::ALL.len()],
}

impl Table {
    /// Counts one frame.
    pub fn count(&mut self, class: Class, outcome: usize) {
        self.rows[class as usize][outcome] += 1;
    }

    /// How often an outcome came up.
    pub fn of_outcome(&self, outcome: Outcome) -> u64 {
        self.rows.iter().map(|row| row[outcome as usize]).sum()
    }

    /// How many frames were of a class.
    pub fn of_class(&self, class: Class) -> u64 {
        self.rows[class as usize].iter().sum()
    }

    /// An outcome for a row, a class for a column.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{:<18}", "OUTCOME")?;
        for (_, name) in Class::ALL {
            write!(out, "{name:>10}")?;
        }
        writeln!(out, "{:>10}", "all")?;
        for outcome in Outcome::ALL {
            write!(out, "{:<18}", outcome.name())?;
            for (class, _) in Class::ALL {
                write!(out, "{:>10}", self.rows[class as usize][*outcome as usize])?;
            }
            writeln!(out, "{:>10}", self.of_outcome(*outcome))?;
        }
        write!(out, "{:<18}", "all")?;
        for (class, _) in Class::ALL {
            write!(out, "{:>10}", self.of_class(class))?;
        }
        let all: u64 = Class::ALL
            .iter()
            .map(|(class, _)| self.of_class(*class))
            .sum();
        writeln!(out, "{all:>10}")
    }
}
