//! Where in the file something stands, for people.

use super::document::Span;

/// Characters of a long line that are shown, and how many of them before the
/// place in question.
const SHOWN: usize = 100;
const BEFORE: usize = 40;

/// A file by lines.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    /// Where each line starts.
    starts: Vec<usize>,
}

/// A place in a file, as editors count: from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// A line to show, and what of it to underline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, or as much of it as is shown: one column for each character.
    pub text: String,
    /// Columns before the underlined ones.
    pub indent: usize,
    /// Underlined columns, at least one.
    pub width: usize,
}

impl<'a> Lines<'a> {
    /// The lines of a file.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// The number of the line that a byte is in, from 1.
    #[must_use]
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }

    /// Where a byte stands. One behind the end counts as the end.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let line = self.line(offset);
        let before = self.text.get(self.start(line)..self.floor(offset));
        Position {
            line,
            column: before.unwrap_or_default().chars().count() + 1,
        }
    }

    /// The line where a span starts, and what of that line is in it.
    #[must_use]
    pub fn excerpt(&self, span: &Span) -> Excerpt {
        let Position { line, column } = self.position(span.start);
        let start = self.start(line);
        let whole = self.text[start..].split('\n').next().unwrap_or_default();
        let whole = whole.trim_end_matches('\r');
        let inside = self
            .text
            .get(self.floor(span.start)..self.floor(span.end.min(start + whole.len())));
        let width = inside.unwrap_or_default().chars().count().max(1);
        // What would move the cursor, or the eye, must not reach the terminal.
        let mut shown = whole.chars().map(|c| match c {
            c if c.is_control() => ' ',
            c => c,
        });
        let indent = column - 1;
        let length = whole.chars().count();
        if length <= SHOWN {
            return Excerpt {
                text: shown.collect(),
                indent,
                width,
            };
        }
        let first = indent.saturating_sub(BEFORE);
        let text: String = shown.by_ref().skip(first).take(SHOWN).collect();
        let indent = indent - first;
        Excerpt {
            width: width
                .min(text.chars().count().saturating_sub(indent))
                .max(1),
            text,
            indent,
        }
    }

    fn start(&self, line: usize) -> usize {
        let index = line.saturating_sub(1);
        self.starts.get(index).copied().unwrap_or_default()
    }

    /// The start of the character that a byte is in.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: usize) -> (usize, usize) {
        let Position { line, column } = Lines::new(text).position(offset);
        (line, column)
    }

    #[test]
    fn lines_and_columns_count_from_1_and_in_characters() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab", 1), (1, 2));
        assert_eq!(at("ab\ncd", 2), (1, 3));
        assert_eq!(at("ab\ncd", 3), (2, 1));
        assert_eq!(at("ab\ncd", 5), (2, 3));
        assert_eq!(at("\u{e4}\u{f6}x", 4), (1, 3));
        assert_eq!(at("\u{e4}x", 1), (1, 1), "inside a character");
        assert_eq!(at("ab\n", 99), (2, 1), "behind the end");
    }

    #[test]
    fn an_excerpt_is_one_line_with_what_is_meant() {
        let text = "first\n\tkey = 'v\u{e4}lue'\r\nlast";
        let start = text.find('\'').expect("a quote");
        let excerpt = Lines::new(text).excerpt(&(start..start + 30));
        assert_eq!(excerpt.text, " key = 'v\u{e4}lue'");
        assert_eq!((excerpt.indent, excerpt.width), (7, 7));
        let empty = Lines::new("").excerpt(&(0..0));
        assert_eq!((empty.text.as_str(), empty.indent, empty.width), ("", 0, 1));
    }

    #[test]
    fn of_a_long_line_a_part_is_shown() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let excerpt = Lines::new(&text).excerpt(&(500..900));
        assert_eq!(excerpt.text.chars().count(), SHOWN);
        assert_eq!(excerpt.text.chars().nth(excerpt.indent), Some('X'));
        assert_eq!(excerpt.indent + excerpt.width, SHOWN);
    }
}
