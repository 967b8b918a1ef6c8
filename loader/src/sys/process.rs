//! Copies of this process, and programs that it starts.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitStatus, Stdio};

/// Descriptors of a copy: the one that it is given, and the one by which it says
/// that it stands.
const KEPT: RawFd = 3;
const READY: RawFd = 4;

/// The end of the line that this process holds. The copy hears when it is dropped,
/// and when this process ends in whatever way.
#[derive(Debug)]
pub struct Line(#[allow(dead_code, reason = "held open")] OwnedFd);

/// A process, by its number. Only its parent may rely on that, until it has reaped
/// it: then the number may be given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(libc::pid_t);

/// Starts a copy of this process that holds nothing of what this one has open. It
/// runs `work` once the line to it is dropped, and ends. Else as [`copy_with`].
///
/// # Errors
///
/// The kernel starts no process, or it ended before it stood apart.
pub fn copy_apart(work: impl FnOnce()) -> io::Result<Line> {
    let (hears, speaks) = io::pipe()?;
    copy_with(hears.into(), |hears| {
        if File::from(hears).read_to_end(&mut Vec::new()).is_ok() {
            work();
        }
    })?;
    Ok(Line(speaks.into()))
}

/// Starts a copy of this process, with a session of its own, `/` as its directory,
/// and `kept` alone of what this one has open. It runs `work` with that, and ends.
/// When this returns, the copy stands apart already.
///
/// Call it while this process has one thread and no lock held by others' work: the
/// copy has this one alone.
///
/// # Errors
///
/// The kernel starts no process, or it ended before it stood apart.
pub fn copy_with(kept: OwnedFd, work: impl FnOnce(OwnedFd)) -> io::Result<Pid> {
    let (is_told, tells) = io::pipe()?;
    // SAFETY: takes nothing. The child has a copy of all memory; glibc keeps its
    // own locks usable there, and this program starts no thread before.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Numbers from here on: they are given out anew, and nothing is
            // closed by its owner's end.
            let [kept, tells] = [kept.into_raw_fd(), tells.into_raw_fd()];
            let run = AssertUnwindSafe(|| child(kept, tells, work));
            let is_done = catch_unwind(run).is_ok_and(|done| done.is_ok());
            // SAFETY: ends the process, without what the parent's exit would do,
            // such as writing out what stands in its buffers.
            unsafe { libc::_exit(c_int::from(!is_done)) }
        }
        pid => {
            drop((kept, tells));
            let mut byte = [0];
            File::from(OwnedFd::from(is_told)).read_exact(&mut byte)?;
            Ok(Pid(pid))
        }
    }
}

fn child(kept: RawFd, tells: RawFd, work: impl FnOnce(OwnedFd)) -> io::Result<()> {
    // SAFETY: takes nothing.
    checked(unsafe { libc::setsid() })?;
    // SAFETY: a path that ends with a NUL.
    checked(unsafe { libc::chdir(c"/".as_ptr()) })?;
    // Standard input ends at once, and what is said goes nowhere: a pipe whose
    // ends are closed on the other side. That takes no /dev.
    let (empty, writer) = io::pipe()?;
    let (reader, nowhere) = io::pipe()?;
    drop((writer, reader));
    let [empty, nowhere] = [empty.into_raw_fd(), nowhere.into_raw_fd()];
    // Above those that are to be given out: one must not land on another.
    let high = |fd: RawFd| {
        // SAFETY: takes numbers, and gives a new descriptor.
        checked(unsafe { libc::fcntl(fd, libc::F_DUPFD, READY + 1) })
    };
    let wanted = [
        (high(empty)?, 0),
        (high(nowhere)?, 1),
        (high(nowhere)?, 2),
        (high(kept)?, KEPT),
        (high(tells)?, READY),
    ];
    for (from, to) in wanted {
        // Programs get the first three alone.
        let flags = if to < KEPT { 0 } else { libc::O_CLOEXEC };
        // SAFETY: takes numbers. What had the number `to` is closed: this process
        // ends without using it again.
        checked(unsafe { libc::dup3(from, to, flags) })?;
    }
    // Everything else, also what the caller's shell had open. Linux 5.9.
    let above = (READY + 1).cast_unsigned();
    // SAFETY: takes numbers; nothing that is open above is used again.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, above, u32::MAX, 0u32) };
    if closed < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: opened above, and owned by nothing else.
    let mut ready = File::from(unsafe { OwnedFd::from_raw_fd(READY) });
    // SAFETY: as above.
    let kept = unsafe { OwnedFd::from_raw_fd(KEPT) };
    ready.write_all(&[1])?;
    drop(ready);
    work(kept);
    Ok(())
}

