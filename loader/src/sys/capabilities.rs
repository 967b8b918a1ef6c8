//! What this thread may do.

use std::io;

/// One capability, by its number in `include/uapi/linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(u8);

impl Capability {
    /// Attach to network interfaces, change neighbours.
    pub const NET_ADMIN: Self = Self(12);
    /// Open maps and programs by identifier.
    pub const SYS_ADMIN: Self = Self(21);
    /// Lets programs subtract packet pointers, among others (5.8).
    pub const PERFMON: Self = Self(38);
    /// Create maps, load programs (5.8).
    pub const BPF: Self = Self(39);
}

/// The effective set of the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Is this one in the set?
    pub fn has(self, capability: Capability) -> bool {
        self.0 >> capability.0 & 1 == 1
    }
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words for each set (2.6.26).
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    /// Thread; 0 is the caller.
    thread: i32,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const _: () = {
    assert!(size_of::<Header>() == 8);
    assert!(size_of::<[Words; 2]>() == 24);
};

/// Asks the kernel, not `/proc`: that may not be there.
pub fn capabilities() -> io::Result<Capabilities> {
    let mut header = Header {
        version: VERSION_3,
        thread: 0,
    };
    let mut words = [Words::default(); 2];
    // SAFETY: version 3 reads (and may write) the header and writes two `Words`.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    let [low, high] = words.map(|word| u64::from(word.effective));
    Ok(Capabilities(high << 32 | low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_its_bits_say() {
        let set = Capabilities(1 << 39 | 1 << 12);
        assert!(set.has(Capability::BPF));
        assert!(set.has(Capability::NET_ADMIN));
        assert!(!set.has(Capability::PERFMON));
        assert!(!set.has(Capability::SYS_ADMIN));
    }

    #[test]
    fn the_kernel_and_proc_agree() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let effective = status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .unwrap();
        let effective = u64::from_str_radix(effective.trim(), 16).unwrap();
        assert_eq!(capabilities().unwrap(), Capabilities(effective));
    }
}
