//! Which network namespace the calling thread is in.

use crate::sys::socket;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

/// `SO_NETNS_COOKIE` (asm-generic, that is all architectures but parisc and
/// sparc).
const SO_NETNS_COOKIE: i32 = 71;

/// The calling thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// The calling thread is in a new network namespace, with its loopback interface
/// alone, until this is dropped. Other threads stay where they are, and those
/// that this one starts begin where it is.
///
/// The namespace ends with its last thread and socket, however they end, and all
/// its interfaces with it.
#[derive(Debug)]
pub struct OwnNamespace {
    before: File,
    _stays_on_its_thread: PhantomData<*mut ()>,
}

impl OwnNamespace {
    /// Enters a new namespace. `EPERM` without CAP_SYS_ADMIN; `ENOENT` without
    /// `/proc`, since there would be no way back.
    pub fn enter() -> io::Result<Self> {
        let before = File::open(OWN)?;
        unshare(CloneFlags::CLONE_NEWNET)?;
        Ok(Self {
            before,
            _stays_on_its_thread: PhantomData,
        })
    }
}

impl Drop for OwnNamespace {
    fn drop(&mut self) {
        let back = setns(&self.before, CloneFlags::CLONE_NEWNET);
        debug_assert!(back.is_ok(), "no way back to the namespace: {back:?}");
    }
}

/// A number that no other network namespace of this machine has or will have
/// until the next boot (Linux 5.14; before, `ENOPROTOOPT`).
pub fn netns_cookie() -> io::Result<u64> {
    let socket = UnixDatagram::unbound()?;
    socket::option_u64(&socket, libc::SOL_SOCKET, SO_NETNS_COOKIE)
}

/// The inode number by which tools call this network namespace
/// (`net:[4026531840]`), or `None` without `/proc`. A later namespace may get it
/// again.
pub fn netns_inode() -> Option<u64> {
    Some(fs::metadata(OWN).ok()?.ino())
}
