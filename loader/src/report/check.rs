//! `dsrload check FILE` as text and as JSON.

use serde::Serialize;
use std::io::{self, Write};

/// Something that is wrong with a config file, or may be.
#[derive(Debug, Serialize)]
pub struct FindingReport {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The key with those around it, as in `service.web.vip`; may be empty.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The line itself, or a part of it.
    #[serde(skip)]
    pub text: String,
    /// Columns of it before the underlined ones.
    #[serde(skip)]
    pub indent: usize,
    /// Underlined columns.
    #[serde(skip)]
    pub width: usize,
}

impl FindingReport {
    /// Writes it with the line that it is about, as `rustc` does.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let line = self.line.to_string();
        let gutter = " ".repeat(line.len());
        let indent = " ".repeat(self.indent);
        let carets = "^".repeat(self.width);
        writeln!(out, "{}: {}", self.severity, self.message)?;
        writeln!(out, "{gutter}--> {}:{line}:{}", self.file, self.column)?;
        writeln!(out, "{gutter} |")?;
        writeln!(out, "{line} | {}", self.text)?;
        writeln!(out, "{gutter} | {indent}{carets}")?;
        writeln!(out, "{gutter} = {}", self.remedy)?;
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_its_line() {
        let finding = FindingReport {
            file: "lb.toml".to_owned(),
            line: 12,
            column: 3,
            severity: "error",
            key: "service.web.polcy".to_owned(),
            message: "unknown key `polcy` in [service.web]".to_owned(),
            remedy: "did you mean `policy`?".to_owned(),
            text: "  polcy = 1".to_owned(),
            indent: 2,
            width: 5,
        };
        let mut out = Vec::new();
        finding.write(&mut out).expect("a vector takes all");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "\
error: unknown key `polcy` in [service.web]
  --> lb.toml:12:3
   |
12 |   polcy = 1
   |   ^^^^^
   = did you mean `policy`?

"
        );
    }
}
