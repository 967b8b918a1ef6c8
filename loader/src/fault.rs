//! Errors as the operator meets them: one sentence and an exit code.

use std::{fmt, io};

/// What went wrong, as the exit code tells it. Documented in README.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Could not be done.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// The services that are described cannot be: duplicates, limits, a
    /// backend off the segment.
    Invalid = 3,
    /// A capability is missing.
    Permission = 4,
    /// The kernel or the driver refused, in its own words.
    Refused = 5,
    /// The interface is busy with somebody else's program.
    Busy = 6,
}

/// An error with its exit code.
#[derive(Debug)]
pub struct Fault {
    /// Decides the exit code.
    pub kind: Kind,
    /// What was wrong, where, and what to do about it.
    pub message: String,
}

impl Fault {
    /// A fault of this kind.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// `fault!(Invalid, "backend {address} ...")`: an `anyhow` error of that kind.
#[macro_export]
macro_rules! fault {
    ($kind:ident, $($message:tt)+) => {
        ::anyhow::Error::new($crate::fault::Fault::new(
            $crate::fault::Kind::$kind,
            format!($($message)+),
        ))
    };
}

/// The exit code of an error: its fault's, or that of a plain failure.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Fault>())
        .map_or(Kind::Failed, |fault| fault.kind) as u8
}

/// Whether it is that whoever read the answer has closed it, as `head` does.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn context_around_a_fault_keeps_its_exit_code() {
        let error = Err::<(), _>(fault!(Busy, "eth0 is taken")).context("load");
        assert_eq!(exit_code(&error.expect_err("a fault")), 6);
        assert_eq!(exit_code(&anyhow::anyhow!("anything else")), 1);
    }
}
