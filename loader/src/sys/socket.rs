//! Socket options that the `nix` crate does not know.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// `setsockopt` of an option that is an integer.
pub fn set_option(socket: impl AsFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let size = socklen::<c_int>();
    // SAFETY: the kernel reads `size` bytes of `value`, which is its size.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size,
        )
    };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `getsockopt` of an option that is a `u64`.
pub fn option_u64(socket: impl AsFd, level: c_int, option: c_int) -> io::Result<u64> {
    let mut value = 0_u64;
    let mut size = socklen::<u64>();
    // SAFETY: the kernel writes at most `size` bytes to `value`, which is its
    // size, and the length written to `size`.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    if size != socklen::<u64>() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a 64-bit socket option",
        ));
    }
    Ok(value)
}

#[expect(clippy::cast_possible_truncation, reason = "sizes of integers")]
const fn socklen<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn an_option_of_another_size_is_not_taken_for_a_u64() {
        let socket = UnixDatagram::unbound().unwrap();
        let error = option_u64(&socket, libc::SOL_SOCKET, libc::SO_TYPE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn an_unknown_option_is_the_kernels_error() {
        let socket = UnixDatagram::unbound().unwrap();
        let error = set_option(&socket, libc::SOL_SOCKET, 0x7fff, 1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT));
    }
}
