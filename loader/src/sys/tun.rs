//! Interfaces whose packets a process reads and writes (`tun`).

use super::ethtool::terminated;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// `include/uapi/linux/if_tun.h`.
const TUNSETIFF: libc::Ioctl = 0x4004_54ca;
/// IP packets, without a header of Ethernet.
const IFF_TUN: u16 = 0x0001;
/// Nothing stands before a packet.
const IFF_NO_PI: u16 = 0x1000;
/// The interface is a new one.
const IFF_TUN_EXCL: u16 = 0x8000;

/// `struct ifreq`, of whose union the kernel reads flags here.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: u16,
    rest: [u8; REST],
}

const REST: usize = size_of::<libc::ifreq>() - libc::IFNAMSIZ - size_of::<u16>();

const _: () = {
    assert!(size_of::<Request>() == size_of::<libc::ifreq>());
    assert!(std::mem::offset_of!(Request, flags) == 16);
};

/// Makes an interface in the calling thread's network namespace, switched off. It
/// ends with its descriptor, from which each read takes a packet that was sent out
/// by it, or says `EAGAIN`.
///
/// `EBUSY` when there is an interface of that name, `EPERM` without CAP_NET_ADMIN,
/// `ENOENT` without `/dev/net/tun`, `InvalidInput` for a name that no interface
/// can have.
pub fn create(name: &str) -> io::Result<OwnedFd> {
    let mut request = Request {
        name: terminated(name)?,
        flags: IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL,
        rest: [0; REST],
    };
    let device: File = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    // SAFETY: the structure is a whole `struct ifreq`, whose name ends with a NUL.
    // The kernel writes the interface's name and flags back to it, and it outlives
    // the call.
    let answer = unsafe { libc::ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) };
    if answer == 0 {
        Ok(device.into())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::namespace::OwnNamespace;

    #[test]
    fn an_interface_lives_as_long_as_its_descriptor() {
        let _namespace = OwnNamespace::enter().expect("this test needs root");
        let index = || nix::net::if_::if_nametoindex("tun9").ok();
        let device = create("tun9").unwrap();
        assert!(index().is_some());
        let packet = nix::unistd::read(&device, &mut [0; 100]);
        assert!(packet.is_err(), "no packet, and no waiting for one");

        let second = create("tun9").unwrap_err();
        assert_eq!(second.raw_os_error(), Some(libc::EBUSY));
        let other_kind = create("lo").unwrap_err();
        assert!(other_kind.raw_os_error().is_some(), "{other_kind}");

        drop(device);
        assert_eq!(index(), None);
    }

    #[test]
    fn a_name_that_no_interface_can_have_never_reaches_the_kernel() {
        for name in ["", "sixteen_bytes_lo", "l\0o"] {
            let error = create(name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}");
        }
    }
}
