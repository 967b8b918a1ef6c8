//! Health and quorum, placed.

use super::tests::{nothing, service, wanted};
use super::*;
use std::net::Ipv4Addr;
use xdp_prog::abi::state::slot;

fn backend(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

/// Who owns each slot.
fn owners(placed: &Placement) -> Vec<u16> {
    let words = placed.slots.iter().flat_map(|(_, words)| words);
    words.map(|&word| slot::current(word)).collect()
}

fn placed(failing: &[u8], quorum: u32, sorry: Option<u8>) -> Placement {
    let mut one = service(80, &[1, 2, 3, 9]);
    one.backends[3].weight = 0;
    one.quorum = quorum;
    one.sorry = sorry.map(backend);
    let first = one.addresses[0];
    let mut wanted = wanted(&[one]);
    let failing = failing.iter().map(|&last| ((first, backend(last)), true));
    wanted.failing.extend(failing);
    place(&nothing(), &wanted).expect("room")
}

#[test]
fn who_fails_loses_its_own_slots_alone() {
    let well = owners(&placed(&[], 1, None));
    let sick = owners(&placed(&[2], 1, None));
    assert!(!sick.contains(&2) && well.contains(&2));
    for (before, after) in well.iter().zip(&sick) {
        assert!(before == after || *before == 2);
    }
}

#[test]
fn without_a_quorum_the_sorry_backend_owns_all_slots_and_with_one_none() {
    let well = owners(&placed(&[], 2, None));
    assert_eq!(owners(&placed(&[], 2, Some(9))), well);
    let sorry = placed(&[1, 3], 2, Some(9));
    assert!(owners(&sorry).iter().all(|&owner| owner == 4));
    let flags: Vec<Fate> = sorry.destinations.iter().map(|d| fate(d.flags)).collect();
    // Flows of the one that is well stay.
    assert_eq!(flags, [Fate::Gone, Fate::Stays, Fate::Gone, Fate::Stays]);
}
