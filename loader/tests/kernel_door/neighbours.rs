//! The neighbour table, between two namespaces.

use crate::world::{Netns, in_a_world, ip, wait_for};
use dsrload::netlink::{Neighbour, NeighbourState, Netlink};
use std::fs;
use std::net::IpAddr;

/// `near` here, and `far` with this Ethernet address in another namespace.
fn connected() -> (Netns, Netlink, u32) {
    let other = Netns::new();
    ip(&format!(
        "link add near type veth peer name far address 02:00:00:00:00:0f netns {}",
        other.path()
    ));
    ip("address add 192.0.2.1/24 dev near");
    ip("address add 2001:db8::1/64 dev near nodad");
    // The source of the kernel's solicitations, usable at once.
    ip("address add fe80::1/64 dev near nodad");
    ip("link set near up");
    {
        let _inside = other.enter();
        ip("address add 192.0.2.2/24 dev far");
        ip("address add 2001:db8::2/64 dev far nodad");
        ip("link set far up");
    }
    let mut netlink = Netlink::open().unwrap();
    let index = wait_for("the link runs", || {
        let near = netlink.link_by_name("near").unwrap()?;
        near.running.then_some(near.index)
    });
    (other, netlink, index)
}

#[test]
fn the_kernel_resolves_whom_it_is_asked_to() {
    in_a_world(|| {
        let (_other, mut netlink, index) = connected();
        for address in ["192.0.2.2", "2001:db8::2"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(netlink.neighbour(index, address).unwrap(), None);
            netlink.solicit(index, address).unwrap();
            let found = wait_for("an answer", || {
                let found = netlink.neighbour(index, address).unwrap()?;
                if found.state == NeighbourState::Failed {
                    netlink.solicit(index, address).unwrap();
                }
                found.mac.is_some().then_some(found)
            });
            let wanted = Neighbour {
                address,
                mac: Some([2, 0, 0, 0, 0, 0x0f]),
                state: NeighbourState::Reachable,
                is_managed: false,
            };
            assert_eq!(found, wanted);
            assert!(netlink.neighbours(index).unwrap().contains(&wanted));
            // Once more, of an entry that is there.
            netlink.solicit(index, address).unwrap();
        }
    });
}

#[test]
fn who_does_not_answer_fails_and_leaves_no_permanent_entry() {
    in_a_world(|| {
        let (_other, mut netlink, index) = connected();
        let silent: IpAddr = "192.0.2.99".parse().unwrap();
        netlink.solicit(index, silent).unwrap();
        let asked = netlink.neighbour(index, silent).unwrap().unwrap();
        let unanswered = [NeighbourState::Incomplete, NeighbourState::Failed];
        assert!(unanswered.contains(&asked.state), "{asked:?}");
        assert_eq!(asked.mac, None);
        wait_for("the kernel gives up", || {
            // Until the kernel collects what failed, and then it is gone.
            match netlink.neighbour(index, silent).unwrap() {
                None => Some(()),
                Some(found) => (found.state == NeighbourState::Failed).then_some(()),
            }
        });
    });
}

#[test]
fn entries_are_those_of_one_interface() {
    in_a_world(|| {
        let (_other, mut netlink, index) = connected();
        ip("link add second type veth peer name third");
        ip("link set second up");
        ip("link set third up");
        ip("neighbour add 192.0.2.7 lladdr 02:00:00:00:00:07 dev near");
        ip("neighbour add 192.0.2.8 lladdr 02:00:00:00:00:08 dev second");
        let found = netlink.neighbours(index).unwrap();
        let of = |address: &str| {
            found
                .iter()
                .find(|found| found.address.to_string() == address)
        };
        let set = of("192.0.2.7").unwrap();
        assert_eq!(
            (set.mac, set.state),
            (Some([2, 0, 0, 0, 0, 7]), NeighbourState::Permanent)
        );
        assert_eq!(of("192.0.2.8"), None);
    });
}

#[test]
fn a_managed_neighbour_is_asked_again_and_again_until_it_is_given_up() {
    in_a_world(|| {
        let (_other, mut netlink, index) = connected();
        for (version, setting, value) in [
            (4, "base_reachable_time_ms", "1500"),
            (6, "base_reachable_time_ms", "1500"),
            (4, "delay_first_probe_time", "0"),
            (6, "delay_first_probe_time", "0"),
        ] {
            let path = format!("/proc/sys/net/ipv{version}/neigh/near/{setting}");
            fs::write(&path, value).expect(&path);
        }
        for address in ["192.0.2.2", "2001:db8::2"] {
            let address: IpAddr = address.parse().unwrap();
            netlink.manage(index, address).unwrap();
            // Left alone, an entry is stale after its first answer for good.
            let (mut answers, mut before) = (0, NeighbourState::None);
            let found = wait_for("a second answer", || {
                let found = netlink.neighbour(index, address).unwrap()?;
                if found.state == NeighbourState::Failed {
                    netlink.manage(index, address).unwrap();
                }
                let is_answer = found.state == NeighbourState::Reachable;
                answers += u32::from(is_answer && before != found.state);
                before = found.state;
                (answers == 2).then_some(found)
            });
            assert!(found.is_managed, "{found:?}");
            netlink.solicit(index, address).unwrap();
            wait_for("it is left alone", || {
                let found = netlink.neighbour(index, address).unwrap()?;
                assert!(!found.is_managed, "{found:?}");
                (found.state == NeighbourState::Stale).then_some(())
            });
        }
    });
}

#[test]
fn an_interface_that_is_not_there_has_no_neighbours() {
    in_a_world(|| {
        let mut netlink = Netlink::open().unwrap();
        let address: IpAddr = "192.0.2.2".parse().unwrap();
        let error = netlink.neighbour(999_999, address).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
        let error = netlink.solicit(999_999, address).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
        assert_eq!(netlink.neighbours(999_999).unwrap(), []);
    });
}
