//! Programs.

use super::btf::BtfFd;
use super::call::{
    Command, NAME_LEN, address, address_mut, bpf, bpf_fd, fd_by_id, fd_number, fill_info, invalid,
    length, name_text, next_id, object_name,
};
use super::map::MapFd;
use crate::sys::memlock;
use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes of one instruction.
const INSTRUCTION: usize = 8;

/// Kind of a program (`enum bpf_prog_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramKind(pub u32);

impl ProgramKind {
    /// Runs on a socket's packets; needs no privilege where that is allowed.
    pub const SOCKET_FILTER: Self = Self(1);
    /// Runs where a tc filter looks at a packet.
    pub const SCHED_CLS: Self = Self(3);
    /// Runs where a network interface receives.
    pub const XDP: Self = Self(6);
}

/// A program to load.
#[derive(Clone, Copy, Debug)]
pub struct ProgramSpec<'a> {
    /// What kind of program.
    pub kind: ProgramKind,
    /// Name that `bpftool prog` shows; cut to 15 bytes.
    pub name: &'a str,
    /// Licence; some helpers are for "GPL" and its companions only.
    pub license: &'a CStr,
    /// Instructions, relocated, 8 bytes each.
    pub instructions: &'a [u8],
    /// Where it will be attached, such as [`super::BPF_XDP`]; 0 if it does not
    /// matter.
    pub expected_attach_type: u32,
    /// `BPF_F_*` flags of programs.
    pub flags: u32,
    /// Function and line information.
    pub btf: Option<ProgramBtf<'a>>,
}

/// What type information says of a program's instructions.
#[derive(Clone, Copy, Debug)]
pub struct ProgramBtf<'a> {
    /// The loaded type information.
    pub fd: &'a BtfFd,
    /// `struct bpf_func_info`: instruction, type identifier.
    pub func_info: &'a [[u32; 2]],
    /// `struct bpf_line_info`: instruction, file name, line text, line and column.
    pub line_info: &'a [[u32; 4]],
}

/// A loaded program. Not a map: swapping the two does not compile.
///
/// ```compile_fail
/// use dsrload::sys::bpf::{map_freeze, ProgramFd};
/// fn freeze(program: &ProgramFd) {
///     let _ = map_freeze(program);
/// }
/// ```
#[derive(Debug)]
pub struct ProgramFd(OwnedFd);

impl AsFd for ProgramFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ProgramFd {
    /// The same program once more.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Takes a descriptor that is known to be a program's.
    pub(super) fn new(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

#[derive(Default)]
#[repr(C)]
struct LoadAttr {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; NAME_LEN],
    ifindex: u32,
    expected_attach_type: u32,
    btf_fd: u32,
    func_info_record: u32,
    func_info: u64,
    func_info_count: u32,
    line_info_record: u32,
    line_info: u64,
    line_info_count: u32,
    attach_btf_id: u32,
}

const _: () = {
    assert!(size_of::<LoadAttr>() == 112);
    assert!(std::mem::offset_of!(LoadAttr, name) == 48);
    assert!(std::mem::offset_of!(LoadAttr, line_info) == 96);
};

/// How often a load is tried that a signal cuts short (`EAGAIN`).
const LOAD_ATTEMPTS: u32 = 5;

/// `BPF_PROG_LOAD`: has the program verified and compiled.
///
/// The verifier's story goes to `log`; ask for it in a second try only, it makes
/// the load slower. A log that does not fit fails the call with `ENOSPC`; 16 MiB
/// is plenty. `EACCES` or `EINVAL` when the verifier refuses; `EPERM` without
/// CAP_BPF and CAP_NET_ADMIN; memory as in [`super::map_create`].
pub fn program_load(spec: &ProgramSpec<'_>, log: Option<&mut [u8]>) -> io::Result<ProgramFd> {
    let log = log.unwrap_or_default();
    if !spec.instructions.len().is_multiple_of(INSTRUCTION) {
        return Err(invalid("the last instruction is not whole".to_owned()));
    }
    let mut attr = LoadAttr {
        kind: spec.kind.0,
        instruction_count: length(spec.instructions.len() / INSTRUCTION)?,
        instructions: address(spec.instructions),
        license: spec.license.as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_size: length(log.len())?,
        log: address_mut(log),
        flags: spec.flags,
        name: object_name(spec.name),
        expected_attach_type: spec.expected_attach_type,
        ..LoadAttr::default()
    };
    if let Some(btf) = &spec.btf {
        attr.btf_fd = fd_number(btf.fd.as_fd());
        attr.func_info = address(btf.func_info);
        attr.func_info_count = length(btf.func_info.len())?;
        attr.func_info_record = length(size_of::<[u32; 2]>())?;
        attr.line_info = address(btf.line_info);
        attr.line_info_count = length(btf.line_info.len())?;
        attr.line_info_record = length(size_of::<[u32; 4]>())?;
    }
    // SAFETY: each address is that of a slice of the spec, or of the log, with
    // its own length (counts are in records, whose size stands beside them); the
    // licence ends with a NUL. All outlive the call.
    memlock::raised_if_refused(|| unsafe { load(&mut attr) }).map(ProgramFd)
}

#[repr(C)]
struct BindAttr {
    program: u32,
    map: u32,
    flags: u32,
}

/// `BPF_PROG_BIND_MAP` (Linux 5.10): the map lives as long as the program, and
/// stands among its [`ProgramInfo::map_ids`], though no instruction names it.
pub fn program_bind_map(program: &ProgramFd, map: &MapFd) -> io::Result<()> {
    let mut attr = BindAttr {
        program: fd_number(program.as_fd()),
        map: fd_number(map.as_fd()),
        flags: 0,
    };
    // SAFETY: the structure holds no address.
    unsafe { bpf(Command::ProgramBindMap, &mut attr) }.map(drop)
}

/// Repeats a load that a signal has cut short.
///
/// # Safety
///
/// As for [`bpf`].
unsafe fn load(attr: &mut LoadAttr) -> io::Result<OwnedFd> {
    let mut attempts = 1;
    loop {
        // SAFETY: the caller answers for `attr`.
        match unsafe { bpf_fd(Command::ProgramLoad, attr) } {
            Err(error)
                if error.raw_os_error() == Some(libc::EAGAIN) && attempts < LOAD_ATTEMPTS =>
            {
                attempts += 1;
            }
            answer => return answer,
        }
    }
}

/// What the kernel tells of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Identifier, unique on this machine while the program lives.
    pub id: u32,
    /// What kind of program.
    pub kind: ProgramKind,
    /// Name given at load, at most 15 bytes.
    pub name: String,
    /// Hash of the instructions.
    pub tag: [u8; 8],
    /// Identifiers of the maps it uses.
    pub map_ids: Vec<u32>,
    /// Bytes of machine code; 0 when not compiled, or not told for lack of
    /// CAP_BPF.
    pub jited_len: u32,
    /// Bytes of verified instructions; 0 when not told for lack of CAP_BPF.
    pub xlated_len: u32,
    /// Instructions the verifier walked through; 0 before Linux 5.16.
    pub verified_insns: u32,
}

