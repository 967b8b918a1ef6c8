//! Config files on this host.

use crate::config::check::errors;
use crate::config::{self, Document, Lines};
use crate::fault;
use anyhow::Result;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A file with all that a balancer holds has about 2 MB.
const BYTES_MAX: u64 = 4 << 20;

/// Of a file with many mistakes so many are named where `check` would name all.
const NAMED: usize = 5;

/// The bytes of a config file.
///
/// # Errors
///
/// `Failed`: it cannot be read, or is too long to be one.
pub fn bytes(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| fault!(Failed, "{}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > BYTES_MAX) {
        return Err(fault!(
            Failed,
            "{}: longer than {} MiB, which no config file is",
            path.display(),
            BYTES_MAX >> 20
        ));
    }
    Ok(bytes)
}

/// A config file without mistakes, and its text.
///
/// # Errors
///
/// `Invalid`: it has mistakes; the first ones are named with their lines.
pub fn document(path: &Path) -> Result<(Document, String)> {
    let bytes = bytes(path)?;
    let (text, broken) = config::text(&bytes);
    let (document, findings) = match broken {
        None => config::examine(text),
        Some(finding) => (Document::default(), vec![finding]),
    };
    let errors = errors(&findings);
    if errors.is_empty() {
        return Ok((document, text.to_owned()));
    }
    let lines = Lines::new(text);
    let named: Vec<String> = errors
        .iter()
        .take(NAMED)
        .map(|error| {
            let at = lines.position(error.span.start);
            format!("line {}, column {}: {}", at.line, at.column, error.message)
        })
        .collect();
    Err(fault!(
        Invalid,
        "{0}: {1}; `dsrload check {0}` explains{2}",
        path.display(),
        named.join("; "),
        match errors.len() > NAMED {
            true => format!(" all {} mistakes", errors.len()),
            false => String::new(),
        }
    ))
}
