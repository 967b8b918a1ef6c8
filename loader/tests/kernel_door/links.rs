//! Interfaces and their addresses.

use crate::world::{Netns, in_a_world, ip, open_descriptors, wait_for};
use dsrload::netlink::{Address, AttachedMode, Netlink};
use dsrload::sys::lock::Lock;
use dsrload::sys::{namespace, socket};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, getsockname, sendto,
};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

#[test]
fn an_interface_that_is_not_there_is_an_answer() {
    in_a_world(|| {
        let mut netlink = Netlink::open().unwrap();
        for name in [
            "",
            "nobody",
            "a-name-that-is-too-long-for-one",
            "a/b",
            "a\0b",
            "é",
        ] {
            assert_eq!(netlink.link_by_name(name).unwrap(), None, "{name:?}");
        }
        for index in [0, 999_999, 1 << 31, u32::MAX] {
            assert_eq!(netlink.link_by_index(index).unwrap(), None, "{index}");
        }
        let error = netlink.addresses(999_999).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
    });
}

#[test]
fn a_veth_tells_its_kind_its_peer_and_its_state() {
    in_a_world(|| {
        ip(
            "link add near address 02:00:00:00:00:01 mtu 1400 numrxqueues 3 type veth \
            peer name far",
        );
        let mut netlink = Netlink::open().unwrap();
        let near = netlink.link_by_name("near").unwrap().unwrap();
        let far = netlink.link_by_name("far").unwrap().unwrap();
        assert_eq!(near.name, "near");
        assert_eq!(
            (near.mac, near.mtu, near.rx_queues),
            ([2, 0, 0, 0, 0, 1], 1400, 3)
        );
        assert_eq!((near.hardware, near.kind.as_deref()), (1, Some("veth")));
        assert_eq!(near.peer_index, Some(far.index));
        assert!(!near.peer_is_elsewhere && !near.up && !near.running);
        assert_eq!(near.xdp.mode(), AttachedMode::None);
        assert_eq!(
            netlink.link_by_index(near.index).unwrap(),
            Some(near.clone())
        );

        ip("link set near up");
        ip("link set far up");
        wait_for("both ends run", || {
            let near = netlink.link_by_name("near").unwrap().unwrap();
            (near.up && near.running).then_some(())
        });
    });
}

#[test]
fn a_peer_in_another_namespace_is_elsewhere() {
    in_a_world(|| {
        let other = Netns::new();
        ip(&format!(
            "link add near type veth peer name far netns {}",
            other.path()
        ));
        let near = Netlink::open()
            .unwrap()
            .link_by_name("near")
            .unwrap()
            .unwrap();
        let far = {
            let _inside = other.enter();
            Netlink::open()
                .unwrap()
                .link_by_name("far")
                .unwrap()
                .unwrap()
        };
        assert!(near.peer_is_elsewhere);
        assert_eq!(near.peer_index, Some(far.index));
    });
}

#[test]
fn a_bridge_port_names_its_bridge() {
    in_a_world(|| {
        ip("link add bridge0 type bridge");
        ip("link add near type veth peer name far");
        ip("link set near master bridge0");
        let mut netlink = Netlink::open().unwrap();
        let bridge = netlink.link_by_name("bridge0").unwrap().unwrap();
        assert_eq!(bridge.kind.as_deref(), Some("bridge"));
        assert_eq!((bridge.master, bridge.peer_index), (None, None));
        let near = netlink.link_by_name("near").unwrap().unwrap();
        assert_eq!(near.master, Some(bridge.index));
    });
}

#[test]
fn a_long_list_is_read_to_its_end() {
    in_a_world(|| {
        for number in 0..60 {
            ip(&format!(
                "link add veth{number} type veth peer name peer{number}"
            ));
        }
        let links = Netlink::open().unwrap().links().unwrap();
        for number in 0..60 {
            let found = |prefix| {
                links
                    .iter()
                    .any(|link| link.name == format!("{prefix}{number}"))
            };
            assert!(found("veth") && found("peer"), "{number}");
        }
        let loopback = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(
            (loopback.index, loopback.hardware, loopback.mac),
            (1, 772, [0; 6])
        );
    });
}

