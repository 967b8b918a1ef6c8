//! The figures of all cases.

use super::cases;
use super::machine::Work;
use super::pair::Pair;
use std::fmt::{self, Display, Formatter};

/// What is counted, in the order of [`Row::figures`].
pub const COLUMNS: [&str; 7] = [
    "instructions",
    "calls of functions",
    "calls of helpers",
    "inlined helpers",
    "lines of the packet",
    "lines of tables",
    "lines of the stack",
];

/// One case, and what it cost.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// Nearly all packets are like it.
    pub is_steady: bool,
    /// What it cost.
    pub work: Work,
}

impl Row {
    /// One number for each of [`COLUMNS`].
    pub fn figures(&self) -> [u64; 7] {
        let work = &self.work;
        let of = |piece| work.lines.get(piece).copied().unwrap_or(0);
        let (packet, stack) = (of("packet"), of("stack"));
        let all: usize = work.lines.values().sum();
        let lines = [packet, all - packet - stack, stack].map(|lines| lines as u64);
        [
            work.instructions,
            work.calls,
            work.helpers.values().sum(),
            work.inlined.values().sum(),
            lines[0],
            lines[1],
            lines[2],
        ]
    }
}

/// As a line of a table, with the tables whose lines were touched.
impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:36}", self.name)?;
        for figure in self.figures() {
            write!(f, " {figure:>4}")?;
        }
        for (piece, lines) in &self.work.lines {
            write!(f, "  {}:{lines}", piece.trim_start_matches(".bss."))?;
        }
        Ok(())
    }
}

/// Leads the packets of all cases through the shipped object and the host
/// build.
///
/// # Panics
///
/// They do not agree, or a packet's way ends otherwise than the case says.
pub fn rows() -> Vec<Row> {
    let mut pair = Pair::new(cases::world());
    let row = |case: cases::Case| {
        let mut run = || {
            let ran = pair.run(&case.frame);
            ran.unwrap_or_else(|fault| panic!("{}: {fault}", case.name))
        };
        if case.is_known {
            run();
        }
        let (decision, work) = run();
        assert_eq!(decision.outcome(), case.outcome, "{}", case.name);
        Row {
            name: case.name,
            is_steady: case.is_steady,
            work,
        }
    };
    cases::all().into_iter().map(row).collect()
}
