//! What the agent gives up once it has all that it needs.
//!
//! It reads packets of strangers (answers to checks, requests for its page), so it
//! keeps no more rights than its work takes: three capabilities, the files below,
//! and the system calls in `filter`. Each fence stands alone; Landlock is left out
//! where the kernel has none, and nothing else is.

mod files;
mod filter;

use crate::sys::capabilities::{
    Capabilities, Capability, bound, keep_only, no_new_privileges, permitted,
};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The variable that says what the filter of system calls does: `log` or `off`.
pub const SECCOMP_VARIABLE: &str = "DSRLOAD_SECCOMP";

/// What the agent's work takes, besides what it always takes.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Files, and directories with all below, that are read: see [`places`]. What is
    /// not there now cannot be read later, and links in them that lead out of them
    /// cannot be followed.
    pub reads: Vec<PathBuf>,
    /// The directory of pins, which is written; made if it is missing and can be.
    pub pins: Option<PathBuf>,
    /// Whether raw and packet sockets are opened, that is CAP_NET_RAW.
    pub raw_sockets: bool,
    /// What the filter of system calls does.
    pub seccomp: Seccomp,
}

/// What is done with a system call that the agent has no business with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seccomp {
    /// It fails (`EPERM`), or, where nothing but an intruder would make it, the
    /// process is killed.
    #[default]
    Enforce,
    /// It is done, and the kernel's log tells its number: to find out what is missing.
    Log,
    /// It is done.
    Off,
}

impl Seccomp {
    /// What [`SECCOMP_VARIABLE`] says.
    #[must_use]
    pub fn from_env() -> Self {
        Self::named(&std::env::var(SECCOMP_VARIABLE).unwrap_or_default())
    }

    /// Anything but its two words is `Enforce`.
    fn named(word: &str) -> Self {
        match word {
            "log" => Self::Log,
            "off" => Self::Off,
            _ => Self::Enforce,
        }
    }
}

/// The directories by which a file is read, and what takes its place later: its own,
/// and that of what it is a link to.
#[must_use]
pub fn places(file: &Path) -> Vec<PathBuf> {
    let meant = fs::canonicalize(file).ok();
    let directories = [Some(file), meant.as_deref()].into_iter().flatten();
    let directories = directories.filter_map(Path::parent).map(|directory| {
        // The parent of a bare name is empty.
        let is_here = directory.as_os_str().is_empty();
        if is_here { Path::new(".") } else { directory }.to_owned()
    });
    directories.collect()
}

/// Why the agent is not confined.
#[derive(Debug)]
pub enum Error {
    /// It has this many threads: those besides the caller's would keep all rights.
    Threads(usize),
    /// `PR_SET_NO_NEW_PRIVS` failed.
    Privileges(io::Error),
    /// Capabilities could not be dropped.
    Capabilities(io::Error),
    /// Landlock is there, and refused; in its words.
    Landlock(String),
    /// The filter of system calls was refused; in its words.
    Seccomp(String),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads(count) => write!(out, "there are {count} threads already"),
            Self::Privileges(error) => write!(out, "PR_SET_NO_NEW_PRIVS: {error}"),
            Self::Capabilities(error) => write!(out, "drop capabilities: {error}"),
            Self::Landlock(why) => write!(out, "Landlock: {why}"),
            Self::Seccomp(why) => write!(out, "seccomp: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// What the process still holds. As text, a sentence for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Names of capabilities.
    pub capabilities: Vec<&'static str>,
    /// What Landlock does, in words.
    pub files: String,
    /// What the filter of system calls does, in words.
    pub calls: String,
}

impl fmt::Display for Held {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capabilities = match self.capabilities.as_slice() {
            [] => "no capability".to_owned(),
            names => names.join(", "),
        };
        write!(out, "holds {capabilities}; {}; {}", self.files, self.calls)
    }
}

