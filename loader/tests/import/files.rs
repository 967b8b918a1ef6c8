//! Whole files: beside each stands what becomes of it (`.toml`) and what is said
//! of it (`.remarks`). `UPDATE=1` writes these anew, to be read before they are kept.
//!
//! `guest.rules` is the output of ipvsadm 1.31 in a guest with IPVS (Linux 6.1); the
//! others are made up.

use crate::{Reader, remarks};
use dsrload::config::{self, Severity, write};
use dsrload::import::{ipvsadm, keepalived};
use std::fs;
use std::path::{Path, PathBuf};

/// All files, with their readers.
pub fn all() -> Vec<(PathBuf, Reader)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/files");
    let mut files: Vec<(PathBuf, Reader)> = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        match path.extension().and_then(|e| e.to_str()) {
            Some("rules") => files.push((path, ipvsadm::import)),
            Some("conf") => files.push((path, keepalived::import)),
            _ => {}
        }
    }
    files.sort();
    assert!(files.len() >= 7, "only {} files", files.len());
    files
}

/// Compares with the file beside it.
fn is(path: &Path, extension: &str, text: &str) {
    let path = path.with_extension(extension);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).expect("the file is written");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{}; UPDATE=1 writes it", path.display());
}

#[test]
fn each_file_becomes_what_stands_beside_it() {
    for (path, import) in all() {
        let text = fs::read_to_string(&path).expect("a file");
        let import = import(&text).unwrap_or_else(|r| panic!("{}: {r:?}", path.display()));
        // `x.conf` and `x.rules` would have the same files beside them.
        is(&path, "toml", &write::write(&import.document));
        is(&path, "remarks", &remarks(&import));
    }
}

#[test]
fn what_is_made_has_no_error_and_says_what_was_meant() {
    for (path, import) in all() {
        let text = fs::read_to_string(&path).expect("a file");
        let document = import(&text).expect("a file that can be read").document;
        let (again, findings) = config::examine(&write::write(&document));
        let errors = findings.iter().filter(|f| f.severity == Severity::Error);
        assert_eq!(errors.count(), 0, "{}: {findings:?}", path.display());
        // Tables are in the order of names there.
        let mut sorted = document.clone();
        sorted
            .services
            .sort_by(|a, b| a.name.value.cmp(&b.name.value));
        for service in &mut sorted.services {
            service
                .backends
                .sort_by(|a, b| a.name.value.cmp(&b.name.value));
        }
        assert_eq!(again, sorted, "{}", path.display());
    }
}
