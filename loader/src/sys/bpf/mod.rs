//! The `bpf` system call: one function for one command.
//!
//! A structure of its own replaces the kernel's `union bpf_attr` for each
//! command. It ends with the last field that is used: the kernel takes what is
//! missing for zero, and so takes shorter structures than it knows (all
//! releases) and longer ones whose tail is zero.
//!
//! Numbers are those of `include/uapi/linux/bpf.h`; where one is younger than
//! Linux 5.10 or matters on older kernels, the release stands beside it.

mod btf;
mod call;
mod map;
mod per_cpu;
mod pin;
mod program;
mod test_run;

pub use btf::{BtfFd, btf_load};
pub use map::{
    MapBtf, MapFd, MapInfo, MapKind, MapSpec, map_by_id, map_create, map_delete, map_freeze,
    map_lookup, map_next_id, map_next_key, map_of_maps_create, map_update,
};
pub(super) use per_cpu::overwritten_by_lookup;
pub use per_cpu::{map_lookup_each, map_update_each};
pub use pin::{is_bpffs, open_pinned_map, open_pinned_program, pin};
pub use program::{
    ProgramBtf, ProgramFd, ProgramInfo, ProgramKind, ProgramSpec, program_bind_map, program_by_id,
    program_info, program_load, program_next_id,
};
pub use test_run::{LiveRun, TestRun, test_run, test_run_live, test_run_repeat};

/// Map flag: the program may read the map but not write it (5.2).
pub const BPF_F_RDONLY_PROG: u32 = 1 << 7;
/// Map flag of an array: user space may map its values into memory (5.5).
pub const BPF_F_MMAPABLE: u32 = 1 << 10;
/// Map flag of a hash table: do not allocate all entries at creation (4.6).
pub const BPF_F_NO_PREALLOC: u32 = 1 << 0;

/// Program flag: the program takes frames of several fragments (5.18).
pub const BPF_F_XDP_HAS_FRAGS: u32 = 1 << 5;

/// Attach type of an XDP program that runs on a network interface (5.9).
pub const BPF_XDP: u32 = 37;

/// Update flag: create the entry or replace it.
pub const BPF_ANY: u64 = 0;
/// Update flag: create the entry; `EEXIST` if it is there.
pub const BPF_NOEXIST: u64 = 1;
/// Update flag: replace the entry; `ENOENT` if it is not there.
pub const BPF_EXIST: u64 = 2;

/// The text in a log buffer that the kernel has filled: up to the first NUL.
pub fn log_text(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_ends_at_its_first_nul() {
        assert_eq!(
            log_text(b"R0 !read_ok\n\0rest of the buffer"),
            "R0 !read_ok"
        );
        assert_eq!(log_text(b"\0\0"), "");
    }

    #[test]
    fn a_log_that_fills_its_buffer_is_kept_whole() {
        assert_eq!(log_text(b"cut off"), "cut off");
        assert_eq!(log_text(b""), "");
    }
}
