//! Pins, in a BPF file system that nobody else sees.

use crate::bytecode::{id, passing};
use crate::maps;
use crate::world::{in_a_world, mounted, open_descriptors};
use dsrload::sys::bpf::{self, BPF_F_NO_PREALLOC, MapKind, MapSpec};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

#[test]
fn a_pinned_object_is_found_again() {
    in_a_world(|| {
        let folder = mounted("bpf");
        let map = bpf::map_create(&maps::spec(MapKind::HASH, 0)).unwrap();
        let program = passing("pinned");
        bpf::pin(&map, &folder.join("map")).unwrap();
        bpf::pin(&program, &folder.join("program")).unwrap();
        let found = bpf::open_pinned_map(&folder.join("map")).unwrap().unwrap();
        assert_eq!(found.info(), map.info());
        let found = bpf::open_pinned_program(&folder.join("program"))
            .unwrap()
            .unwrap();
        assert_eq!(id(&found), id(&program));

        let error = bpf::pin(&map, &folder.join("program")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
    });
}

#[test]
fn an_object_of_another_kind_is_refused() {
    in_a_world(|| {
        let folder = mounted("bpf");
        let kinds = [
            MapKind::HASH,
            MapKind::ARRAY,
            MapKind::DEVMAP,
            MapKind::PERCPU_ARRAY,
        ];
        for (number, kind) in kinds.into_iter().enumerate() {
            let path = folder.join(format!("map{number}"));
            let spec = MapSpec {
                value_size: 4,
                ..maps::spec(kind, 0)
            };
            bpf::pin(bpf::map_create(&spec).unwrap(), &path).unwrap();
            assert_eq!(
                bpf::open_pinned_map(&path).unwrap().unwrap().info().kind,
                kind
            );
            let error = bpf::open_pinned_program(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{kind:?}: {error}");
        }
        let path = folder.join("lpm");
        let spec = maps::spec(MapKind::LPM_TRIE, BPF_F_NO_PREALLOC);
        bpf::pin(
            bpf::map_create(&MapSpec {
                key_size: 8,
                ..spec
            })
            .unwrap(),
            &path,
        )
        .unwrap();
        assert!(bpf::open_pinned_map(&path).unwrap().is_some());

        let path = folder.join("program");
        bpf::pin(passing("pinned"), &path).unwrap();
        let before = open_descriptors();
        let error = bpf::open_pinned_map(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_path_that_is_not_there_is_an_answer() {
    in_a_world(|| {
        let folder = mounted("bpf");
        assert!(
            bpf::open_pinned_map(&folder.join("none"))
                .unwrap()
                .is_none()
        );
        assert!(
            bpf::open_pinned_program(&folder.join("none/deeper"))
                .unwrap()
                .is_none()
        );
        let error = bpf::open_pinned_map(Path::new("a\0b")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn other_file_systems_hold_no_pins() {
    in_a_world(|| {
        let folder = mounted("tmpfs");
        assert!(!bpf::is_bpffs(folder));
        fs::write(folder.join("file"), "").unwrap();
        let error = bpf::open_pinned_map(&folder.join("file")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EACCES));
        let error = bpf::pin(passing("unpinned"), &folder.join("pin")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPERM));

        assert!(bpf::is_bpffs(mounted("bpf")));
        assert!(!bpf::is_bpffs(Path::new("/not/there")));
    });
}
