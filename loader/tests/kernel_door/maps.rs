//! Maps, and arrays in memory.

use crate::world::in_a_world;
use dsrload::sys::bpf::{
    self, BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_F_RDONLY_PROG, MapFd, MapKind, MapSpec,
};
use dsrload::sys::mapping::Mapping;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use xdp_prog::abi::word::Word64;

/// Keys of 4 bytes, values of 8.
pub fn spec(kind: MapKind, flags: u32) -> MapSpec<'static> {
    MapSpec {
        kind,
        key_size: 4,
        value_size: 8,
        max_entries: 4,
        flags,
        name: "door",
        btf: None,
    }
}

fn map(kind: MapKind, flags: u32) -> MapFd {
    bpf::map_create(&spec(kind, flags)).unwrap()
}

fn key(index: u32) -> [u8; 4] {
    index.to_ne_bytes()
}

#[test]
fn a_map_knows_what_it_was_made_of() {
    let map = map(MapKind::HASH, BPF_F_NO_PREALLOC);
    let info = map.info();
    assert_eq!((info.kind, info.flags), (MapKind::HASH, BPF_F_NO_PREALLOC));
    assert_eq!(
        (info.key_size, info.value_size, info.max_entries),
        (4, 8, 4)
    );
    assert_eq!(info.name, "door");
    let again = bpf::map_by_id(info.id).unwrap().unwrap();
    assert_eq!(again.info(), info);
}

#[test]
fn a_value_is_found_until_it_is_deleted() {
    for kind in [MapKind::HASH, MapKind::LRU_HASH] {
        let map = map(kind, 0);
        let mut value = [0; 8];
        assert!(!bpf::map_lookup(&map, &key(7), &mut value).unwrap());
        assert!(!bpf::map_delete(&map, &key(7)).unwrap());
        bpf::map_update(&map, &key(7), &[3; 8], bpf::BPF_ANY).unwrap();
        assert!(bpf::map_lookup(&map, &key(7), &mut value).unwrap());
        assert_eq!(value, [3; 8]);
        assert!(bpf::map_delete(&map, &key(7)).unwrap());
        assert!(!bpf::map_lookup(&map, &key(7), &mut value).unwrap());
    }
}

#[test]
fn an_update_minds_whether_the_key_is_there() {
    let map = map(MapKind::HASH, 0);
    let errno = |flags| {
        bpf::map_update(&map, &key(1), &[0; 8], flags)
            .unwrap_err()
            .raw_os_error()
    };
    assert_eq!(errno(bpf::BPF_EXIST), Some(libc::ENOENT));
    bpf::map_update(&map, &key(1), &[0; 8], bpf::BPF_NOEXIST).unwrap();
    assert_eq!(errno(bpf::BPF_NOEXIST), Some(libc::EEXIST));
}

