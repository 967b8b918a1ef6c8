//! Finds the compiler, and the LLVM that reads what it writes.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use object::read::elf::{Dyn, ElfFile64};
use object::{Endianness, ReadCache, elf};

use crate::llvm::{Library, OpenError, Unreadable};

/// The variable that names another libLLVM than rustc's own.
pub const OVERRIDE: &str = "DSR_LIBLLVM";

/// What Cargo says about the build of the loader: its flags, its wrappers. A
/// rustc that is a wrapper itself could read them.
const NOT_FOR_US: [&str; 7] = [
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "RUSTC_LINKER",
    "TARGET",
];

/// A rustc, and where its LLVM is.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// The compiler: a path, or a name to be searched for.
    pub rustc: PathBuf,
    /// The libLLVM to use instead of the one that rustc is linked with.
    pub libllvm: Option<PathBuf>,
}

impl Toolchain {
    /// As Cargo and the user set it: `RUSTC` and [`OVERRIDE`].
    pub fn from_environment() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            rustc: set("RUSTC")
                .unwrap_or_else(|| OsString::from("rustc"))
                .into(),
            libllvm: set(OVERRIDE).map(PathBuf::from),
        }
    }

    /// A run of rustc, to be given arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.rustc);
        for variable in NOT_FOR_US {
            command.env_remove(variable);
        }
        command
    }

    /// Where the toolchain is installed.
    pub fn sysroot(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(self.ask(&["--print", "sysroot"])?.trim_end()))
    }

    /// Opens LLVM. Every error says in one sentence what is wrong and what to
    /// set.
    pub fn open_llvm(&self) -> Result<Library> {
        let path = match &self.libllvm {
            Some(path) => {
                ensure!(
                    path.exists(),
                    "{OVERRIDE} names {}, which does not exist: {}",
                    path.display(),
                    self.remedy()
                );
                path.clone()
            }
            None => self.own_llvm()?,
        };
        Library::open(&path).map_err(|error| anyhow!(self.explain(&path, &error)))
    }

    /// What it means that LLVM does not accept the bitcode.
    pub fn explain_unreadable(&self, library: Library, error: &Unreadable) -> String {
        let llvm = library.version();
        match error {
            Unreadable::Bitcode(said) => format!(
                "LLVM {llvm} cannot read the bitcode of rustc, which has LLVM {} (it says \
                 \"{said}\"): {}",
                self.llvm_version()
                    .unwrap_or_else(|| "of its own".to_owned()),
                self.remedy()
            ),
            Unreadable::Layout => "rustc compiles for a host that is not 64-bit and \
                little-endian, whose code is no BPF code: build on another host"
                .to_owned(),
        }
    }

    fn explain(&self, path: &Path, error: &OpenError) -> String {
        let path = path.display();
        let remedy = self.remedy();
        match error {
            OpenError::NotLoadable(reason) => {
                format!("{path} cannot be opened ({reason}): {remedy}")
            }
            OpenError::NotLlvm => format!("{path} is not LLVM: {remedy}"),
            OpenError::NoBpf => format!("{path} was built without the BPF target: {remedy}"),
            OpenError::TooOld(function) => {
                format!("{path} is too old an LLVM (it lacks {function}): {remedy}")
            }
            OpenError::StaticProcess => "this process is linked statically and cannot open \
                libLLVM: build with an explicit target, as with --target or build.target = \
                \"host-tuple\", so that the flag crt-static does not reach build scripts"
                .to_owned(),
        }
    }

    /// What to do about an LLVM that cannot be used.
    fn remedy(&self) -> String {
        let version = self.llvm_version();
        let major = version
            .as_deref()
            .and_then(|version| version.split('.').next());
        match major {
            Some(major) => format!(
                "set {OVERRIDE}=/path/to/libLLVM.so to an LLVM {major} or newer with the BPF \
                 target, such as that of Debian's package libllvm{major}"
            ),
            None => format!(
                "set {OVERRIDE}=/path/to/libLLVM.so to an LLVM that is as new as rustc's and \
                 has the BPF target, such as that of Debian's packages libllvm*"
            ),
        }
    }

    /// The version of LLVM that rustc names as its own.
    fn llvm_version(&self) -> Option<String> {
        let about = self.ask(&["-vV"]).ok()?;
        let version = about
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))?;
        Some(version.trim().to_owned())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let asked = || format!("run {} {}", self.rustc.display(), arguments.join(" "));
        let answer = self
            .command()
            .args(arguments)
            .output()
            .with_context(asked)?;
        ensure!(
            answer.status.success(),
            "{}: {}",
            asked(),
            String::from_utf8_lossy(&answer.stderr).trim_end()
        );
        String::from_utf8(answer.stdout).with_context(asked)
    }

    /// The libLLVM that rustc itself is linked with.
    fn own_llvm(&self) -> Result<PathBuf> {
        let lib = self.sysroot()?.join("lib");
        let Some(driver) = find_driver(&lib) else {
            bail!(
                "there is no librustc_driver-*.so below {} that would name rustc's LLVM: {}",
                lib.display(),
                self.remedy()
            );
        };
        let needed = needed_libraries(&driver)?;
        let Some(name) = needed.iter().find(|name| name.starts_with("libLLVM")) else {
            bail!(
                "{} has LLVM linked into it, not as a library: {}",
                driver.display(),
                self.remedy()
            );
        };
        // Rustup puts both into one directory, distributions leave LLVM to the
        // dynamic linker.
        let beside = driver.with_file_name(name);
        Ok(if beside.exists() {
            beside
        } else {
            PathBuf::from(name)
        })
    }
}

/// rustc's main library: in the directory for libraries, or, as distributions
/// have it, in one for this kind of machine below that.
fn find_driver(lib: &Path) -> Option<PathBuf> {
    let mut directories = entries(lib);
    directories.retain(|path| path.is_dir());
    directories.insert(0, lib.to_owned());
    let is_driver = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.starts_with("librustc_driver-") && name.ends_with(".so")
    };
    directories
        .iter()
        .find_map(|directory| entries(directory).into_iter().find(is_driver))
}

/// What is in a directory, in the order of the names.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The libraries that an ELF file asks the dynamic linker for.
fn needed_libraries(path: &Path) -> Result<Vec<String>> {
    let asked = || format!("read the dynamic section of {}", path.display());
    let file = fs::File::open(path).with_context(asked)?;
    // Of a file of 150 MB only a few pages are wanted.
    let cache = ReadCache::new(file);
    let elf = ElfFile64::<Endianness, _>::parse(&cache).with_context(asked)?;
    let (endian, sections) = (elf.endian(), elf.elf_section_table());
    let dynamic = sections.dynamic(endian, &cache).with_context(asked)?;
    let Some((entries, link)) = dynamic else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, &cache, link).with_context(asked)?;
    entries
        .iter()
        .filter(|entry| entry.tag(endian) == elf::DT_NEEDED)
        .map(|entry| {
            let name = entry.string(endian, strings).with_context(asked)?;
            Ok(String::from_utf8_lossy(name).into_owned())
        })
        .collect()
}
