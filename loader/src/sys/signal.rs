//! Signals that end a command that would go on for ever.

use std::io;
use std::time::Duration;

/// SIGINT and SIGTERM wait until they are asked for, until this is dropped: so a
/// command ends between two of its steps, and never in the middle of a line.
///
/// They are blocked for the calling thread, so this is for processes of one thread.
#[derive(Debug)]
pub struct Held {
    signals: libc::sigset_t,
    before: libc::sigset_t,
}

impl Held {
    /// Holds them back from now on.
    pub fn hold() -> io::Result<Self> {
        let mut signals = empty();
        for signal in [libc::SIGINT, libc::SIGTERM] {
            // SAFETY: `signals` is a set that `sigemptyset` has made.
            let added = unsafe { libc::sigaddset(&raw mut signals, signal) };
            if added != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let mut before = empty();
        // SAFETY: reads one set and writes the other; both outlive the call.
        let error =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, &raw mut before) };
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        Ok(Self { signals, before })
    }

    /// Waits for one, for as long as this; whether one came.
    pub fn wait(&self, patience: Duration) -> io::Result<bool> {
        let patience = libc::timespec {
            tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        // SAFETY: reads the set and the time, which outlive the call, and writes
        // nothing where the second pointer is null.
        let signal = unsafe {
            libc::sigtimedwait(
                &raw const self.signals,
                std::ptr::null_mut(),
                &raw const patience,
            )
        };
        if signal >= 0 {
            return Ok(true);
        }
        match io::Error::last_os_error() {
            // Another signal, which was handled: a short wait does no harm.
            error if error.raw_os_error() == Some(libc::EINTR) => Ok(false),
            error if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
            error => Err(error),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: reads the set, which outlives the call. It fails for no mask that
        // the kernel has given out.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.before,
                std::ptr::null_mut(),
            );
        }
    }
}

fn empty() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: writes the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it has just been written; `sigemptyset` cannot fail.
    unsafe { set.assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_signal_is_told_once_and_silence_takes_its_time() {
        let held = Held::hold().unwrap();
        // SAFETY: asks for the thread's own number.
        let this = unsafe { libc::pthread_self() };
        // SAFETY: the thread lives, and the signal is held back there.
        let sent = unsafe { libc::pthread_kill(this, libc::SIGINT) };
        assert_eq!(sent, 0);
        assert!(held.wait(Duration::from_secs(60)).unwrap());
        let start = Instant::now();
        let patience = Duration::from_millis(20);
        assert!(!held.wait(patience).unwrap());
        assert!(start.elapsed() >= patience);
    }
}
