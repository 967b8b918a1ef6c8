//! A copy of this process that outlives it.

use std::ffi::c_int;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Descriptors that the copy keeps: of its end of the line to this process, and of
/// the one by which it says that it stands.
const LINE: RawFd = 3;
const READY: RawFd = 4;

/// The end of the line that this process holds. The copy hears when it is dropped,
/// and when this process ends in whatever way.
#[derive(Debug)]
pub struct Line(#[allow(dead_code, reason = "held open")] OwnedFd);

/// Starts a copy of this process, with a session of its own, that holds nothing of
/// what this one has open. It runs `work` once the line to it is dropped, and ends.
/// When this returns, the copy stands apart already.
///
/// Call it while this process has one thread and no lock held by others' work: the
/// copy has this one alone.
///
/// # Errors
///
/// The kernel starts no process, or it ended before it stood apart.
pub fn copy_apart(work: impl FnOnce()) -> io::Result<Line> {
    let (hears, speaks) = io::pipe()?;
    let (is_told, tells) = io::pipe()?;
    // SAFETY: takes nothing. The child has a copy of all memory; glibc keeps its
    // own locks usable there, and this program starts no thread before.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // Numbers from here on: they are given out anew, and nothing is
            // closed by its owner's end.
            let [hears, tells] = [hears.into_raw_fd(), tells.into_raw_fd()];
            let run = AssertUnwindSafe(|| child(hears, tells, work));
            let is_done = catch_unwind(run).is_ok_and(|done| done.is_ok());
            // SAFETY: ends the process, without what the parent's exit would do,
            // such as writing out what stands in its buffers.
            unsafe { libc::_exit(c_int::from(!is_done)) }
        }
        _ => {
            drop((hears, tells));
            let mut byte = [0];
            File::from(OwnedFd::from(is_told)).read_exact(&mut byte)?;
            Ok(Line(speaks.into()))
        }
    }
}

fn child(hears: RawFd, tells: RawFd, work: impl FnOnce()) -> io::Result<()> {
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
        (high(hears)?, LINE),
        (high(tells)?, READY),
    ];
    for (from, to) in wanted {
        // SAFETY: takes numbers. What had the number `to` is closed: this process
        // ends without using it again.
        checked(unsafe { libc::dup2(from, to) })?;
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
    let mut line = File::from(unsafe { OwnedFd::from_raw_fd(LINE) });
    ready.write_all(&[1])?;
    drop(ready);
    line.read_to_end(&mut Vec::new())?;
    drop(line);
    work();
    Ok(())
}

fn checked(answer: c_int) -> io::Result<c_int> {
    match answer {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer),
    }
}