/// Starts a program with a session of its own, `/` as its directory and this
/// environment alone. It reads nothing, and what it writes goes to `/dev/null`. The
/// kernel kills it (but not what it has started) when the calling thread ends.
///
/// # Errors
///
/// There is no such program, it cannot be executed, or there is no `/dev/null`.
pub fn start_program(
    program: &str,
    arguments: &[String],
    env: &[(String, String)],
) -> io::Result<Pid> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // SAFETY: takes nothing.
    let parent = unsafe { libc::getpid() };
    let before = move || {
        // SAFETY: takes nothing.
        checked(unsafe { libc::setsid() })?;
        end_with_parent()?;
        // The parent may have ended before that was asked for.
        // SAFETY: takes nothing.
        if unsafe { libc::getppid() } == parent {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: the closure makes system calls alone: it allocates nothing and takes
    // no lock.
    unsafe { command.pre_exec(before) };
    let child = command.spawn()?;
    Ok(Pid(child.id().cast_signed()))
}

/// What there is to hear of children that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This one has, and how. Its number is free now.
    One(Pid, ExitStatus),
    /// There are children, and none of them has ended.
    NoneYet,
    /// There are no children.
    NoneLeft,
}

/// Reaps one child that has ended, if there is one (`waitpid` with `WNOHANG`).
///
/// # Errors
///
/// What the kernel says.
pub fn reap() -> io::Result<Reaped> {
    let mut status = 0;
    // SAFETY: the kernel writes an integer, which outlives the call.
    match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
        0 => Ok(Reaped::NoneYet),
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(Reaped::NoneLeft),
            error => Err(error),
        },
        pid => Ok(Reaped::One(Pid(pid), ExitStatus::from_raw(status))),
    }
}

impl Pid {
    /// The process with this number; none for what is no such number.
    #[must_use]
    pub fn new(number: i32) -> Option<Self> {
        // 0 and negative numbers are groups, or all processes there are.
        (number > 1).then_some(Self(number))
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }

    /// This process.
    #[must_use]
    pub fn own() -> Self {
        // SAFETY: takes nothing.
        Self(unsafe { libc::getpid() })
    }

    /// The parent of this process.
    #[must_use]
    pub fn of_parent() -> Self {
        // SAFETY: takes nothing.
        Self(unsafe { libc::getppid() })
    }

    /// A descriptor that can be read from when the process has ended
    /// (`pidfd_open`, Linux 5.3).
    ///
    /// # Errors
    ///
    /// There is no such process.
    pub fn watch(self) -> io::Result<OwnedFd> {
        // SAFETY: takes numbers, and gives a new descriptor or -1.
        let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, self.0, 0u32) };
        let fd = RawFd::try_from(answer).map_err(io::Error::other)?;
        checked(fd)?;
        // SAFETY: has just been opened, and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Kills it (`SIGKILL`). That there is none any more is no error.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn kill(self) -> io::Result<()> {
        killed(self.0)
    }

    /// Kills all of the process group that has its number.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn kill_group(self) -> io::Result<()> {
        killed(-self.0)
    }

    /// Reaps this child if it has ended, and tells whether it had.
    ///
    /// # Errors
    ///
    /// It is no child of this process.
    pub fn reap(self) -> io::Result<bool> {
        // SAFETY: takes numbers; the kernel writes nothing where the pointer is null.
        let answer = unsafe { libc::waitpid(self.0, std::ptr::null_mut(), libc::WNOHANG) };
        Ok(checked(answer)? == self.0)
    }
}

fn killed(target: libc::pid_t) -> io::Result<()> {
    // SAFETY: takes numbers.
    match checked(unsafe { libc::kill(target, libc::SIGKILL) }) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

fn checked(answer: c_int) -> io::Result<c_int> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}

/// The kernel kills this process (`SIGKILL`) when the thread that started it ends.
/// Copies of it are not.
///
/// # Errors
///
/// What the kernel says.
pub fn end_with_parent() -> io::Result<()> {
    let signal = libc::c_ulong::from(libc::SIGKILL.unsigned_abs());
    // SAFETY: takes numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) })?;
    Ok(())
}

/// This process becomes the parent of descendants whose own parent has ended
/// (`PR_SET_CHILD_SUBREAPER`, Linux 3.4). Copies of it do not.
///
/// # Errors
///
/// What the kernel says.
pub fn adopt_orphans() -> io::Result<()> {
    let yes: libc::c_ulong = 1;
    // SAFETY: takes numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes) })?;
    Ok(())
}
