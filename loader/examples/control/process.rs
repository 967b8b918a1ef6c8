//! Running one command, and what it took.

use super::stand::COMPLAINTS;
use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A command: the program, and its arguments.
pub type Line = Vec<String>;

/// What a command took.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// Wall time from before the fork until its end was known.
    pub milliseconds: f64,
    /// The most memory that it had in RAM at a time, tables that it had mapped
    /// included. The kernel counts what we had ourselves when it was forked, too,
    /// so nothing is below that.
    pub peak_kib: f64,
}

/// A command of a program and arguments that are split at spaces.
#[must_use]
pub fn line(program: &str, arguments: &str) -> Line {
    let arguments = arguments.split_whitespace().map(str::to_owned);
    std::iter::once(program.to_owned())
        .chain(arguments)
        .collect()
}

/// Runs a command to its end.
///
/// # Errors
///
/// It cannot be started, or ends with another code than 0: with what it said.
pub fn run(line: &Line) -> io::Result<Spent> {
    let (program, arguments) = line
        .split_first()
        .ok_or_else(|| io::Error::other("an empty command"))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
        .stdout(Stdio::null())
        .stderr(File::create(COMPLAINTS)?);
    let start = Instant::now();
    let child = command
        .spawn()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    let (status, peak_kib) = wait(child.id())?;
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    if status == 0 {
        return Ok(Spent {
            milliseconds,
            peak_kib,
        });
    }
    let said = fs::read_to_string(COMPLAINTS)?;
    let typed: String = line.join(" ").chars().take(200).collect();
    Err(io::Error::other(format!(
        "{typed}: wait status {status:#x}: {}",
        said.trim()
    )))
}

/// Runs a command for its answer.
///
/// # Errors
///
/// It cannot be started, or ends with another code than 0.
pub fn answer(line: &Line) -> io::Result<String> {
    let (program, arguments) = line
        .split_first()
        .ok_or_else(|| io::Error::other("an empty command"))?;
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(io::Error::other);
    }
    Err(io::Error::other(format!(
        "{}: {}: {}",
        line.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

/// Waits for a child; its wait status, and the most memory that it had, in KiB.
fn wait(child: u32) -> io::Result<(i32, f64)> {
    let child = libc::pid_t::try_from(child).map_err(io::Error::other)?;
    loop {
        let mut status = 0;
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the kernel writes one number and one structure, of both of which
        // we are the owners.
        let ended = unsafe { libc::wait4(child, &raw mut status, 0, usage.as_mut_ptr()) };
        if ended == child {
            // SAFETY: all zeros are a valid `rusage`, as is what the kernel wrote.
            let usage = unsafe { usage.assume_init() };
            let peak = i32::try_from(usage.ru_maxrss).map_err(io::Error::other)?;
            return Ok((status, f64::from(peak)));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_program_and_words() {
        assert_eq!(line("/a b/c", "d  e"), ["/a b/c", "d", "e"]);
        assert_eq!(line("a", ""), ["a"]);
    }
}
