//! Waiting for whoever may still go by what was there before.

use std::io;

/// `MEMBARRIER_CMD_GLOBAL` (Linux, `include/uapi/linux/membarrier.h`).
const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;

/// `membarrier(2)`, `MEMBARRIER_CMD_GLOBAL` (Linux 4.3): returns when every CPU
/// has been through a grace period of RCU. Whatever ran under RCU when it was
/// called, such as a BPF program in the network stack, has ended then.
///
/// # Errors
///
/// `ENOSYS`: the kernel is built without. `EINVAL`: it has CPUs without timer
/// ticks (`nohz_full`). `EPERM`: a filter of system calls.
pub fn membarrier() -> io::Result<()> {
    // SAFETY: takes two numbers, and touches no memory of ours.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_passes() {
        let done = membarrier();
        assert!(done.is_ok(), "{done:?}");
    }
}
