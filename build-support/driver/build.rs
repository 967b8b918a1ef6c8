//! A compiler driver that is a build script: without arguments it tells Cargo
//! where it is, with arguments it compiles. Why: see `src/lib.rs`.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use build_support::llvm::Module;
use build_support::{Cpu, Options, Toolchain, alignment, pipeline};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => tell_cargo(),
        ["build", source, out, cpu, tables @ ..] => build_support::build(&Options {
            source: Path::new(source),
            crate_name: "xdp_prog",
            edition: "2024",
            cpu,
            tables,
            out: Path::new(out),
        }),
        ["unchecked", bitcode] => emit(bitcode),
        other => bail!("unknown arguments: {other:?}"),
    }
}

fn tell_cargo() -> Result<()> {
    let program = env::current_exe().context("find this program")?;
    let mut out = io::stdout().lock();
    writeln!(out, "cargo::rerun-if-changed=build.rs")?;
    writeln!(out, "cargo::rustc-env=DRIVER={}", program.display())?;
    Ok(())
}

/// The steps that make an object of bitcode, without the inspection.
fn emit(bitcode: &str) -> Result<()> {
    let toolchain = Toolchain::from_environment();
    let library = toolchain.open_llvm()?;
    let bitcode = fs::read(bitcode).context("read the bitcode")?;
    let mut module = Module::read(library, &bitcode, Cpu::V3.name())
        .map_err(|error| anyhow!(toolchain.explain_unreadable(library, &error)))?;
    pipeline::prepare(&module);
    pipeline::optimize(&mut module)?;
    alignment::claim(&module);
    module.emit().map_err(|said| anyhow!("{said:?}"))?;
    Ok(())
}