/// Confines this process, for good. Call it in its only thread: others that it
/// starts later are confined as it is. From then on nothing can be executed.
///
/// # Errors
///
/// Something of it could not be done; what was done before that stays.
pub fn confine(needs: &Needs) -> Result<Held, Error> {
    let threads = threads();
    if threads > 1 {
        return Err(Error::Threads(threads));
    }
    no_new_privileges().map_err(Error::Privileges)?;
    let files = files::restrict(needs).map_err(Error::Landlock)?;
    let capabilities = give_up(needs.raw_sockets).map_err(Error::Capabilities)?;
    let calls = filter::install(needs.seccomp).map_err(Error::Seccomp)?;
    Ok(Held {
        capabilities,
        files,
        calls,
    })
}

/// Threads of this process; 1 where `/proc` does not tell.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Drops all capabilities that are not needed, and names those that are left.
fn give_up(raw_sockets: bool) -> io::Result<Vec<&'static str>> {
    let permitted = permitted()?;
    let kept = kept(permitted, raw_sockets);
    let set = Capabilities::of(&kept.iter().map(|&(kept, _)| kept).collect::<Vec<_>>());
    if permitted.has(Capability::SETPCAP) {
        bound(set)?;
    }
    keep_only(set)?;
    Ok(kept.into_iter().map(|(_, name)| name).collect())
}

/// Those of what is permitted that the work takes. CAP_SYS_ADMIN stands for those
/// of BPF where these are missing, as in the kernel.
fn kept(permitted: Capabilities, raw_sockets: bool) -> Vec<(Capability, &'static str)> {
    let of_bpf = [Capability::BPF, Capability::PERFMON];
    let has_bpf = of_bpf.iter().all(|&capability| permitted.has(capability));
    let needed = [
        (Capability::BPF, "CAP_BPF", true),
        (Capability::NET_ADMIN, "CAP_NET_ADMIN", true),
        (Capability::PERFMON, "CAP_PERFMON", true),
        (Capability::NET_RAW, "CAP_NET_RAW", raw_sockets),
        (Capability::SYS_ADMIN, "CAP_SYS_ADMIN", !has_bpf),
    ];
    needed
        .into_iter()
        .filter(|&(capability, _, is_needed)| is_needed && permitted.has(capability))
        .map(|(capability, name, _)| (capability, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(permitted: &[Capability], raw_sockets: bool) -> Vec<&'static str> {
        let kept = kept(Capabilities::of(permitted), raw_sockets);
        kept.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn no_more_is_kept_than_is_needed_and_there() {
        use Capability as C;
        let all = [
            C::BPF,
            C::NET_ADMIN,
            C::PERFMON,
            C::NET_RAW,
            C::SYS_ADMIN,
            C::SETPCAP,
        ];
        let three = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"];
        assert_eq!(names(&all, false), three);
        assert_eq!(names(&all, true), [&three[..], &["CAP_NET_RAW"]].concat());
        assert_eq!(names(&[C::NET_ADMIN], true), ["CAP_NET_ADMIN"]);
        assert_eq!(
            names(&[C::NET_ADMIN, C::SYS_ADMIN], false),
            ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]
        );
        assert_eq!(names(&[], true), [""; 0]);
    }

    #[test]
    fn a_word_that_is_mistyped_opens_nothing() {
        let words = ["log", "off", "", "of", "LOG"].map(Seccomp::named);
        use Seccomp::{Enforce, Log, Off};
        assert_eq!(words, [Log, Off, Enforce, Enforce, Enforce]);
    }

    #[test]
    fn what_is_held_is_one_sentence() {
        let held = Held {
            capabilities: vec!["CAP_BPF", "CAP_NET_ADMIN"],
            files: "Landlock keeps it to its files".to_owned(),
            calls: "seccomp to its system calls".to_owned(),
        };
        assert_eq!(
            held.to_string(),
            "holds CAP_BPF, CAP_NET_ADMIN; Landlock keeps it to its files; \
             seccomp to its system calls"
        );
        let none = Held {
            capabilities: vec![],
            ..held
        };
        assert!(none.to_string().starts_with("holds no capability; "));
    }
}
