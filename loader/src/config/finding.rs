//! Something that is wrong with a config file, or may be.

use super::document::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not taken.
    Error,
    /// It may be right.
    Warning,
}

impl Severity {
    /// The word that reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something that is wrong with a config file, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The bytes of the file that it is about.
    pub span: Span,
    /// The key that it is about, with those around it, as in `service.web.vip`;
    /// empty for what is no TOML.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// A mistake.
    #[must_use]
    pub fn error(
        span: &Span,
        key: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            span: span.clone(),
            key: plain(&key.into()),
            message: plain(&message.into()),
            remedy: plain(&remedy.into()),
        }
    }

    /// What may be a mistake.
    #[must_use]
    pub fn warning(
        span: &Span,
        key: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, key, message, remedy)
        }
    }
}

/// Longest text that quotes a file, in characters.
const LONGEST: usize = 500;

/// Text that does nothing to a terminal but to be seen.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(LONGEST) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_does_nothing_to_a_terminal() {
        assert_eq!(plain("a\u{1b}[2J\nb"), "a\\u{1b}[2J\\nb");
        let long = plain(&"\u{e4}".repeat(501));
        assert_eq!((long.chars().count(), long.ends_with("...")), (503, true));
    }
}
