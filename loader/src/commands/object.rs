//! The BPF object that is loaded.

use crate::object::Spec;
use crate::{EMBEDDED, fault};
use anyhow::{Context, Result};
use std::path::Path;
use xdp_prog::abi::{MAGIC, section, settings};

/// The object: the binary's own, or a file.
///
/// # Errors
///
/// The file cannot be read, or is no object of ours.
pub fn spec(path: Option<&Path>) -> Result<Spec> {
    let Some(path) = path else {
        return Spec::parse(EMBEDDED).context("the object in this binary");
    };
    let bytes = std::fs::read(path)
        .map_err(|error| fault!(Failed, "--object {}: {error}", path.display()))?;
    let spec = Spec::parse(&bytes)
        .map_err(|error| fault!(Failed, "--object {}: {error}", path.display()))?;
    let ours = |spec: &Spec| {
        let settings = spec.tables().find(|t| t.name == section::SETTINGS)?;
        settings::abi_of(settings.contents.as_deref()?)
    };
    match ours(&spec) {
        Some(xdp_prog::abi::ABI_VERSION) => Ok(spec),
        Some(abi) => Err(fault!(
            Failed,
            "--object {}: its tables are of version {abi}, this binary knows {}",
            path.display(),
            xdp_prog::abi::ABI_VERSION
        )),
        None => Err(fault!(
            Failed,
            "--object {}: a BPF object, but not one of dsrload's: no '{}' in {}",
            path.display(),
            String::from_utf8_lossy(&MAGIC.to_le_bytes()[..7]),
            section::SETTINGS
        )),
    }
}
