//! Writes the fixtures as inputs of the fuzz target, where `make fuzz` finds
//! them: a few files for each, into the folder that is named.

#![allow(clippy::expect_used, reason = "the tests' modules")]

#[allow(dead_code, reason = "of the tests' modules, this takes a part")]
#[path = "../tests/packets/fuzz.rs"]
mod fuzz;
#[allow(dead_code, reason = "of the tests' modules, this takes a part")]
#[path = "../tests/packets/judge.rs"]
mod judge;
#[allow(dead_code, reason = "of the tests' modules, this takes a part")]
#[path = "../tests/packets/mod.rs"]
mod packets;

use packets::fixture;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: seeds FOLDER");
        return ExitCode::from(2);
    };
    match write(&PathBuf::from(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seeds: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path) -> Result<(), String> {
    let failed = |path: &Path, error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for fixture in fixture::read_all(&fixtures)? {
        for (n, input) in fuzz::seeds(&fixture).iter().enumerate() {
            let path = folder.join(fixture.name.replace(".pkt", &format!("-{n}")));
            std::fs::write(&path, input).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}
