//! Opens libLLVM and makes its BPF back end ready.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

use super::api::Api;

/// Settings of the back end that exist as command line options alone.
const OPTIONS: [&CStr; 2] = [
    c"build-support",
    // Else `unreachable` becomes a call of `__bpf_trap`, which only the newest
    // kernels have.
    c"--bpf-disable-trap-unreachable",
];

/// An open libLLVM. It stays open until the process ends, because it has
/// destructors of its own that run then.
#[derive(Clone, Copy)]
pub struct Library {
    pub(super) api: &'static Api,
    version: Version,
}

/// A version of LLVM: `22.1.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number, which a new set of features raises.
    pub major: u32,
    minor: u32,
    patch: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Why a file cannot serve as libLLVM.
#[derive(Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The dynamic linker refuses it, for the reason that it gives.
    NotLoadable(String),
    /// It is a shared library of another kind.
    NotLlvm,
    /// It is LLVM, built without the BPF target.
    NoBpf,
    /// It is LLVM, but too old to have this function.
    TooOld(&'static str),
    /// This process is linked statically, and can open no library at all.
    StaticProcess,
}

/// The libraries that are open: each is made ready once.
static OPEN: Mutex<Vec<(PathBuf, Library)>> = Mutex::new(Vec::new());

impl Library {
    /// Opens the library at `path`; a mere file name is searched for where the
    /// dynamic linker looks.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        if cfg!(target_feature = "crt-static") {
            return Err(OpenError::StaticProcess);
        }
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, library)) = open.iter().find(|(other, _)| other == path) {
            return Ok(*library);
        }
        // SAFETY: opening runs the constructors of the library. It is the one
        // that rustc itself is linked with, or the one that the user names: in
        // both cases as trusted as the compiler.
        let file = unsafe { libloading::Library::new(path) }
            .map_err(|error| OpenError::NotLoadable(error.to_string()))?;
        let file = Box::leak(Box::new(file));
        let api = Api::find(file).map_err(missing)?;
        let library = Self::prepare(Box::leak(Box::new(api)));
        open.push((path.to_owned(), library));
        Ok(library)
    }

    /// The version of LLVM.
    pub fn version(self) -> Version {
        self.version
    }

    /// Registers the BPF back end and sets its options. LLVM allows that one
    /// thread at a time, which the lock of [`OPEN`] sees to.
    fn prepare(api: &'static Api) -> Self {
        // SAFETY: registers a target; may be called at any time.
        unsafe { (api.LLVMInitializeBPFTargetInfo)() };
        // SAFETY: as above.
        unsafe { (api.LLVMInitializeBPFTarget)() };
        // SAFETY: as above.
        unsafe { (api.LLVMInitializeBPFTargetMC)() };
        // SAFETY: as above.
        unsafe { (api.LLVMInitializeBPFAsmPrinter)() };

        let arguments = OPTIONS.map(CStr::as_ptr);
        #[expect(clippy::cast_possible_truncation, reason = "two options")]
        #[expect(clippy::cast_possible_wrap, reason = "two options")]
        let count = arguments.len() as c_int;
        // SAFETY: `count` pointers to strings that are never freed. An option
        // that an older LLVM does not know is ignored.
        unsafe { (api.LLVMParseCommandLineOptions)(count, arguments.as_ptr(), c"".as_ptr()) };
        // SAFETY: the handler is a function, which lives as long as the process.
        unsafe { (api.LLVMInstallFatalErrorHandler)(give_up) };

        let [mut major, mut minor, mut patch]: [c_uint; 3] = [0; 3];
        // SAFETY: three places for three numbers.
        unsafe { (api.LLVMGetVersion)(&raw mut major, &raw mut minor, &raw mut patch) };
        let version = Version {
            major,
            minor,
            patch,
        };
        Self { api, version }
    }
}

/// What the absence of a function says about a library.
fn missing(function: &'static str) -> OpenError {
    match function {
        "LLVMContextCreate" => OpenError::NotLlvm,
        name if name.contains("BPF") => OpenError::NoBpf,
        name => OpenError::TooOld(name),
    }
}

/// LLVM calls this when it cannot go on, and would abort the process next. The
/// inspection refuses all that is known to lead here; should something slip
/// through, it ends with a sentence and a failure.
extern "C" fn give_up(reason: *const c_char) {
    let reason = super::message(reason);
    let reason = reason.lines().next().unwrap_or("no reason given");
    let mut out = io::stderr().lock();
    // Nothing can be done about a closed stderr.
    let _ = writeln!(
        out,
        "error: LLVM has no BPF instruction for something in the program, which the \
         inspection of build-support does not know yet, and gives up: {reason}"
    );
    #[expect(clippy::exit, reason = "LLVM must not be returned to")]
    process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_function_tells_what_kind_of_library_it_is() {
        assert_eq!(missing("LLVMContextCreate"), OpenError::NotLlvm);
        assert_eq!(missing("LLVMInitializeBPFTarget"), OpenError::NoBpf);
        assert_eq!(
            missing("LLVMGetVersion"),
            OpenError::TooOld("LLVMGetVersion")
        );
    }
}
