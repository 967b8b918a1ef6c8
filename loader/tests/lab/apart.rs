//! A piece of a test in a process of its own: it may give up rights, or be killed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::panic;
use std::process::ExitStatus;

use dsrload::sys::process::{Pid, copy_with, end_with_parent};

use super::deadline::wait_for;

/// Runs `work` in a copy of this process that has one thread, `/` as its directory
/// and no descriptor, and panics as it does.
///
/// The copy has the test's memory as it was, so nothing that keeps descriptors for
/// the whole process, such as tokio's runtime, may have been used in the test.
pub fn apart(work: impl FnOnce()) {
    let (said, status) = ended_apart(work);
    assert!(status.success() && said.is_empty(), "{status}: {said}");
}

/// The same, but what it says when it panics and how it ends is told.
pub fn ended_apart(work: impl FnOnce()) -> (String, ExitStatus) {
    let (mut reads, writes) = std::io::pipe().expect("a pipe");
    let copy = copy_with(writes.into(), |writes| {
        // Nothing is left of a test that is killed. The kernel means the thread by
        // that, which waits for this process.
        end_with_parent().expect("an end with the test");
        let writes = File::from(writes);
        panic::set_hook(Box::new(move |panic| {
            let mut writes = &writes;
            let _ = write!(writes, "{panic} ");
        }));
        work();
    })
    .expect("a process");
    let mut said = String::new();
    reads.read_to_string(&mut said).expect("what it says");
    (said, wait_for("its end", || status(copy)))
}

/// How a child ended, if it has.
fn status(child: Pid) -> Option<ExitStatus> {
    let mut status = 0;
    // SAFETY: the kernel writes an integer, which outlives the call.
    let pid = unsafe { libc::waitpid(child.number(), &raw mut status, libc::WNOHANG) };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    (pid > 0).then(|| ExitStatus::from_raw(status))
}
