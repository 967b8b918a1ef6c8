//! Type information.

use super::call::{Command, address, address_mut, bpf_fd, length};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Type information that the kernel has accepted.
#[derive(Debug)]
pub struct BtfFd(OwnedFd);

impl AsFd for BtfFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[repr(C)]
struct BtfLoadAttr {
    btf: u64,
    log: u64,
    btf_size: u32,
    log_size: u32,
    log_level: u32,
    /// `btf_log_true_size`, an answer of Linux 6.4 and later.
    log_true_size: u32,
}

const _: () = assert!(size_of::<BtfLoadAttr>() == 32);

/// `BPF_BTF_LOAD`: hands a `.BTF` section to the kernel.
///
/// The kernel's remarks go to `log`; ask for them only after a failure, with a
/// megabyte of space: a log that does not fit fails the call with `ENOSPC`.
pub fn btf_load(btf: &[u8], log: Option<&mut [u8]>) -> io::Result<BtfFd> {
    let log = log.unwrap_or_default();
    let mut attr = BtfLoadAttr {
        btf: address(btf),
        btf_size: length(btf.len())?,
        log_size: length(log.len())?,
        log_level: u32::from(!log.is_empty()),
        log: address_mut(log),
        log_true_size: 0,
    };
    // SAFETY: the kernel reads `btf_size` bytes and writes at most `log_size`,
    // the lengths of the two slices, which outlive the call.
    unsafe { bpf_fd(Command::BtfLoad, &mut attr) }.map(BtfFd)
}
