//! One thing that is wrong with the program, as the user reads it.

use std::fmt;

use crate::sources::Sources;

/// A line of a source file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name: see [`Sources::name`].
    pub file: String,
    /// Counted from one.
    pub line: u32,
    /// Whether the file is the program's, and not the standard library's.
    pub own: bool,
}

impl Place {
    /// A line of a file that the debug info names by this path.
    pub fn new(sources: &Sources, path: &str, line: u32) -> Self {
        Self {
            file: sources.name(path).to_owned(),
            line,
            own: sources.contains(path),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.file, self.line)
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line to change; `None` where the compiler made something that no
    /// line stands for.
    pub place: Option<Place>,
    /// What is wrong, and the way out if there is one.
    pub what: String,
    /// The compiled function that it ends up in, and what leads there.
    pub context: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(out, "{place}: {}", self.what)?,
            None => write!(out, "{}", self.what)?,
        }
        if self.context.is_empty() {
            Ok(())
        } else {
            write!(out, " ({})", self.context)
        }
    }
}

/// All that was found, as one error: each on a line of its own, in the order of
/// the source.
pub fn report(sources: &Sources, mut found: Vec<Finding>) -> anyhow::Error {
    // What is wrong in a function of the standard library that is not inlined
    // follows from what uses it: a panic that would print something.
    let own = |finding: &Finding| finding.place.as_ref().is_none_or(|place| place.own);
    if found.iter().any(own) {
        found.retain(own);
    }
    found.sort();
    found.dedup();
    let lines: Vec<String> = found.iter().map(Finding::to_string).collect();
    anyhow::anyhow!(
        "{} cannot run in the kernel:\n  {}",
        sources.crate_root().display(),
        lines.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(path: &str, line: u32) -> Finding {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        let sources = Sources::of(manifest.as_ref()).expect("this crate");
        Finding {
            place: Some(Place::new(&sources, path, line)),
            what: "it is wrong".to_owned(),
            context: "in `dsr`".to_owned(),
        }
    }

    fn reported(found: Vec<Finding>) -> String {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        let sources = Sources::of(manifest.as_ref()).expect("this crate");
        report(&sources, found).to_string()
    }

    const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/elf.rs");
    const LIBRARY: &str = "/rustc/5980/library/core/src/cell.rs";

    #[test]
    fn findings_are_listed_once_in_the_order_of_the_source() {
        let found = vec![finding(OWN, 12), finding(OWN, 7), finding(OWN, 12)];
        assert_eq!(
            reported(found),
            "build-support/src/lib.rs cannot run in the kernel:\n  \
             build-support/src/elf.rs:7: it is wrong (in `dsr`)\n  \
             build-support/src/elf.rs:12: it is wrong (in `dsr`)"
        );
    }

    #[test]
    fn the_standard_library_is_reported_only_if_it_is_alone() {
        let both = reported(vec![finding(OWN, 7), finding(LIBRARY, 9)]);
        assert!(!both.contains("library/core"), "{both}");
        let alone = reported(vec![finding(LIBRARY, 9)]);
        assert!(alone.contains("library/core/src/cell.rs:9"), "{alone}");
    }
}
