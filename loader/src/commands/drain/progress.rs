//! How far it is: a line that is written over on a terminal, else one for each
//! change.

use crate::commands::Output;
use crate::model::drain::Progress;
use anyhow::Result;
use std::io::{self, IsTerminal};

/// Tells of progress on standard error.
#[derive(Debug)]
pub struct Teller<'a> {
    name: &'a str,
    is_terminal: bool,
    last: Option<Told>,
}

/// What a line says but for the time.
type Told = (usize, usize, bool, bool);

impl<'a> Teller<'a> {
    /// Tells of this backend.
    #[must_use]
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            is_terminal: io::stderr().is_terminal(),
            last: None,
        }
    }

    /// Tells what is known by now. Once a second at the most, since looks are as
    /// far apart.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn tell(&mut self, progress: &Progress, output: &mut Output<'_>) -> Result<()> {
        let Progress {
            live,
            idle,
            unknown,
            is_crowded,
        } = *progress;
        let told = (live, idle, unknown > 0, is_crowded);
        if self.is_terminal {
            let line = line(self.name, progress);
            write!(output.talk, "\r{line}\x1b[K")?;
            output.talk.flush()?;
        } else if self.last != Some(told) {
            writeln!(output.talk, "dsrload: {}", line(self.name, progress))?;
            output.talk.flush()?;
        }
        self.last = Some(told);
        Ok(())
    }

    /// Leaves the terminal's line to others.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn end(&mut self, output: &mut Output<'_>) -> Result<()> {
        if self.is_terminal && self.last.is_some() {
            write!(output.talk, "\r\x1b[K")?;
            output.talk.flush()?;
        }
        Ok(())
    }
}

fn line(name: &str, progress: &Progress) -> String {
    let live = match progress.live {
        1 => "1 live flow".to_owned(),
        live => format!("{live} live flows"),
    };
    let counted = format!("{live}, {} idle", progress.idle);
    let seconds = progress.unknown.div_ceil(1_000);
    if progress.is_crowded {
        format!("{name}: at least {counted}, and some that find no room in the flow table")
    } else if seconds > 0 {
        format!("{name}: at least {counted}; who was silent since the drain is known in {seconds}s")
    } else {
        format!("{name}: {counted}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_at_least_as_long_as_it_is_not_known() {
        let mut progress = Progress {
            live: 1,
            idle: 3,
            unknown: 41_001,
            is_crowded: false,
        };
        assert_eq!(
            line("S/B", &progress),
            "S/B: at least 1 live flow, 3 idle; who was silent since the drain is known in 42s"
        );
        progress.unknown = 0;
        assert_eq!(line("S/B", &progress), "S/B: 1 live flow, 3 idle");
    }

    #[test]
    fn without_a_terminal_a_line_is_told_once() {
        let progress = Progress {
            live: 2,
            idle: 0,
            unknown: 0,
            is_crowded: false,
        };
        let mut teller = Teller {
            name: "S/B",
            is_terminal: false,
            last: None,
        };
        let (mut answers, mut talk) = (Vec::new(), Vec::new());
        let mut output = Output {
            answers: &mut answers,
            talk: &mut talk,
        };
        for _ in 0..3 {
            teller
                .tell(&progress, &mut output)
                .expect("a vector takes all");
        }
        teller.end(&mut output).expect("a vector takes all");
        assert_eq!(talk, b"dsrload: S/B: 2 live flows, 0 idle\n");
    }

    #[test]
    fn on_a_terminal_a_line_is_written_over_and_gone_in_the_end() {
        let mut progress = Progress {
            live: 2,
            idle: 0,
            unknown: 0,
            is_crowded: true,
        };
        let mut teller = Teller {
            name: "S/B",
            is_terminal: true,
            last: None,
        };
        let (mut answers, mut talk) = (Vec::new(), Vec::new());
        let mut output = Output {
            answers: &mut answers,
            talk: &mut talk,
        };
        for is_crowded in [false, true] {
            progress.is_crowded = is_crowded;
            let told = teller.tell(&progress, &mut output);
            told.expect("a vector takes all");
        }
        teller.end(&mut output).expect("a vector takes all");
        let expected = "\rS/B: 2 live flows, 0 idle\x1b[K\
            \rS/B: at least 2 live flows, 0 idle, and some that find no room in the flow table\x1b[K\
            \r\x1b[K";
        assert_eq!(String::from_utf8(talk).expect("text"), expected);
    }
}
