//! A container may have nothing: no `/proc`, no `/sys`, no file at all.

use crate::bytecode::{XDP_PASS, id, passing};
use crate::maps;
use crate::world::{in_a_world, ip, mounted};
use dsrload::netlink::{Change, Expected, Mode, Netlink};
use dsrload::sys::bpf::{self, MapKind};
use dsrload::sys::capabilities::{Capability, capabilities};
use dsrload::sys::lock::Lock;
use dsrload::sys::{machine, namespace};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Leaves this thread, whose root is its own, without any file.
fn enter_an_empty_root() {
    let folder = mounted("tmpfs");
    nix::unistd::chroot(folder).unwrap();
    nix::unistd::chdir("/").unwrap();
    assert_eq!(fs::read_dir("/").unwrap().count(), 0);
}

#[test]
fn cpus_are_counted_alike_with_and_without_sys() {
    in_a_world(|| {
        let listed = machine::possible_cpus().unwrap();
        let ticks = machine::ticks_per_second().unwrap();
        enter_an_empty_root();
        assert_eq!(machine::possible_cpus().unwrap(), listed);
        assert_eq!(machine::ticks_per_second().unwrap(), ticks);
    });
}

#[test]
fn a_namespace_keeps_its_cookie_without_proc() {
    in_a_world(|| {
        let cookie = namespace::netns_cookie().unwrap();
        assert!(namespace::netns_inode().is_some());
        enter_an_empty_root();
        assert_eq!(namespace::netns_cookie().unwrap(), cookie);
        assert_eq!(namespace::netns_inode(), None);
    });
}

#[test]
fn rights_and_locks_need_no_file() {
    in_a_world(|| {
        enter_an_empty_root();
        assert!(capabilities().unwrap().has(Capability::NET_ADMIN));
        let lock = Lock::acquire("dsrload", Duration::ZERO).unwrap();
        Lock::acquire("dsrload", Duration::ZERO).unwrap_err();
        drop(lock);
        Lock::acquire("dsrload", Duration::ZERO).unwrap();
        assert!(!bpf::is_bpffs(Path::new("/sys/fs/bpf")));
        assert!(
            bpf::open_pinned_map(Path::new("/sys/fs/bpf/map"))
                .unwrap()
                .is_none()
        );
    });
}

#[test]
fn a_program_is_loaded_run_attached_and_found_again_without_any_file() {
    in_a_world(|| {
        ip("link add near type veth peer name far");
        enter_an_empty_root();
        let map = bpf::map_create(&maps::spec(MapKind::ARRAY, 0)).unwrap();
        bpf::map_update(&map, &[0; 4], &[1; 8], bpf::BPF_ANY).unwrap();
        let program = passing("rootless");
        let run = bpf::test_run(&program, &[0; 64], &mut [0; 64]).unwrap();
        assert_eq!(run.verdict, u32::from(XDP_PASS));

        let mut netlink = Netlink::open().unwrap();
        let index = netlink.link_by_name("near").unwrap().unwrap().index;
        let change = Change {
            program: Some(&program),
            expected: Some(Expected::Nothing),
            mode: Mode::Drv,
        };
        netlink.set_xdp(index, change).unwrap();
        let seen = netlink
            .link_by_index(index)
            .unwrap()
            .unwrap()
            .xdp
            .drv
            .unwrap();
        let found = bpf::program_by_id(seen).unwrap().unwrap();
        assert_eq!(id(&found), id(&program));
        netlink
            .set_xdp(
                index,
                Change {
                    program: None,
                    expected: None,
                    ..change
                },
            )
            .unwrap();
        assert_eq!(netlink.addresses(index).unwrap(), []);
    });
}
