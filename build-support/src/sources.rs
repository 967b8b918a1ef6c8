//! The source files of the program: where they are, and how they are called in
//! messages and in the object, which hold no path of the machine they were
//! built on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The program's source tree.
#[derive(Debug)]
pub struct Sources {
    root: String,
    crate_root: PathBuf,
}

impl Sources {
    /// The tree that `crate_root` is the root file of. Names are relative to
    /// the directory that holds the crate, `xdp-prog/src/lib.rs`; or the file
    /// itself, if it is not in a directory `src`.
    pub fn of(crate_root: &Path) -> Result<Self> {
        let file = fs::canonicalize(crate_root)
            .with_context(|| format!("find the program {}", crate_root.display()))?;
        let mut root = file.parent().unwrap_or(Path::new("/"));
        if root.ends_with("src") {
            root = root.ancestors().nth(2).unwrap_or(root);
        }
        let name = file.strip_prefix(root).unwrap_or(&file).to_owned();
        let root = root
            .to_str()
            .with_context(|| format!("the path {} is not UTF-8", root.display()))?;
        Ok(Self {
            root: root.trim_end_matches('/').to_owned(),
            crate_root: name,
        })
    }

    /// The directory that names are relative to, absolute and without symbolic
    /// links.
    pub fn root(&self) -> &Path {
        Path::new(if self.root.is_empty() {
            "/"
        } else {
            &self.root
        })
    }

    /// The root file of the crate, relative to [`Self::root`].
    pub fn crate_root(&self) -> &Path {
        &self.crate_root
    }

    /// Whether a path of the debug info is one of the program's own files, and
    /// not the standard library's.
    pub fn contains(&self, path: &str) -> bool {
        self.relative(path).is_some()
    }

    /// The name of a file: the program's own relative to the root, the standard
    /// library's as `library/core/...`, any other path unchanged.
    pub fn name<'p>(&self, path: &'p str) -> &'p str {
        self.relative(path)
            .or_else(|| standard_library(path))
            .unwrap_or(path)
    }

    fn relative<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(&self.root)?.strip_prefix('/')
    }
}

/// The standard library was compiled elsewhere: its files have the path
/// `/rustc/HASH/library/...`, which [`crate::rustc`] sees to if the sources are
/// installed, too.
fn standard_library(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("/rustc/")?;
    let start = inside.find("library/")?;
    inside.get(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources {
            root: "/home/me/dsr".to_owned(),
            crate_root: PathBuf::from("xdp-prog/src/lib.rs"),
        }
    }

    #[test]
    fn the_programs_files_are_named_from_the_directory_that_holds_the_crate() {
        let sources = sources();
        assert_eq!(
            sources.name("/home/me/dsr/xdp-prog/src/abi/mod.rs"),
            "xdp-prog/src/abi/mod.rs"
        );
        assert!(sources.contains("/home/me/dsr/xdp-prog/src/lib.rs"));
        assert!(!sources.contains("/home/me/dsr-old/src/lib.rs"));
    }

    #[test]
    fn the_standard_library_is_named_without_its_build() {
        let sources = sources();
        for path in [
            "/rustc/59807616e1fa/library/core/src/cell.rs",
            "/rustc/library/core/src/cell.rs",
        ] {
            assert_eq!(sources.name(path), "library/core/src/cell.rs");
            assert!(!sources.contains(path));
        }
    }

    #[test]
    fn a_path_from_elsewhere_keeps_its_name() {
        assert_eq!(sources().name("/opt/other.rs"), "/opt/other.rs");
        assert_eq!(sources().name("<unknown>"), "<unknown>");
    }

    #[test]
    fn a_root_file_outside_of_src_is_named_alone() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = Sources::of(&manifest.join("Cargo.toml")).expect("it exists");
        assert_eq!(sources.crate_root(), Path::new("Cargo.toml"));
        let sources = Sources::of(&manifest.join("src/lib.rs")).expect("it exists");
        assert_eq!(sources.crate_root(), Path::new("build-support/src/lib.rs"));
        assert_eq!(Some(sources.root()), manifest.parent());
    }
}
