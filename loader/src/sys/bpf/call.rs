//! The system call itself, and what all its commands share.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Commands of `enum bpf_cmd`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
pub(super) enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgramLoad = 5,
    Pin = 6,
    OpenPin = 7,
    TestRun = 10,
    ProgramNextId = 11,
    MapNextId = 12,
    ProgramById = 13,
    MapById = 14,
    Info = 15,
    BtfLoad = 18,
    MapFreeze = 22,
    /// Linux 5.10.
    ProgramBindMap = 35,
}

/// Runs one command.
///
/// # Safety
///
/// `A` is the structure of `command`: plain integers, without padding. Every
/// address in it that the kernel reads or writes for this command is valid for
/// the length that the kernel uses, until the call returns.
pub(super) unsafe fn bpf<A>(command: Command, attr: &mut A) -> io::Result<c_int> {
    // SAFETY: `attr` is borrowed mutably for its whole size, and the caller
    // answers for the addresses inside.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as u32,
            std::ptr::from_mut(attr),
            size_of::<A>(),
        )
    };
    match c_int::try_from(answer) {
        Ok(answer) if answer >= 0 => Ok(answer),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Runs a command whose answer is a new descriptor.
///
/// # Safety
///
/// As for [`bpf`]; and `command` is one that answers with a descriptor.
pub(super) unsafe fn bpf_fd<A>(command: Command, attr: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: the caller answers for `attr`.
    let fd = unsafe { bpf(command, attr) }?;
    // SAFETY: the kernel has just opened this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Attributes of the commands that walk identifiers, and of those that turn
/// one into a descriptor.
#[derive(Debug, Default)]
#[repr(C)]
struct IdAttr {
    /// `start_id` of the former, the identifier itself for the latter.
    id: u32,
    next_id: u32,
    open_flags: u32,
}

const _: () = assert!(size_of::<IdAttr>() == 12);

/// The first identifier above `id`, or `None` after the last one.
///
/// `command` must be one of the `NextId` commands.
pub(super) fn next_id(command: Command, id: u32) -> io::Result<Option<u32>> {
    let mut attr = IdAttr {
        id,
        ..IdAttr::default()
    };
    // SAFETY: the structure holds no address.
    match unsafe { bpf(command, &mut attr) } {
        Ok(_) => Ok(Some(attr.next_id)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The object that has this identifier, or `None`.
///
/// `command` must be one of the `ById` commands.
pub(super) fn fd_by_id(command: Command, id: u32) -> io::Result<Option<OwnedFd>> {
    let mut attr = IdAttr {
        id,
        ..IdAttr::default()
    };
    // SAFETY: the structure holds no address, and the command opens a
    // descriptor.
    absent_is_none(unsafe { bpf_fd(command, &mut attr) })
}

/// `ENOENT` as the answer that it is where an object was asked for.
pub(super) fn absent_is_none(answer: io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match answer {
        Ok(fd) => Ok(Some(fd)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Debug)]
#[repr(C)]
struct InfoAttr {
    fd: u32,
    info_len: u32,
    info: u64,
}

const _: () = assert!(size_of::<InfoAttr>() == 16);

/// `BPF_OBJ_GET_INFO_BY_FD`: fills as much of `info` as the kernel knows.
///
/// # Safety
///
/// `T` is the head of the kernel's structure for the kind of object that `fd`
/// is: plain integers, without padding. Addresses inside are zero, or valid for
/// the count that goes with them.
pub(super) unsafe fn fill_info<T>(fd: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut attr = InfoAttr {
        fd: fd_number(fd),
        info_len: length(size_of::<T>())?,
        info: std::ptr::from_mut(info) as u64,
    };
    // SAFETY: the kernel writes at most `info_len` bytes to `info`, which is
    // its size; the caller answers for the addresses inside it.
    unsafe { bpf(Command::Info, &mut attr) }.map(drop)
}

/// A descriptor as the attribute structures hold it. Borrowed, so that who calls
/// this still owns it when the kernel looks.
pub(super) fn fd_number(fd: BorrowedFd<'_>) -> u32 {
    // An open descriptor is never negative.
    fd.as_raw_fd().cast_unsigned()
}

/// A length as the attribute structures hold it.
pub(super) fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| invalid("a buffer of 4 GiB or more".to_owned()))
}

/// The address of a buffer; zero for an empty one, as the kernel wants it.
pub(super) fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() {
        0
    } else {
        slice.as_ptr() as u64
    }
}

/// The address of a buffer that the kernel fills; zero for an empty one.
pub(super) fn address_mut<T>(slice: &mut [T]) -> u64 {
    if slice.is_empty() {
        0
    } else {
        slice.as_mut_ptr() as u64
    }
}

/// The call is refused here, before the kernel could misread it.
pub(super) fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

/// Length of an object's name, with the NUL that ends it (`BPF_OBJ_NAME_LEN`).
pub(super) const NAME_LEN: usize = 16;

/// A name as the kernel takes it: 15 bytes of `[A-Za-z0-9_.]`. Anything else
/// would be `EINVAL`, so it becomes `_`; what is longer is cut.
pub(super) fn object_name(name: &str) -> [u8; NAME_LEN] {
    let mut bytes = [0; NAME_LEN];
    for (to, from) in bytes[..NAME_LEN - 1].iter_mut().zip(name.bytes()) {
        let allowed = from.is_ascii_alphanumeric() || from == b'_' || from == b'.';
        *to = if allowed { from } else { b'_' };
    }
    bytes
}

/// The text of a name that the kernel has filled in.
pub(super) fn name_text(name: &[u8; NAME_LEN]) -> String {
    super::log_text(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_to_fifteen_bytes_the_kernel_takes() {
        assert_eq!(
            &object_name("flow-table/é.v1_and_more"),
            b"flow_table___.v\0"
        );
        assert_eq!(name_text(&object_name("slots")), "slots");
        assert_eq!(object_name(""), [0; 16]);
    }

    #[test]
    fn an_empty_buffer_has_no_address() {
        assert_eq!(address::<u8>(&[]), 0);
        assert_eq!(address_mut::<u8>(&mut []), 0);
        assert_ne!(address(&[1_u8]), 0);
    }
}
