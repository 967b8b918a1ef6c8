//! Maps that have a value for each CPU.

use super::call::{Command, address, address_mut, bpf, fd_number, invalid};
use super::map::{ElementAttr, MapFd, MapKind, found};
use std::io;
use std::os::fd::AsFd;

/// The largest `CONFIG_NR_CPUS` of any architecture (x86 with MAXSMP).
const MAX_CPUS: usize = 8192;

/// How many 8-byte values the kernel writes when entry 0 of this per-CPU array
/// is read: the number of possible CPUs.
///
/// `InvalidInput` for another map than a PERCPU_ARRAY of 8-byte values that
/// are all zero, as they are after its creation.
pub(in crate::sys) fn overwritten_by_lookup(map: &MapFd) -> io::Result<u32> {
    if map.info().kind != MapKind::PERCPU_ARRAY || map.info().value_size != 8 {
        return Err(invalid("not a per-CPU array of 8-byte values".to_owned()));
    }
    const CANARY: u64 = 0x5ca1_ab1e_0ddb_a115;
    let mut values = vec![CANARY; MAX_CPUS];
    let key = 0_u32.to_ne_bytes();
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: address(&key),
        value: address_mut(&mut values),
        ..ElementAttr::default()
    };
    // SAFETY: the kernel reads 4 bytes, the key of every array, and writes 8
    // bytes for each possible CPU; there is room for more CPUs than a kernel
    // can be built for. Any bits are a valid u64.
    unsafe { bpf(Command::MapLookup, &mut attr) }?;
    let count = values
        .iter()
        .position(|&value| value == CANARY)
        .unwrap_or(MAX_CPUS);
    u32::try_from(count).map_err(|_| invalid("too many CPUs".to_owned()))
}

/// `BPF_MAP_LOOKUP_ELEM` of a per-CPU map: the values of all possible CPUs, one
/// behind the other, each beginning at a multiple of eight bytes; then zeros, as
/// of CPUs that the kernel was not built for. `None` when there is no such key.
///
/// `InvalidInput` when the key has not the map's size, or the map is not per
/// CPU.
pub fn map_lookup_each(map: &MapFd, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
    map.check_key(key)?;
    let mut values = vec![0; size_of_all(map)?];
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: address(key),
        value: address_mut(&mut values),
        ..ElementAttr::default()
    };
    // SAFETY: the kernel reads `key_size` bytes, with which the slice was
    // compared, and writes a value for each possible CPU; there is room for more
    // CPUs than a kernel can be built for. Both outlive the call.
    Ok(found(unsafe { bpf(Command::MapLookup, &mut attr) })?.then_some(values))
}

/// `BPF_MAP_UPDATE_ELEM` of a per-CPU map, with values as [`map_lookup_each`]
/// gives them.
///
/// `InvalidInput` when key or values have not the map's sizes, or the map is not
/// per CPU.
pub fn map_update_each(map: &MapFd, key: &[u8], values: &[u8]) -> io::Result<()> {
    map.check_key(key)?;
    if values.len() != size_of_all(map)? {
        return Err(invalid("not the values of all CPUs".to_owned()));
    }
    let mut attr = ElementAttr {
        fd: fd_number(map.as_fd()),
        key: address(key),
        value: address(values),
        flags: super::BPF_ANY,
        ..ElementAttr::default()
    };
    // SAFETY: as in `map_lookup_each`, but that the values are read.
    unsafe { bpf(Command::MapUpdate, &mut attr) }.map(drop)
}

/// Bytes of the values of as many CPUs as there can be.
fn size_of_all(map: &MapFd) -> io::Result<usize> {
    if !map.info().kind.is_per_cpu() {
        return Err(invalid("the map is not per CPU".to_owned()));
    }
    let value = usize::try_from(map.info().value_size).map_err(io::Error::other)?;
    Ok(value.next_multiple_of(8) * MAX_CPUS)
}
