//! Contests: the same thing done by several programs in turn, round by round, so
//! that what disturbs the machine meanwhile disturbs all alike.

use super::process::{Line, run};
use super::report::{Row, rows};
use std::io;

/// How often each is measured, after one round that does not count.
const ROUNDS: usize = 15;

/// One program of a contest.
#[derive(Clone, Debug, Default)]
pub struct Entrant {
    /// What it is called in the report.
    pub program: String,
    /// Commands before the one that is measured.
    pub before: Vec<Line>,
    /// The one that is measured.
    pub timed: Line,
    /// Commands after it, to have everything as it was.
    pub after: Vec<Line>,
}

/// What is measured, and how it is reported.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    /// What it belongs to.
    pub group: &'a str,
    /// What is done.
    pub name: &'a str,
    /// The program that has the ratio 1.
    pub reference: &'a str,
}

/// Has all of them do it in turn: what time they took, and what memory.
///
/// # Errors
///
/// A command failed.
pub fn hold(contest: Contest<'_>, entrants: &[Entrant]) -> io::Result<Vec<Row>> {
    let Contest {
        group,
        name,
        reference,
    } = contest;
    let none = |e: &Entrant| (e.program.clone(), Vec::with_capacity(ROUNDS));
    let mut times: Vec<(String, Vec<f64>)> = entrants.iter().map(none).collect();
    let mut peaks = times.clone();
    for round in 0..=ROUNDS {
        for (index, entrant) in entrants.iter().enumerate() {
            for line in &entrant.before {
                run(line)?;
            }
            let spent = run(&entrant.timed)?;
            for line in &entrant.after {
                run(line)?;
            }
            if round > 0 {
                times[index].1.push(spent.milliseconds);
                peaks[index].1.push(spent.peak_kib);
            }
        }
    }
    let mut rows_of_all = rows(group, name, "ms", reference, &times)?;
    rows_of_all.extend(rows(group, name, "KiB", reference, &peaks)?);
    Ok(rows_of_all)
}

/// The same for steps of ours, each of which tells its milliseconds.
///
/// # Errors
///
/// A step failed.
pub fn repeat<const N: usize>(
    group: &str,
    names: [&str; N],
    mut steps: impl FnMut() -> io::Result<[f64; N]>,
) -> io::Result<Vec<Row>> {
    let mut times: Vec<(String, Vec<f64>)> =
        names.map(|name| (name.to_owned(), Vec::new())).to_vec();
    for round in 0..=ROUNDS {
        let spent = steps()?;
        for ((_, times), spent) in times.iter_mut().zip(spent) {
            if round > 0 {
                times.push(spent);
            }
        }
    }
    let reference = names.first().copied().unwrap_or_default();
    let mut rows = rows(group, "", "ms", reference, &times)?;
    for row in &mut rows {
        row.name = std::mem::replace(&mut row.program, "dsrload".to_owned());
    }
    Ok(rows)
}
