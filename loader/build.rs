//! Makes the BPF object out of `xdp-prog`.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        // The sentence alone: no backtrace behind it, whatever RUST_BACKTRACE says.
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    let out = std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?;
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
