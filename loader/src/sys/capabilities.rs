//! What this thread may do.

use std::io;

/// One capability, by its number in `include/uapi/linux/capability.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability(u8);

impl Capability {
    /// Take capabilities out of the bounding set.
    pub const SETPCAP: Self = Self(8);
    /// Attach to network interfaces, change neighbours.
    pub const NET_ADMIN: Self = Self(12);
    /// Open raw and packet sockets.
    pub const NET_RAW: Self = Self(13);
    /// Open maps and programs by identifier.
    pub const SYS_ADMIN: Self = Self(21);
    /// Lets programs subtract packet pointers, among others (5.8).
    pub const PERFMON: Self = Self(38);
    /// Create maps, load programs (5.8).
    pub const BPF: Self = Self(39);
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// These.
    #[must_use]
    pub fn of(list: &[Capability]) -> Self {
        Self(
            list.iter()
                .fold(0, |set, capability| set | 1 << capability.0),
        )
    }

    /// Those that are in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

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

/// The calling thread, in the words of [`VERSION_3`].
const OWN: Header = Header {
    version: VERSION_3,
    thread: 0,
};

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

/// The effective set of the calling thread. Asks the kernel, not `/proc`: that may
/// not be there.
pub fn capabilities() -> io::Result<Capabilities> {
    Ok(joined(own()?.map(|word| word.effective)))
}

/// Its permitted set: what it may have in force.
pub fn permitted() -> io::Result<Capabilities> {
    Ok(joined(own()?.map(|word| word.permitted)))
}

fn joined([low, high]: [u32; 2]) -> Capabilities {
    Capabilities(u64::from(high) << 32 | u64::from(low))
}

fn own() -> io::Result<[Words; 2]> {
    let mut header = OWN;
    let mut words = [Words::default(); 2];
    // SAFETY: version 3 reads (and may write) the header and writes two `Words`.
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(words)
}

/// Makes this the calling thread's effective and permitted set, and empties its
/// inheritable and with that its ambient set.
///
/// # Errors
///
/// `EPERM`: something of it is not permitted.
pub fn keep_only(set: Capabilities) -> io::Result<()> {
    let half = |word: u64| -> io::Result<Words> {
        let word = u32::try_from(word).map_err(io::Error::other)?;
        Ok(Words {
            effective: word,
            permitted: word,
            inheritable: 0,
        })
    };
    let words = [half(set.0 & u64::from(u32::MAX))?, half(set.0 >> 32)?];
    let mut header = OWN;
    // SAFETY: version 3 reads (and may write) the header and reads two `Words`.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes all but these out of the calling thread's bounding set: no program that it
/// starts gets any of the others, whatever its file has.
///
/// # Errors
///
/// `EPERM` without CAP_SETPCAP.
pub fn bound(set: Capabilities) -> io::Result<()> {
    for number in 0..64_u8 {
        let capability = libc::c_ulong::from(number);
        // SAFETY: takes numbers.
        let answer = unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability) };
        match answer {
            1 if !set.has(Capability(number)) => {}
            // Not in it; or the kernel knows none of this number.
            _ => continue,
        }
        // SAFETY: takes numbers.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Neither this thread nor what it starts gets more rights by executing a program
/// (`PR_SET_NO_NEW_PRIVS`, Linux 3.5). There is no way back.
///
/// # Errors
///
/// What the kernel says.
pub fn no_new_privileges() -> io::Result<()> {
    let [yes, unused]: [libc::c_ulong; 2] = [1, 0];
    // SAFETY: takes numbers.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, unused, unused, unused) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
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
