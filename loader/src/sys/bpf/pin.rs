//! Pins: names of kernel objects in a BPF file system, which keep them alive.

use super::call::{Command, absent_is_none, bpf, bpf_fd, fd_number};
use super::map::MapFd;
use super::program::ProgramFd;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Default)]
#[repr(C)]
struct PinAttr {
    path: u64,
    fd: u32,
    flags: u32,
}

const _: () = assert!(size_of::<PinAttr>() == 16);

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// `BPF_OBJ_PIN`: gives an object a name in a BPF file system.
///
/// `EEXIST` when the name is taken; `EPERM` when it has a dot, or is outside a BPF
/// file system.
pub fn pin(object: impl AsFd, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let mut attr = PinAttr {
        path: path.as_ptr() as u64,
        fd: fd_number(object.as_fd()),
        ..PinAttr::default()
    };
    // SAFETY: the path ends with a NUL and outlives the call.
    unsafe { bpf(Command::Pin, &mut attr) }.map(drop)
}

/// `BPF_OBJ_GET` of a map, or `None` when there is no such path.
///
/// `InvalidData` when something else than a map (that has keys) is pinned there;
/// `EACCES` for a file that is no pin.
pub fn open_pinned_map(path: &Path) -> io::Result<Option<MapFd>> {
    match open(path)? {
        None => Ok(None),
        Some(fd) if is_map(&fd)? => MapFd::new(fd).map(Some),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the pinned object is no map",
        )),
    }
}

/// `BPF_OBJ_GET` of a program, or `None` when there is no such path.
///
/// `InvalidData` when something else than a program is pinned there; `EACCES`
/// for a file that is no pin.
pub fn open_pinned_program(path: &Path) -> io::Result<Option<ProgramFd>> {
    match open(path)? {
        None => Ok(None),
        Some(fd) if is_program(&fd)? => Ok(Some(ProgramFd::new(fd))),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the pinned object is no program",
        )),
    }
}

fn open(path: &Path) -> io::Result<Option<OwnedFd>> {
    let path = c_path(path)?;
    let mut attr = PinAttr {
        path: path.as_ptr() as u64,
        ..PinAttr::default()
    };
    // SAFETY: the path ends with a NUL and outlives the call, and the command
    // opens a descriptor.
    absent_is_none(unsafe { bpf_fd(Command::OpenPin, &mut attr) })
}

// BPF_OBJ_GET_INFO_BY_FD answers for every kind of object, in structures that
// begin alike but for their meaning, and does not say which. Without /proc the
// kind is told from a request that cannot succeed: the kernel looks at the
// descriptor first (EINVAL when it is of another kind), and then fails for a
// reason of our choosing.

/// A map refuses a key that no process can name.
fn is_map(fd: &OwnedFd) -> io::Result<bool> {
    #[derive(Default)]
    #[repr(C)]
    struct LookupAttr {
        fd: u32,
        pad: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    // The last page of the address space is the kernel's on every architecture.
    let nowhere = u64::MAX - 4095;
    let mut attr = LookupAttr {
        fd: fd_number(fd.as_fd()),
        key: nowhere,
        value: nowhere,
        ..LookupAttr::default()
    };
    // SAFETY: nothing is read or written at an address that is not the
    // process's: the kernel answers EFAULT.
    match unsafe { bpf(Command::MapLookup, &mut attr) } {
        Ok(_) => Ok(false),
        Err(error) => match error.raw_os_error() {
            // EPERM: a map that this descriptor may not read.
            Some(libc::EFAULT | libc::EPERM) => Ok(true),
            Some(libc::EINVAL | libc::EOPNOTSUPP) => Ok(false),
            _ => Err(error),
        },
    }
}

/// A program refuses to be bound to a map that is not open (5.10).
fn is_program(fd: &OwnedFd) -> io::Result<bool> {
    #[repr(C)]
    struct BindMapAttr {
        program: u32,
        map: u32,
        flags: u32,
    }
    let mut attr = BindMapAttr {
        program: fd_number(fd.as_fd()),
        map: u32::MAX,
        flags: 0,
    };
    // SAFETY: the structure holds no address.
    match unsafe { bpf(Command::ProgramBindMap, &mut attr) } {
        Ok(_) => Ok(false),
        Err(error) => match error.raw_os_error() {
            Some(libc::EBADF) => Ok(true),
            Some(libc::EINVAL) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Is this path on a BPF file system? `false` too when there is no such path.
pub fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == BPF_FS_MAGIC)
}
