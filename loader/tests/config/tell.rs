//! What is told of a text.

use crate::file::GOOD;
use dsrload::config::{self, Finding, Lines};

/// Findings as lines: place, severity, key, message, remedy.
pub fn told(text: &str) -> Vec<String> {
    let lines = Lines::new(text);
    let line = |f: &Finding| {
        let at = lines.position(f.span.start);
        let severity = f.severity.name();
        let key = match f.key.as_str() {
            "" => "-",
            key => key,
        };
        assert!(!f.remedy.is_empty(), "no remedy: {f:?}");
        format!(
            "{}:{} {severity} {key}: {}; {}",
            at.line, at.column, f.message, f.remedy
        )
    };
    config::examine(text).1.iter().map(line).collect()
}

/// What is told of `text`, without its last end of line.
pub fn tells(text: &str, wanted: &[&str]) {
    assert_eq!(told(text), wanted, "of:\n{text}");
}

/// A good file with these lines in `[service.web]`, from line 4 on.
pub fn service(lines: &str) -> String {
    GOOD.replace("\n\n", &format!("\n{lines}\n\n"))
}

/// A good file with these lines in the table of backends, from line 7 on.
pub fn backends(lines: &str) -> String {
    format!("{GOOD}{lines}\n")
}