#[test]
fn addresses_are_those_of_one_interface() {
    in_a_world(|| {
        ip("link add near type veth peer name far");
        ip("address add 192.0.2.1/24 dev near");
        ip("address add 192.0.2.9 peer 192.0.2.10/31 dev near");
        ip("address add 2001:db8::1/64 dev near nodad");
        ip("address add 198.51.100.1/32 dev far");
        let mut netlink = Netlink::open().unwrap();
        let index = netlink.link_by_name("near").unwrap().unwrap().index;
        let mut addresses = netlink.addresses(index).unwrap();
        addresses.sort_by_key(|address| address.address);
        let wanted = [("192.0.2.1", 24), ("192.0.2.9", 31), ("2001:db8::1", 64)];
        let wanted = wanted.map(|(address, prefix_len)| Address {
            address: address.parse::<IpAddr>().unwrap(),
            prefix_len,
        });
        assert_eq!(addresses, wanted);
    });
}

#[test]
fn a_conversation_stays_in_its_namespace() {
    in_a_world(|| {
        let mut netlink = Netlink::open().unwrap();
        ip("link add near type veth peer name far");
        let here = (
            namespace::netns_cookie().unwrap(),
            namespace::netns_inode().unwrap(),
        );
        let other = Netns::new();
        {
            let _inside = other.enter();
            let there = (
                namespace::netns_cookie().unwrap(),
                namespace::netns_inode().unwrap(),
            );
            assert!(here.0 != there.0 && here.1 != there.1, "{here:?} {there:?}");
            assert!(netlink.link_by_name("near").unwrap().is_some());
            assert!(
                Netlink::open()
                    .unwrap()
                    .link_by_name("near")
                    .unwrap()
                    .is_none()
            );
        }
        assert_eq!(namespace::netns_cookie().unwrap(), here.0);
    });
}

#[test]
fn a_datagram_from_another_process_is_no_answer() {
    in_a_world(|| {
        let mut netlink = Netlink::open().unwrap();
        let forger = nix::sys::socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )
        .unwrap();
        // The first socket of a namespace has the process's number for port.
        let port = NetlinkAddr::new(std::process::id(), 0);
        for sequence in 0..4_u32 {
            // "ENODEV", to whatever is asked next.
            let words = [
                36,
                2,
                sequence,
                0,
                (-libc::ENODEV).cast_unsigned(),
                0,
                0,
                0,
                0,
            ];
            let forged: Vec<u8> = words.into_iter().flat_map(u32::to_ne_bytes).collect();
            sendto(forger.as_raw_fd(), &forged, &port, MsgFlags::empty()).unwrap();
        }
        let own: NetlinkAddr = getsockname(forger.as_raw_fd()).unwrap();
        assert_ne!(own.pid(), std::process::id(), "the forger has another port");
        assert!(netlink.link_by_name("lo").unwrap().is_some());
    });
}

#[test]
fn conversations_give_their_descriptors_back() {
    in_a_world(|| {
        let before = open_descriptors();
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(open_descriptors(), before + 1);
        netlink.links().unwrap();
        netlink.addresses(999_999).unwrap_err();
        drop(netlink);
        assert_eq!(open_descriptors(), before);
        namespace::netns_cookie().unwrap();
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_socket_option_has_its_own_size() {
    let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
    socket::set_option(&socket, libc::SOL_SOCKET, libc::SO_PRIORITY, 3).unwrap();
    assert!(socket::option_u64(&socket, libc::SOL_SOCKET, libc::SO_COOKIE).unwrap() > 0);
}

#[test]
fn a_lock_is_held_in_one_namespace_only() {
    in_a_world(|| {
        let _held = Lock::acquire("dsrload", Duration::ZERO).unwrap();
        let other = Netns::new();
        let _inside = other.enter();
        Lock::acquire("dsrload", Duration::ZERO).unwrap();
    });
}
