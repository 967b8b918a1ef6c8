//! Which network namespace the calling thread is in.

use crate::sys::socket;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;

/// `SO_NETNS_COOKIE` (asm-generic, that is all architectures but parisc and
/// sparc).
const SO_NETNS_COOKIE: i32 = 71;

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
    Some(fs::metadata("/proc/thread-self/ns/net").ok()?.ino())
}
