//! Switches of an interface that are set through `ioctl` (`SIOCETHTOOL`).

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::io;
use std::os::fd::AsRawFd;

/// `include/uapi/linux/sockios.h`.
const SIOCETHTOOL: libc::Ioctl = 0x8946;
/// `include/uapi/linux/ethtool.h`: receive one large packet for many small ones.
const ETHTOOL_SGRO: u32 = 0x2c;

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ifreq`, whose union the kernel reads a pointer of here.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    value: *mut Value,
    rest: [usize; REST],
}

/// The union is as long as `struct ifmap`, here and in the kernel.
const REST: usize =
    (size_of::<libc::ifreq>() - libc::IFNAMSIZ - size_of::<usize>()) / size_of::<usize>();

const _: () = {
    assert!(size_of::<Request>() == size_of::<libc::ifreq>());
    assert!(std::mem::offset_of!(Request, value) == 16);
};

/// Switches the merging of received packets (GRO) of an interface of the calling
/// thread's network namespace.
///
/// `ENODEV` when there is no such interface, `EPERM` without CAP_NET_ADMIN,
/// `InvalidInput` for a name that no interface can have.
pub fn set_gro(name: &str, on: bool) -> io::Result<()> {
    let mut value = Value {
        command: ETHTOOL_SGRO,
        data: u32::from(on),
    };
    let mut request = Request {
        name: terminated(name)?,
        value: &raw mut value,
        rest: [0; REST],
    };
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: the structure is a whole `struct ifreq`, whose name ends with a NUL
    // and whose pointer is that of a whole `struct ethtool_value`. Both outlive
    // the call.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A name with the NUL that ends it.
pub(super) fn terminated(name: &str) -> io::Result<[u8; libc::IFNAMSIZ]> {
    let mut bytes = [0; libc::IFNAMSIZ];
    let fits = !name.is_empty() && name.len() < bytes.len() && !name.contains('\0');
    if !fits {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no name of an interface"),
        ));
    }
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_interface_can_have_never_reaches_the_kernel() {
        for name in ["", "sixteen_bytes_lo", "l\0o"] {
            let error = set_gro(name, true).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_the_kernels_error() {
        let error = set_gro("none_of_ours", true).unwrap_err();
        // Who may not, is told so first.
        let expected = [Some(libc::ENODEV), Some(libc::EPERM)];
        assert!(expected.contains(&error.raw_os_error()), "{error}");
    }
}
