//! The limit to which kernels before 5.11 charge maps and programs.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use std::io;

/// Runs `request`; when it is refused with `EPERM` and the limit on locked
/// memory is not off yet, lifts that limit and runs `request` once more.
///
/// The error is that of `request` in every case. Kernels from 5.11 on account to
/// the control group instead: there the second try fails like the first.
pub(super) fn raised_if_refused<T>(mut request: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    match request() {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            if raise() {
                request()
            } else {
                Err(error)
            }
        }
        answer => answer,
    }
}

/// Did the limit change? Needs CAP_SYS_RESOURCE.
fn raise() -> bool {
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK);
    limit.is_ok_and(|(soft, _)| soft != RLIM_INFINITY)
        && setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_is_tried_again_and_only_once() {
        let mut calls = 0;
        let answer: io::Result<()> = raised_if_refused(|| {
            calls += 1;
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        });
        assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::EINVAL));
        assert_eq!(calls, 1);

        calls = 0;
        let answer: io::Result<()> = raised_if_refused(|| {
            calls += 1;
            Err(io::Error::from_raw_os_error(libc::EPERM))
        });
        assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::EPERM));
        assert!(calls <= 2, "{calls} calls");
    }
}
