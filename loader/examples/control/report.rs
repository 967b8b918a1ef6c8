//! The rows of the report.

use super::statistics::Summary;
use serde::Serialize;
use std::io::{self, Write};

/// What one program took for one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What belongs together.
    pub group: String,
    /// What was done.
    pub name: String,
    /// Who did it.
    pub program: String,
    /// Of the following figures.
    pub unit: &'static str,
    /// The least.
    pub min: f64,
    /// The middle.
    pub median: f64,
    /// One of ten is above.
    pub p90: f64,
    /// The median against that of the reference, the one that has 1.
    pub ratio: f64,
}

/// What several programs took for one thing. The one called `reference` has the
/// ratio 1.
///
/// # Errors
///
/// One of them was never measured, or none is the reference.
pub fn rows(
    group: &str,
    name: &str,
    unit: &'static str,
    reference: &str,
    measured: &[(String, Vec<f64>)],
) -> io::Result<Vec<Row>> {
    let summary = |(program, values): &(String, Vec<f64>)| {
        let none = || io::Error::other(format!("{group}, {name}: {program} was not measured"));
        Summary::of(values).ok_or_else(none)
    };
    let one = measured
        .iter()
        .find(|(program, _)| program == reference)
        .ok_or_else(|| io::Error::other(format!("{group}, {name}: there is no {reference}")))?;
    let one = summary(one)?.median;
    measured
        .iter()
        .map(|taken| {
            let Summary { min, median, p90 } = summary(taken)?;
            Ok(Row {
                group: group.to_owned(),
                name: name.to_owned(),
                program: taken.0.clone(),
                unit,
                min,
                median,
                p90,
                ratio: if one > 0.0 { median / one } else { 0.0 },
            })
        })
        .collect()
}

/// Writes the aligned table.
///
/// # Errors
///
/// The writer's.
pub fn write(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let width = |field: fn(&Row) -> &str| rows.iter().map(|r| field(r).len()).max().unwrap_or(0);
    let (group, name) = (width(|r| &r.group).max(5), width(|r| &r.name).max(4));
    let program = width(|r| &r.program).max(7);
    writeln!(
        out,
        "{:<group$}  {:<name$}  {:<program$}  {:>10}  {:>10}  {:>10}  {:<5}  {:>7}",
        "GROUP", "NAME", "PROGRAM", "MIN", "MEDIAN", "P90", "UNIT", "RATIO"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:<group$}  {:<name$}  {:<program$}  {:>10.3}  {:>10.3}  {:>10.3}  {:<5}  {:>7.2}",
            row.group, row.name, row.program, row.min, row.median, row.p90, row.unit, row.ratio
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Vec<(String, Vec<f64>)> {
        vec![
            ("ours".to_owned(), vec![3.0, 1.0, 2.0]),
            ("theirs".to_owned(), vec![4.0, 4.0, 4.0]),
        ]
    }

    #[test]
    fn a_ratio_is_that_of_the_medians() {
        let rows = rows("g", "n", "ms", "theirs", &measured()).expect("two programs");
        let ratios: Vec<f64> = rows.iter().map(|row| row.ratio).collect();
        assert_eq!(ratios, [0.5, 1.0]);
    }

    #[test]
    fn a_reference_that_was_not_measured_is_an_error() {
        assert!(rows("g", "n", "ms", "nobody", &measured()).is_err());
        let never = [("theirs".to_owned(), Vec::new())];
        assert!(rows("g", "n", "ms", "theirs", &never).is_err());
    }

    #[test]
    fn columns_are_aligned() {
        let mut out = Vec::new();
        let rows = rows("group", "name", "ms", "ours", &measured()).expect("two programs");
        write(&mut out, &rows).expect("memory takes everything");
        let text = String::from_utf8(out).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[1],
            "group  name  ours          1.000       2.000       3.000  ms        1.00"
        );
        assert_eq!(lines[0].len(), lines[1].len());
    }
}
