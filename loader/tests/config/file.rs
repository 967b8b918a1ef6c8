//! Files of the tree, and small files to make others of.

use dsrload::config::{self, Document, Finding, Severity};
use std::fs;
use std::path::PathBuf;

/// A config that has no fault.
pub const GOOD: &str = "\
[service.web]
vip = \"192.0.2.10\"
ports = \"80/tcp\"

[service.web.backends]
b1 = \"10.0.0.3\"
";

/// The path of a file of the tree.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .join(name)
}

/// A file of the tree.
pub fn text(name: &str) -> String {
    let path = path(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The document of a text without errors.
pub fn document(text: &str) -> Document {
    let (document, findings) = config::examine(text);
    let errors: Vec<&Finding> = findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?} in:\n{text}");
    document
}
