//! Runs rustc on the program, for the host, and takes the bitcode.
//!
//! For the host, because that is the target whose `core` every toolchain has.
//! Nothing of `core` is linked: what the program uses of it is generic or
//! inline and becomes part of its own bitcode.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Options;
use crate::sources::Sources;
use crate::toolchain::Toolchain;

const FLAGS: [&str; 13] = [
    "--crate-type=lib",
    "--cfg=bpf",
    "--check-cfg=cfg(bpf,docsrs,test)",
    // Cargo shows nothing of what a build script prints when it succeeds: a
    // warning in code that only this run compiles would never be seen.
    "-Dwarnings",
    // Except about lints of the workspace, which this run is not told.
    "-Aunfulfilled_lint_expectations",
    "-Cpanic=abort",
    "-Copt-level=3",
    "-Ccodegen-units=1",
    // Types and lines become BTF: maps are described by it, and the verifier
    // quotes the source.
    "-Cdebuginfo=2",
    // The optimizer must not run before it knows that the target is BPF.
    "-Cno-prepopulate-passes",
    "-Coverflow-checks=off",
    "-Cdebug-assertions=off",
    "-Cforce-unwind-tables=no",
];

/// The outcome of a run.
pub struct Bitcode {
    /// LLVM bitcode for the host.
    pub bytes: Vec<u8>,
    /// The source files that it was made of, absolute.
    pub files: Vec<PathBuf>,
    /// The environment variables that the source asked for.
    pub variables: Vec<String>,
}

/// Compiles the crate to bitcode, in the directory of the object file.
pub fn compile(options: &Options, sources: &Sources, toolchain: &Toolchain) -> Result<Bitcode> {
    let out = std::path::absolute(options.out)
        .with_context(|| format!("find the directory of {}", options.out.display()))?;
    let directory = out.parent().unwrap_or(Path::new("/"));
    let run = command(options, sources, toolchain, directory)?
        .output()
        .with_context(|| format!("run {}", toolchain.rustc.display()))?;
    ensure!(
        run.status.success(),
        "{} does not compile for BPF:\n{}",
        sources.crate_root().display(),
        String::from_utf8_lossy(&run.stderr).trim_end()
    );
    let file = |extension| directory.join(options.crate_name).with_extension(extension);
    let bitcode = file("bc");
    let bytes =
        fs::read(&bitcode).with_context(|| format!("read the bitcode {}", bitcode.display()))?;
    let list = file("d");
    let list = fs::read_to_string(&list)
        .with_context(|| format!("read the list of source files {}", list.display()))?;
    Ok(Bitcode {
        bytes,
        files: files(&list, sources.root()),
        variables: variables(&list),
    })
}

fn command(
    options: &Options,
    sources: &Sources,
    toolchain: &Toolchain,
    directory: &Path,
) -> Result<Command> {
    let mut command = toolchain.command();
    // The debug info names files of the standard library by paths of this
    // machine if their source is installed. Without this, the object would
    // depend on that.
    let mut installed = toolchain.sysroot()?.into_os_string();
    installed.push("/lib/rustlib/src/rust=/rustc");
    command
        .args(["--crate-name", options.crate_name])
        .args(["--edition", options.edition])
        .args(FLAGS)
        .arg("--remap-path-prefix")
        .arg(installed)
        .arg("--emit=llvm-bc,dep-info")
        .arg("--out-dir")
        .arg(directory)
        // A relative path, from the directory that names are relative to:
        // `file!()` and the messages of rustc use it as it is.
        .current_dir(sources.root())
        .arg(sources.crate_root());
    Ok(command)
}

/// The files in a list of dependencies, in Make's syntax: each has a rule of
/// its own without dependencies.
fn files(list: &str, root: &Path) -> Vec<PathBuf> {
    list.lines()
        .filter_map(|line| line.strip_suffix(':'))
        .map(|file| root.join(file.replace("\\ ", " ")))
        .collect()
}

/// The variables in a list of dependencies: comments of rustc's.
fn variables(list: &str) -> Vec<String> {
    list.lines()
        .filter_map(|line| line.strip_prefix("# env-dep:"))
        .filter_map(|line| line.split('=').next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
        out/xdp.bc: xdp-prog/src/lib.rs xdp-prog/src/my\\ abi.rs\n\n\
        xdp-prog/src/lib.rs:\nxdp-prog/src/my\\ abi.rs:\n\n# env-dep:SEED=1\n# env-dep:KEY\n";

    #[test]
    fn every_source_file_is_in_the_list_of_dependencies() {
        assert_eq!(
            files(LIST, Path::new("/dsr")),
            [
                Path::new("/dsr/xdp-prog/src/lib.rs"),
                Path::new("/dsr/xdp-prog/src/my abi.rs")
            ]
        );
    }

    #[test]
    fn every_variable_is_in_the_list_of_dependencies() {
        assert_eq!(variables(LIST), ["SEED", "KEY"]);
    }
}
