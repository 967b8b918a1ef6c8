//! Aligned columns.

use std::io::{self, Write};

/// How a column is aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Writes rows under a head, each column as wide as its widest cell, without
/// blanks at the end of a line.
///
/// # Errors
///
/// The writer's.
pub fn write<const N: usize>(
    out: &mut dyn Write,
    head: [(&str, Align); N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let rows: Vec<&[String]> = rows.iter().map(<[String; N]>::as_slice).collect();
    write_rows(out, &head, &rows)
}

/// The same for any number of columns, so that it is compiled once.
fn write_rows(out: &mut dyn Write, head: &[(&str, Align)], rows: &[&[String]]) -> io::Result<()> {
    let titles: Vec<String> = head.iter().map(|&(title, _)| title.to_owned()).collect();
    let lines = || std::iter::once(titles.as_slice()).chain(rows.iter().copied());
    let mut widths = vec![0; head.len()];
    for line in lines() {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    for cells in lines() {
        let mut line = String::new();
        for ((cell, &width), (_, align)) in cells.iter().zip(&widths).zip(head) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            line.push_str(&match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            });
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        let rows = [
            ["a".to_owned(), "10".to_owned(), "x".to_owned()],
            ["long".to_owned(), "7".to_owned(), String::new()],
        ];
        write(
            &mut out,
            [("N", Align::Left), ("P", Align::Right), ("H", Align::Left)],
            &rows,
        )
        .expect("a vector takes all");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text, "N      P  H\na     10  x\nlong   7\n");
    }
}
