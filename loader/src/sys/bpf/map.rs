//! Maps: tables that the program and user space share.

use super::btf::BtfFd;
use super::call::{
    Command, NAME_LEN, address, address_mut, bpf, bpf_fd, fd_by_id, fd_number, fill_info, invalid,
    name_text, next_id, object_name,
};
use crate::sys::memlock;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Kind of a map (`enum bpf_map_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapKind(pub u32);

impl MapKind {
    /// Keys of any bytes.
    pub const HASH: Self = Self(1);
    /// Keys are `u32` indices below `max_entries`; every entry exists, as zeros.
    pub const ARRAY: Self = Self(2);
    /// An array of programs, for tail calls.
    pub const PROG_ARRAY: Self = Self(3);
    /// As `HASH`, with one value for each CPU.
    pub const PERCPU_HASH: Self = Self(5);
    /// As `ARRAY`, with one value for each CPU.
    pub const PERCPU_ARRAY: Self = Self(6);
    /// As `HASH`; when full, the entry used longest ago makes room.
    pub const LRU_HASH: Self = Self(9);
    /// As `LRU_HASH`, with one value for each CPU.
    pub const LRU_PERCPU_HASH: Self = Self(10);
    /// Longest prefix match; needs [`super::BPF_F_NO_PREALLOC`].
    pub const LPM_TRIE: Self = Self(11);
    /// An array of maps that are alike; see [`super::map_of_maps_create`].
    pub const ARRAY_OF_MAPS: Self = Self(12);
    /// Network interfaces, for redirection.
    pub const DEVMAP: Self = Self(14);
    /// Per-CPU storage of a control group.
    const PERCPU_CGROUP_STORAGE: Self = Self(21);

    /// Does a look-up answer with one value for each possible CPU?
    pub fn is_per_cpu(self) -> bool {
        matches!(
            self,
            Self::PERCPU_HASH
                | Self::PERCPU_ARRAY
                | Self::LRU_PERCPU_HASH
                | Self::PERCPU_CGROUP_STORAGE
        )
    }
}

/// A map to create.
#[derive(Clone, Copy, Debug)]
pub struct MapSpec<'a> {
    /// What kind of table.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Capacity, in entries.
    pub max_entries: u32,
    /// `BPF_F_*` flags of maps.
    pub flags: u32,
    /// Name that `bpftool map` shows; cut to 15 bytes.
    pub name: &'a str,
    /// Types of key and value. DEVMAP, PROG_ARRAY and others refuse them.
    pub btf: Option<MapBtf<'a>>,
}

/// Where the types of a map's key and value are described.
#[derive(Clone, Copy, Debug)]
pub struct MapBtf<'a> {
    /// The loaded type information.
    pub fd: &'a BtfFd,
    /// Type identifier of the key; 0 for the array behind a data section.
    pub key_type: u32,
    /// Type identifier of the value; of a data section, its `DATASEC`.
    pub value_type: u32,
}

/// What the kernel tells of a map. None of it ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// Identifier, unique on this machine while the map lives.
    pub id: u32,
    /// What kind of table.
    pub kind: MapKind,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value, of one CPU where the kind is per CPU.
    pub value_size: u32,
    /// Capacity, in entries.
    pub max_entries: u32,
    /// `BPF_F_*` flags of maps.
    pub flags: u32,
    /// Name given at creation, at most 15 bytes.
    pub name: String,
}

/// A map. Its sizes were asked of the kernel when it was opened, so that no
/// call can make the kernel read or write beyond the caller's slices.
#[derive(Debug)]
pub struct MapFd {
    fd: OwnedFd,
    info: MapInfo,
}

impl AsFd for MapFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl MapFd {
    /// What the kernel tells of this map.
    pub fn info(&self) -> &MapInfo {
        &self.info
    }

    /// The same map once more.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self {
            fd: self.fd.try_clone()?,
            info: self.info.clone(),
        })
    }

    /// Takes a descriptor that is known to be a map's.
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let mut raw = RawMapInfo::default();
        // SAFETY: the structure is the head of `struct bpf_map_info` and holds
        // no address.
        unsafe { fill_info(fd.as_fd(), &mut raw) }?;
        let info = MapInfo {
            id: raw.id,
            kind: MapKind(raw.kind),
            key_size: raw.key_size,
            value_size: raw.value_size,
            max_entries: raw.max_entries,
            flags: raw.flags,
            name: name_text(&raw.name),
        };
        Ok(Self { fd, info })
    }

    pub(super) fn check_key(&self, key: &[u8]) -> io::Result<()> {
        check_size("key", key.len(), self.info.key_size)
    }

    /// Values of other kinds than per-CPU ones are read and written as
    /// `value_size` bytes, which is all that is compared here.
    fn check_value(&self, value: &[u8]) -> io::Result<()> {
        if self.info.kind.is_per_cpu() {
            return Err(invalid("a per-CPU map has no single value".to_owned()));
        }
        check_size("value", value.len(), self.info.value_size)
    }
}

fn check_size(what: &str, given: usize, wanted: u32) -> io::Result<()> {
    if u32::try_from(given) == Ok(wanted) {
        return Ok(());
    }
    Err(invalid(format!(
        "a {what} of {given} bytes, where the map's have {wanted}"
    )))
}

/// Head of `struct bpf_map_info`.
#[derive(Default)]
#[repr(C)]
struct RawMapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    name: [u8; NAME_LEN],
}

const _: () = assert!(size_of::<RawMapInfo>() == 40);

#[derive(Default)]
#[repr(C)]
struct CreateAttr {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    name: [u8; NAME_LEN],
    ifindex: u32,
    btf_fd: u32,
    btf_key_type: u32,
    btf_value_type: u32,
}

const _: () = {
    assert!(size_of::<CreateAttr>() == 60);
    assert!(std::mem::offset_of!(CreateAttr, name) == 28);
    assert!(std::mem::offset_of!(CreateAttr, btf_value_type) == 56);
};

/// `BPF_MAP_CREATE`.
///
/// `EPERM` without CAP_BPF; DEVMAP also wants CAP_NET_ADMIN. Kernels before
/// 5.11 charge maps to `RLIMIT_MEMLOCK` and answer `EPERM` when it is too low:
/// the limit is raised and the call repeated once.
pub fn map_create(spec: &MapSpec<'_>) -> io::Result<MapFd> {
    create(spec, 0)
}

/// `BPF_MAP_CREATE` of a map of maps, which are all like `inner`: its kind,
/// sizes and flags (and capacity, of an array). Values are written as
/// descriptors and read as identifiers.
///
/// `inner` is not put into it. Errors as in [`map_create`]; `InvalidInput` for
/// another kind of map, of which the kernel would make one without a word.
pub fn map_of_maps_create(spec: &MapSpec<'_>, inner: &MapFd) -> io::Result<MapFd> {
    if spec.kind != MapKind::ARRAY_OF_MAPS {
        return Err(invalid("not an array of maps".to_owned()));
    }
    create(spec, fd_number(inner.as_fd()))
}

/// `inner` is borrowed by the caller, or 0 where there is none.
fn create(spec: &MapSpec<'_>, inner: u32) -> io::Result<MapFd> {
    let mut attr = CreateAttr {
        kind: spec.kind.0,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        flags: spec.flags,
        inner_map_fd: inner,
        name: object_name(spec.name),
        ..CreateAttr::default()
    };
    if let Some(btf) = &spec.btf {
        attr.btf_fd = fd_number(btf.fd.as_fd());
        attr.btf_key_type = btf.key_type;
        attr.btf_value_type = btf.value_type;
    }
    let fd = memlock::raised_if_refused(|| {
        // SAFETY: the structure holds no address.
        unsafe { bpf_fd(Command::MapCreate, &mut attr) }
    })?;
    MapFd::new(fd)
}

#[derive(Default)]
#[repr(C)]
pub(super) struct ElementAttr {
    pub(super) fd: u32,
    pub(super) pad: u32,
    pub(super) key: u64,
    pub(super) value: u64,
    pub(super) flags: u64,
}

const _: () = assert!(size_of::<ElementAttr>() == 32);

/// `BPF_MAP_LOOKUP_ELEM`: fills `value`, or answers `false` when there is no
/// such key. An array answers `false` beyond its end.
///
/// `InvalidInput` when a slice has not the map's size, or the map is per CPU.
pub fn map_lookup(map: &MapFd, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    map.check_key(key)?;
    map.check_value(value)?;
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: address(key),
        value: address_mut(value),
        ..ElementAttr::default()
    };
    // SAFETY: the kernel reads `key_size` bytes and writes `value_size` bytes,
    // with which the slices were compared; both outlive the call.
    found(unsafe { bpf(Command::MapLookup, &mut attr) })
}

/// `BPF_MAP_UPDATE_ELEM`, with [`super::BPF_ANY`], [`super::BPF_NOEXIST`] or
/// [`super::BPF_EXIST`].
///
/// `E2BIG` beyond an array's end or when a hash table is full; `InvalidInput`
/// as in [`map_lookup`].
pub fn map_update(map: &MapFd, key: &[u8], value: &[u8], flags: u64) -> io::Result<()> {
    map.check_key(key)?;
    map.check_value(value)?;
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: address(key),
        value: address(value),
        flags,
        ..ElementAttr::default()
    };
    // SAFETY: the kernel reads `key_size` and `value_size` bytes, with which
    // the slices were compared; both outlive the call.
    unsafe { bpf(Command::MapUpdate, &mut attr) }.map(drop)
}

/// `BPF_MAP_DELETE_ELEM`: `false` when there was no such key. Entries of arrays
/// cannot be deleted: `EINVAL`.
pub fn map_delete(map: &MapFd, key: &[u8]) -> io::Result<bool> {
    map.check_key(key)?;
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: address(key),
        ..ElementAttr::default()
    };
    // SAFETY: the kernel reads `key_size` bytes, with which the slice was
    // compared; it outlives the call.
    found(unsafe { bpf(Command::MapDelete, &mut attr) })
}

pub(super) fn found<T>(answer: io::Result<T>) -> io::Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// `BPF_MAP_FREEZE`: from now on user space cannot write the map, and the
/// verifier takes the values of a [`super::BPF_F_RDONLY_PROG`] map for
/// constants (5.2). `EBUSY` while a writable mapping exists.
pub fn map_freeze(map: &MapFd) -> io::Result<()> {
    let mut attr = fd_number(map.as_fd());
    // SAFETY: the attribute is the descriptor alone.
    unsafe { bpf(Command::MapFreeze, &mut attr) }.map(drop)
}

/// `BPF_MAP_GET_FD_BY_ID`, or `None` when there is no such map.
/// `EPERM` without CAP_SYS_ADMIN.
pub fn map_by_id(id: u32) -> io::Result<Option<MapFd>> {
    fd_by_id(Command::MapById, id)?.map(MapFd::new).transpose()
}

/// `BPF_MAP_GET_NEXT_KEY`: puts the key behind `key` into `next`, the first one
/// if there is no `key`; `false` when there is none. Also the first one, if
/// `key` is not in the map (of some kinds, the one that would follow it).
pub fn map_next_key(map: &MapFd, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
    if let Some(key) = key {
        map.check_key(key)?;
    }
    map.check_key(next)?;
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: key.map_or(0, address),
        value: address_mut(next),
        ..ElementAttr::default()
    };
    // SAFETY: the kernel reads a key, unless its address is 0, and writes one;
    // both slices have the length of a key and outlive the call.
    found(unsafe { bpf(Command::MapNextKey, &mut attr) })
}

/// `BPF_MAP_GET_NEXT_ID`: the first map above `id` (begin with 0), or `None`.
/// `EPERM` without CAP_SYS_ADMIN.
pub fn map_next_id(id: u32) -> io::Result<Option<u32>> {
    next_id(Command::MapNextId, id)
}
