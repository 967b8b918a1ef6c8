//! Compiles programs for the tests of `build-support`, in a process of their
//! own.
//!
//! The tests cannot do it themselves: this workspace links what it builds for
//! the target statically, tests among it, and a static process cannot open
//! libLLVM. Build scripts are for the host and linked dynamically, so the
//! driver is one: Cargo builds and runs it, and `DRIVER` is where it stays. A
//! process of its own also shows how a build ends when LLVM ends it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};

/// The program that compiles.
const DRIVER: &str = env!("DRIVER");

/// A fresh directory with one source file in it, removed when dropped.
pub struct Program {
    directory: PathBuf,
    source: PathBuf,
    cpu: &'static str,
    tables: Vec<String>,
    variables: Vec<(&'static str, PathBuf)>,
}

/// How a build ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it told Cargo.
    pub stdout: String,
    /// What it told the user.
    pub stderr: String,
}

impl Program {
    /// A program with this text, in a file of this name.
    ///
    /// # Errors
    ///
    /// If the directory or the file cannot be made.
    pub fn new(file: &str, text: &str) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = format!("build-support-{}-{number}", process::id());
        let directory = std::env::temp_dir().join(directory);
        let source = directory.join(file);
        fs::create_dir_all(source.parent().unwrap_or(&directory))?;
        fs::write(&source, text)?;
        Ok(Self {
            directory,
            source,
            cpu: "v3",
            tables: Vec::new(),
            variables: Vec::new(),
        })
    }

    /// Compiles for another instruction set than v3.
    #[must_use]
    pub fn cpu(mut self, cpu: &'static str) -> Self {
        self.cpu = cpu;
        self
    }

    /// Adds a static that the loader knows.
    #[must_use]
    pub fn table(mut self, name: &str) -> Self {
        self.tables.push(name.to_owned());
        self
    }

    /// Sets an environment variable for the build.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<PathBuf>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// The directory, for more files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The object that a build makes.
    #[must_use]
    pub fn object(&self) -> PathBuf {
        self.directory.join("out/xdp.o")
    }

    /// Runs the build.
    ///
    /// # Errors
    ///
    /// If the driver cannot be run.
    pub fn build(&self) -> io::Result<Outcome> {
        fs::create_dir_all(self.directory.join("out"))?;
        let mut command = Command::new(DRIVER);
        command
            .arg("build")
            .args([&self.source, &self.object()])
            .arg(self.cpu)
            .args(&self.tables);
        self.run(&mut command)
    }

    /// Generates code of the bitcode of an earlier build, without inspection.
    ///
    /// # Errors
    ///
    /// If the driver cannot be run.
    pub fn emit_unchecked(&self) -> io::Result<Outcome> {
        self.run(Command::new(DRIVER).arg("unchecked").arg(self.bitcode()))
    }

    /// The bitcode that a build makes.
    #[must_use]
    pub fn bitcode(&self) -> PathBuf {
        self.directory.join("out/xdp_prog.bc")
    }

    fn run(&self, command: &mut Command) -> io::Result<Outcome> {
        // The environment of a test is not that of a build.
        command.env_remove("DSR_LIBLLVM").env("RUST_BACKTRACE", "0");
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let output = command.envs(variables).output()?;
        Ok(Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A leftover in the directory for temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
