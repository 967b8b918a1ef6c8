//! Makes the BPF object out of `xdp-prog`, and keeps the binary small.

use anyhow::{Context, Result};
use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match object().and_then(|()| drop_unwind_tables()) {
        Ok(()) => ExitCode::SUCCESS,
        // The sentence alone: no backtrace behind it, whatever RUST_BACKTRACE says.
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn object() -> Result<()> {
    let out = var_os("OUT_DIR").context("cargo sets OUT_DIR")?;
    let tables: Vec<&str> = xdp_prog::abi::TABLES
        .iter()
        .map(|&(symbol, _)| symbol)
        .collect();
    build_support::build(&build_support::Options {
        source: Path::new("../xdp-prog/src/lib.rs"),
        crate_name: "xdp_prog",
        edition: "2024",
        cpu: "v3",
        tables: &tables,
        out: &PathBuf::from(out).join("xdp.o"),
    })
}

/// Links the release binary without the tables that nothing reads there.
fn drop_unwind_tables() -> Result<()> {
    let here = var_os("CARGO_MANIFEST_DIR").context("cargo sets CARGO_MANIFEST_DIR")?;
    let script = Path::new(&here).join("../build-support/no-unwind.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    if var_os("PROFILE").is_some_and(|profile| profile == "release") {
        let script = script.display();
        println!(
            "cargo::rustc-link-arg-bins=-Wl,-T,{script},--no-eh-frame-hdr,-z,pack-relative-relocs"
        );
    }
    Ok(())
}
