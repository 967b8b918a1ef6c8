//! An array map in our own memory: tables written and counters read without a
//! system call.

use crate::sys::bpf::{BPF_F_MMAPABLE, MapFd, MapInfo, MapKind};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

pub use xdp_prog::abi::word::Shared;

/// The least page size of Linux; a mapping begins at a multiple of it.
const PAGE: usize = 4096;

/// The values of an array map, shared with the kernel; unmapped when dropped.
pub struct Mapping<T: Shared> {
    start: NonNull<c_void>,
    bytes: NonZeroUsize,
    count: usize,
    values: PhantomData<[T]>,
}

// SAFETY: a mapping belongs to the process, not to a thread, and gives out
// nothing but `&[T]`, where `T` is `Sync`.
unsafe impl<T: Shared> Send for Mapping<T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Shared> Sync for Mapping<T> {}

impl<T: Shared> Mapping<T> {
    /// Maps the whole array, which was created with [`BPF_F_MMAPABLE`].
    ///
    /// A map's value is one `T` or several. Through a mapping that is not
    /// `writable` nothing can be stored: the kernel ends a process that tries
    /// (SIGSEGV).
    ///
    /// `InvalidInput` when the map is no such array, or its values are no whole
    /// number of `T`; `EPERM` when `writable` is asked of a frozen map.
    pub fn open(map: &MapFd, writable: bool) -> io::Result<Self> {
        const {
            assert!(size_of::<T>() > 0, "nothing to share");
            assert!(align_of::<T>() <= PAGE, "a mapping is aligned to pages");
        }
        let count = entry_count(map.info(), size_of::<T>())
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidInput, reason))?;
        let bytes = count
            .checked_mul(size_of::<T>())
            .and_then(NonZeroUsize::new)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no memory to map"))?;
        let protection = if writable {
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE
        } else {
            ProtFlags::PROT_READ
        };
        // SAFETY: a new region at an address of the kernel's choice, so no
        // memory in use is replaced. The kernel refuses a length beyond the
        // array's pages.
        let start = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, map, 0) }?;
        Ok(Self {
            start,
            bytes,
            count,
            values: PhantomData,
        })
    }

    /// All values, in the order of their keys.
    pub fn entries(&self) -> &[T] {
        // SAFETY: the region is mapped until `self` is dropped, begins at a page
        // and so is aligned, and holds `count` values; any bits are a valid `T`,
        // and what changes inside is atomic, as `Shared` promises.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.count) }
    }
}

impl<T: Shared> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: the region is the one that `open` mapped, and no reference to
        // it outlives `self`.
        let unmapped = unsafe { munmap(self.start, self.bytes.get()) };
        debug_assert!(unmapped.is_ok(), "the region of a mapping was not mapped");
    }
}

impl<T: Shared> fmt::Debug for Mapping<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// How many values of `size` bytes lie one after the other in the array.
fn entry_count(map: &MapInfo, size: usize) -> Result<usize, String> {
    if map.kind != MapKind::ARRAY || map.flags & BPF_F_MMAPABLE == 0 {
        return Err(format!("map {} is no array that can be mapped", map.name));
    }
    let value_size = usize::try_from(map.value_size).unwrap_or(usize::MAX);
    let max_entries = usize::try_from(map.max_entries).unwrap_or(usize::MAX);
    if !value_size.is_multiple_of(size) {
        return Err(format!(
            "the {value_size} bytes of a value of map {} are no whole number of {size}",
            map.name
        ));
    }
    // The kernel begins each value at a multiple of eight.
    if max_entries > 1 && !value_size.is_multiple_of(8) {
        return Err(format!(
            "there are gaps between the values of map {}, of {value_size} bytes",
            map.name
        ));
    }
    (value_size / size)
        .checked_mul(max_entries)
        .ok_or_else(|| format!("map {} is larger than the address space", map.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(value_size: u32, max_entries: u32) -> MapInfo {
        MapInfo {
            id: 1,
            kind: MapKind::ARRAY,
            key_size: 4,
            value_size,
            max_entries,
            flags: BPF_F_MMAPABLE,
            name: "table".to_owned(),
        }
    }

    #[test]
    fn a_value_may_hold_one_entry_or_several() {
        assert_eq!(entry_count(&array(64, 100), 64), Ok(100));
        assert_eq!(entry_count(&array(64, 1), 4), Ok(16));
        assert_eq!(entry_count(&array(64, 3), 16), Ok(12));
    }

    #[test]
    fn half_an_entry_is_refused() {
        let reason = entry_count(&array(60, 1), 8).unwrap_err();
        assert!(
            reason.contains("60 bytes of a value of map table"),
            "{reason}"
        );
    }

    #[test]
    fn gaps_between_values_are_refused_unless_there_is_only_one() {
        assert_eq!(entry_count(&array(12, 1), 4), Ok(3));
        let reason = entry_count(&array(12, 2), 4).unwrap_err();
        assert!(reason.contains("gaps"), "{reason}");
    }

    #[test]
    fn other_maps_are_refused() {
        let hash = MapInfo {
            kind: MapKind::HASH,
            ..array(8, 1)
        };
        assert!(entry_count(&hash, 8).is_err());
        let unmappable = MapInfo {
            flags: 0,
            ..array(8, 1)
        };
        assert!(entry_count(&unmappable, 8).is_err());
    }
}
