//! Compiles the XDP program from Rust source to a BPF object, with nothing but
//! the stable toolchain that compiles the loader.
//!
//! That toolchain has no BPF target, but its LLVM does. So rustc makes bitcode
//! for the host, where `core` exists, and LLVM makes BPF code of it. [`compile`]
//! is the list of the steps; each is a module:
//!
//! 1. [`rustc`] compiles the crate to LLVM bitcode.
//! 2. [`toolchain`] finds the libLLVM that rustc itself is linked with, and
//!    [`llvm`] opens it: it reads what rustc wrote, whatever its version.
//! 3. [`pipeline`] changes the host's code into BPF's and optimizes it.
//! 4. [`inspect`] looks for what the kernel would refuse: every panic that is
//!    still reachable, for one. What passes cannot panic.
//! 5. [`alignment`] lets packets be read by words, and LLVM generates the object.
//! 6. [`elf`] and [`btf`] repair its type information and drop the rest of the
//!    debug info.

#![deny(unsafe_code)]

pub mod alignment;
pub mod btf;
pub mod elf;
pub mod inspect;
#[allow(
    unsafe_code,
    reason = "the only door to LLVM; the rules are in its mod.rs"
)]
pub mod llvm;
pub mod pipeline;
pub mod rustc;
pub mod sources;
pub mod symbol;
pub mod toolchain;

use std::ffi::CStr;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use inspect::Rules;
use llvm::Module;
use sources::Sources;
pub use toolchain::Toolchain;

/// What to compile.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The root file of the crate: `../xdp-prog/src/lib.rs`.
    pub source: &'a Path,
    /// The name of the crate: `xdp_prog`.
    pub crate_name: &'a str,
    /// The edition of the crate: `2024`.
    pub edition: &'a str,
    /// The BPF instruction set: `v3` (kernel 5.1) or `v4` (kernel 6.6).
    pub cpu: &'a str,
    /// The names of the statics that the loader knows. No other static may be
    /// put into `.maps`, `.bss*`, `.data*` or `.rodata.*` by `link_section`.
    pub tables: &'a [&'a str],
    /// The object file to write. The bitcode is left beside it.
    pub out: &'a Path,
}

/// A BPF instruction set that code can be generated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cpu {
    /// 32-bit arithmetic and comparisons: kernel 5.1.
    V3,
    /// Signed division, acquire loads and release stores: kernel 6.6 and later.
    V4,
}

impl Cpu {
    fn named(name: &str) -> Result<Self> {
        match name {
            "v3" => Ok(Self::V3),
            "v4" => Ok(Self::V4),
            _ => bail!("there is no BPF instruction set `{name}`: take v3 or v4"),
        }
    }

    /// LLVM's name for it.
    pub fn name(self) -> &'static CStr {
        match self {
            Self::V3 => c"v3",
            Self::V4 => c"v4",
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V3 => "v3",
            Self::V4 => "v4",
        })
    }
}

/// What an object was made from: when one of these changes, it is out of date.
#[derive(Debug)]
pub struct Inputs {
    /// The source files, absolute.
    pub files: Vec<PathBuf>,
    /// The environment variables that the source reads.
    pub variables: Vec<String>,
}

/// Compiles a crate, called by a build script: the compiler is the one that
/// Cargo names, and Cargo is told when to do it again.
///
/// # Errors
///
/// A sentence that says what is wrong with the toolchain, the messages of rustc,
/// or a line for each place in the source that cannot run in the kernel.
pub fn build(options: &Options) -> Result<()> {
    let toolchain = Toolchain::from_environment();
    let inputs = compile(options, &toolchain)?;
    let mut out = io::stdout().lock();
    for file in inputs.files.iter().chain(&toolchain.libllvm) {
        writeln!(out, "cargo::rerun-if-changed={}", file.display())?;
    }
    let own = [toolchain::OVERRIDE.to_owned()];
    for variable in inputs.variables.iter().chain(&own) {
        writeln!(out, "cargo::rerun-if-env-changed={variable}")?;
    }
    Ok(())
}

/// Compiles a crate with a given toolchain.
///
/// # Errors
///
/// As for [`build`].
pub fn compile(options: &Options, toolchain: &Toolchain) -> Result<Inputs> {
    let sources = Sources::of(options.source)?;
    let rules = Rules {
        sources: &sources,
        cpu: Cpu::named(options.cpu)?,
        tables: options.tables,
    };
    let bitcode = rustc::compile(options, &sources, toolchain)?;
    let object = generate(&bitcode.bytes, toolchain, &rules)?;
    let object = elf::finish(&object, &sources)?;
    fs::write(options.out, object)
        .with_context(|| format!("write the object {}", options.out.display()))?;
    Ok(Inputs {
        files: bitcode.files,
        variables: bitcode.variables,
    })
}

/// From bitcode to an object as LLVM writes it.
fn generate(bitcode: &[u8], toolchain: &Toolchain, rules: &Rules) -> Result<Vec<u8>> {
    let library = toolchain.open_llvm()?;
    let mut module = Module::read(library, bitcode, rules.cpu.name())
        .map_err(|error| anyhow!(toolchain.explain_unreadable(library, &error)))?;
    pipeline::prepare(&module);
    pipeline::optimize(&mut module)?;
    inspect::inspect(&module, rules)?;
    alignment::claim(&module);
    module
        .emit()
        .map_err(|said| inspect::refused_by_llvm(&module, &said, rules))
}
