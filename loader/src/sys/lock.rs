//! A lock that dies with its holder.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Exclusive within one network namespace, until dropped or until the process
/// ends in whatever way: no file is left behind, and none is needed.
///
/// It is a datagram socket bound to an abstract Unix address. Such names have no
/// owner and no permissions: any process of the namespace could hold one.
#[derive(Debug)]
pub struct Lock {
    _bound: UnixDatagram,
}

impl Lock {
    /// Takes the lock called `name` (at most 107 bytes), waiting for up to `wait`
    /// while another holds it; then the error is of kind `AddrInUse`.
    pub fn acquire(name: &str, wait: Duration) -> io::Result<Self> {
        let address = SocketAddr::from_abstract_name(name)?;
        let start = Instant::now();
        loop {
            match UnixDatagram::bind_addr(&address) {
                Ok(bound) => return Ok(Self { _bound: bound }),
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => return Err(error),
                Err(_) => {}
            }
            let left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(held(name, wait));
            }
            thread::sleep(left.min(PAUSE));
        }
    }
}

fn held(name: &str, wait: Duration) -> io::Error {
    io::Error::new(
        io::ErrorKind::AddrInUse,
        format!(
            "another process of this network namespace, unknown which, has held the lock \
             @{name} for {wait:?}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that no other test or process uses.
    fn unique(name: &str) -> String {
        format!("dsrload-test-{name}-{}", std::process::id())
    }

    #[test]
    fn a_lock_is_taken_once_and_again_when_dropped() {
        let name = unique("once");
        let lock = Lock::acquire(&name, Duration::ZERO).unwrap();
        let error = Lock::acquire(&name, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&name), "{error}");
        drop(lock);
        Lock::acquire(&name, Duration::ZERO).unwrap();
    }

    #[test]
    fn who_waits_gets_the_lock_when_its_holder_goes() {
        let name = unique("wait");
        let lock = Lock::acquire(&name, Duration::ZERO).unwrap();
        let (says, hears) = std::sync::mpsc::channel();
        let waiter = thread::spawn(move || {
            says.send(()).unwrap();
            Lock::acquire(&name, Duration::from_secs(60)).map(drop)
        });
        hears.recv().unwrap();
        drop(lock);
        waiter.join().unwrap().unwrap();
    }

    #[test]
    fn a_name_that_does_not_fit_is_an_error() {
        let error = Lock::acquire(&"x".repeat(200), Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