#[test]
fn an_array_has_nothing_beyond_its_end() {
    let map = map(MapKind::ARRAY, 0);
    assert!(bpf::map_lookup(&map, &key(3), &mut [0; 8]).unwrap());
    assert!(!bpf::map_lookup(&map, &key(4), &mut [0; 8]).unwrap());
    let error = bpf::map_update(&map, &key(4), &[0; 8], bpf::BPF_ANY).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
    let error = bpf::map_delete(&map, &key(0)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn slices_of_another_size_never_reach_the_kernel() {
    let map = map(MapKind::HASH, 0);
    let refused = |answer: std::io::Result<bool>| {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(error.raw_os_error(), None, "{error}");
        error.to_string()
    };
    let said = refused(bpf::map_lookup(&map, &key(1), &mut [0; 7]));
    assert_eq!(said, "a value of 7 bytes, where the map's have 8");
    refused(bpf::map_lookup(&map, &[0; 5], &mut [0; 8]));
    refused(bpf::map_lookup(&map, &[], &mut [0; 8]));
    refused(bpf::map_update(&map, &key(1), &[0; 9], 0).map(|()| true));
    refused(bpf::map_delete(&map, &[0; 3]));
}

#[test]
fn a_per_cpu_map_has_no_single_value() {
    for kind in [
        MapKind::PERCPU_ARRAY,
        MapKind::PERCPU_HASH,
        MapKind::LRU_PERCPU_HASH,
    ] {
        let map = map(kind, 0);
        let error = bpf::map_lookup(&map, &key(0), &mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        let error = bpf::map_update(&map, &key(0), &[0; 8], 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn a_map_that_is_gone_is_not_found_by_its_number() {
    let map = map(MapKind::ARRAY, 0);
    let id = map.info().id;
    assert_eq!(bpf::map_next_id(id - 1).unwrap(), Some(id));
    drop(map);
    // The kernel takes maps down after a grace period.
    crate::world::wait_for("the map is gone", || {
        bpf::map_by_id(id).unwrap().is_none().then_some(())
    });
    assert_eq!(bpf::map_next_id(1 << 30).unwrap(), None);
}

#[test]
fn a_refused_map_is_the_kernels_error() {
    let error = bpf::map_create(&spec(MapKind(9999), 0)).unwrap_err();
    assert!(error.raw_os_error().is_some(), "{error}");
    let error = bpf::map_create(&MapSpec {
        max_entries: 0,
        ..spec(MapKind::ARRAY, 0)
    });
    assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_map_above_the_limit_on_locked_memory_is_created() {
    // Kernels before 5.11 refuse it until the limit is raised.
    let (_, hard) = getrlimit(Resource::RLIMIT_MEMLOCK).unwrap();
    setrlimit(Resource::RLIMIT_MEMLOCK, 64 << 10, hard).unwrap();
    let large = MapSpec {
        max_entries: 1 << 20,
        ..spec(MapKind::ARRAY, 0)
    };
    bpf::map_create(&large).unwrap();
}

#[test]
fn a_frozen_map_is_read_but_not_written() {
    let map = map(MapKind::ARRAY, BPF_F_RDONLY_PROG);
    bpf::map_update(&map, &key(0), &[5; 8], bpf::BPF_ANY).unwrap();
    bpf::map_freeze(&map).unwrap();
    let error = bpf::map_update(&map, &key(0), &[6; 8], bpf::BPF_ANY).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    let mut value = [0; 8];
    assert!(bpf::map_lookup(&map, &key(0), &mut value).unwrap());
    assert_eq!(value, [5; 8]);
}

#[test]
fn a_mapping_and_the_kernel_see_the_same_values() {
    let map = map(MapKind::ARRAY, BPF_F_MMAPABLE);
    let writer = Mapping::<Word64>::open(&map, true).unwrap();
    let reader = Mapping::<Word64>::open(&map, false).unwrap();
    assert_eq!(writer.entries().len(), 4);

    bpf::map_update(&map, &key(2), &77_u64.to_ne_bytes(), bpf::BPF_ANY).unwrap();
    assert_eq!(reader.entries()[2].get(), 77);

    writer.entries()[3].add(5);
    assert_eq!(reader.entries()[3].get(), 5);
    let mut value = [0; 8];
    assert!(bpf::map_lookup(&map, &key(3), &mut value).unwrap());
    assert_eq!(u64::from_ne_bytes(value), 5);
}

#[test]
fn a_mapping_outlives_its_descriptor_and_reaches_the_last_of_many_pages() {
    let spec = MapSpec {
        max_entries: 5000,
        ..spec(MapKind::ARRAY, BPF_F_MMAPABLE)
    };
    let map = bpf::map_create(&spec).unwrap();
    let mapping = Mapping::<Word64>::open(&map, true).unwrap();
    drop(map);
    let last = mapping.entries().last().unwrap();
    last.set(9);
    assert_eq!(mapping.entries()[4999].get(), 9);
}

#[test]
fn a_frozen_map_is_mapped_for_reading_only() {
    let map = map(MapKind::ARRAY, BPF_F_MMAPABLE);
    let writer = Mapping::<Word64>::open(&map, true).unwrap();
    let error = bpf::map_freeze(&map).unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(libc::EBUSY),
        "a writer has it mapped"
    );
    drop(writer);
    bpf::map_freeze(&map).unwrap();
    let error = Mapping::<Word64>::open(&map, true).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert_eq!(
        Mapping::<Word64>::open(&map, false)
            .unwrap()
            .entries()
            .len(),
        4
    );
}

#[test]
fn a_map_that_cannot_be_mapped_is_refused_with_its_name() {
    let error = Mapping::<Word64>::open(&map(MapKind::ARRAY, 0), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("map door"), "{error}");
}

#[test]
fn maps_and_mappings_give_their_descriptors_back() {
    in_a_world(|| {
        let before = crate::world::open_descriptors();
        let map = map(MapKind::ARRAY, BPF_F_MMAPABLE);
        let again = bpf::map_by_id(map.info().id).unwrap();
        let mapping = Mapping::<Word64>::open(&map, true).unwrap();
        assert_eq!(crate::world::open_descriptors(), before + 2);
        bpf::map_create(&MapSpec {
            max_entries: 0,
            ..spec(MapKind::ARRAY, 0)
        })
        .unwrap_err();
        drop((map, again, mapping));
        assert_eq!(crate::world::open_descriptors(), before);
    });
}

#[test]
fn a_per_cpu_map_has_a_value_for_each_cpu() {
    let map = map(MapKind::PERCPU_ARRAY, 0);
    let mut values = bpf::map_lookup_each(&map, &key(3)).unwrap().unwrap();
    assert!(values.iter().all(|&byte| byte == 0));
    let cpus = usize::try_from(dsrload::sys::machine::possible_cpus().unwrap()).unwrap();
    for (n, value) in (1..).zip(values.chunks_exact_mut(8)) {
        value.copy_from_slice(&u64::to_ne_bytes(n));
    }
    bpf::map_update_each(&map, &key(3), &values).unwrap();
    let read = bpf::map_lookup_each(&map, &key(3)).unwrap().unwrap();
    assert_eq!(read[..8 * cpus], values[..8 * cpus]);
    assert!(read[8 * cpus..].iter().all(|&byte| byte == 0));

    assert_eq!(bpf::map_lookup_each(&map, &key(4)).unwrap(), None);
    let refused = [
        bpf::map_lookup_each(&map, &[0; 3]).map(drop),
        bpf::map_lookup_each(&self::map(MapKind::ARRAY, 0), &key(0)).map(drop),
        bpf::map_update_each(&map, &key(3), &values[8..]),
        bpf::map_update_each(&map, &[0; 5], &values),
    ];
    for answer in refused {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert_eq!(error.raw_os_error(), None, "{error}");
    }
}

#[test]
fn a_map_of_maps_takes_those_that_are_like_the_first() {
    let inner = map(MapKind::HASH, 0);
    let outer = MapSpec {
        value_size: 4,
        ..spec(MapKind::ARRAY_OF_MAPS, 0)
    };
    let outer = bpf::map_of_maps_create(&outer, &inner).unwrap();
    assert!(!bpf::map_lookup(&outer, &key(0), &mut [0; 4]).unwrap());
    let put = |map: &MapFd| {
        let value = map.as_fd().as_raw_fd().to_ne_bytes();
        bpf::map_update(&outer, &key(0), &value, bpf::BPF_ANY)
    };
    put(&inner).unwrap();
    let mut id = [0; 4];
    assert!(bpf::map_lookup(&outer, &key(0), &mut id).unwrap());
    assert_eq!(u32::from_ne_bytes(id), inner.info().id);

    let error = put(&map(MapKind::LRU_HASH, 0)).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    // Another kind of map would be made, and `inner` forgotten.
    let error = bpf::map_of_maps_create(&spec(MapKind::HASH, 0), &inner).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = bpf::map_create(&MapSpec {
        value_size: 4,
        ..spec(MapKind::ARRAY_OF_MAPS, 0)
    });
    // Descriptor 0 is not a map, or there is none.
    let code = error.map(drop).unwrap_err().raw_os_error();
    assert!(matches!(code, Some(libc::EINVAL | libc::EBADF)), "{code:?}");
}
