//! Descriptors that the asynchronous runtime waits for.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor whose input can be waited for. It must be non-blocking, and of a
/// kind that epoll(7) knows. Of a runtime that the calling thread is in, with its
/// I/O enabled: panics elsewhere.
pub fn of_input(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open, and is the same one until its owner is
    // dropped, which `AsyncFd` owns until it is dropped itself.
    let waited = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    Ok(waited?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn input_wakes_who_waits_for_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        runtime.block_on(async {
            let waited = of_input(far.into()).unwrap();
            near.write_all(b"x").unwrap();
            waited.readable().await.unwrap().retain_ready();
        });
    }
}
