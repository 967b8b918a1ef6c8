//! A process in namespaces of its own, which end with it.

use dsrload::netlink::{Address, Netlink, VethEnd};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// A `/tmp` of this process's own, which is empty.
pub fn own_files() {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let (nothing, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(nothing, "/", nothing, private, nothing).unwrap();
    let tmpfs = Some("tmpfs");
    mount(tmpfs, "/tmp", tmpfs, MsFlags::empty(), nothing).unwrap();
}

/// The same, and a network and a bpffs of this process's own, with two interfaces that are each
/// other's end; `near` has 10.0.0.1/24.
pub fn alone() {
    own_files();
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let bpf = Some("bpf");
    mount(bpf, "/sys/fs/bpf", bpf, MsFlags::empty(), None::<&str>).unwrap();
    let end = |name, last| VethEnd {
        name,
        mac: [2, 0, 0, 0, 0, last],
    };
    let mut netlink = Netlink::open().unwrap();
    netlink.add_veth(end("near", 1), end("far", 2)).unwrap();
    for name in ["lo", "near", "far"] {
        let link = netlink.link_by_name(name).unwrap().unwrap();
        netlink.set_up(link.index, true).unwrap();
    }
    let near = netlink.link_by_name("near").unwrap().unwrap();
    let own = Address {
        address: [10, 0, 0, 1].into(),
        prefix_len: 24,
    };
    netlink.add_address(near.index, own).unwrap();
}