/// Head of `struct bpf_prog_info`. What is not used is only counted.
#[derive(Default)]
#[repr(C)]
struct RawProgramInfo {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_len: u32,
    xlated_len: u32,
    code: [u64; 2],
    load_time: u64,
    uid: u32,
    map_count: u32,
    map_ids: u64,
    name: [u8; NAME_LEN],
    ifindex_to_recursion_misses: [u64; 17],
    verified_insns: u32,
    attach_btf_obj_id: u32,
}

const _: () = {
    assert!(size_of::<RawProgramInfo>() == 224);
    assert!(std::mem::offset_of!(RawProgramInfo, map_count) == 52);
    assert!(std::mem::offset_of!(RawProgramInfo, name) == 64);
    assert!(std::mem::offset_of!(RawProgramInfo, verified_insns) == 216);
};

/// `BPF_OBJ_GET_INFO_BY_FD` of a program. Needs no privilege.
pub fn program_info(program: &ProgramFd) -> io::Result<ProgramInfo> {
    let mut raw = RawProgramInfo::default();
    // SAFETY: the structure is the head of `struct bpf_prog_info`, and all its
    // addresses and counts are zero.
    unsafe { fill_info(program.as_fd(), &mut raw) }?;

    // Asked again, with room for the maps. None is added after the load but by
    // BPF_PROG_BIND_MAP, and the kernel writes no more than there is room for.
    let mut map_ids = vec![0; usize::try_from(raw.map_count).map_err(io::Error::other)?];
    let room = raw.map_count;
    raw = RawProgramInfo {
        map_count: room,
        map_ids: address_mut(&mut map_ids),
        ..RawProgramInfo::default()
    };
    // SAFETY: as above, but for `map_ids`, which has room for `map_count`.
    unsafe { fill_info(program.as_fd(), &mut raw) }?;
    Ok(ProgramInfo {
        id: raw.id,
        kind: ProgramKind(raw.kind),
        name: name_text(&raw.name),
        tag: raw.tag,
        map_ids,
        jited_len: raw.jited_len,
        xlated_len: raw.xlated_len,
        verified_insns: raw.verified_insns,
    })
}

/// `BPF_PROG_GET_FD_BY_ID`, or `None` when there is no such program.
/// `EPERM` without CAP_SYS_ADMIN.
pub fn program_by_id(id: u32) -> io::Result<Option<ProgramFd>> {
    Ok(fd_by_id(Command::ProgramById, id)?.map(ProgramFd))
}

/// `BPF_PROG_GET_NEXT_ID`: the first program above `id` (begin with 0), or
/// `None`. `EPERM` without CAP_SYS_ADMIN.
pub fn program_next_id(id: u32) -> io::Result<Option<u32>> {
    next_id(Command::ProgramNextId, id)
}
