//! What a placement promises when the manner of a service changes.

use super::tests::{after, nothing, service, wanted};
use super::*;
use crate::model::{Affinity, Prefix, Tracking};

fn prefix(text: &str) -> Prefix {
    text.parse().expect(text)
}

fn denying(prefixes: &[&str]) -> WantedService {
    let mut wanted = service(80, &[3, 4]);
    wanted.manner.deny = prefixes.iter().map(|text| prefix(text)).collect();
    wanted
}

fn tracking(tracking: Tracking) -> WantedService {
    let mut wanted = service(80, &[3, 4]);
    wanted.manner.tracking = tracking;
    wanted
}

#[test]
fn a_list_of_clients_that_changes_gets_a_number_that_is_not_in_force() {
    let config = wanted(&[denying(&["10.0.0.0/8", "192.0.2.0/24"])]);
    let first = place(&nothing(), &config).expect("room");
    assert_ne!(first.services[0].sources, 0);
    let loaded = after(&nothing(), &first, &[]);

    let again = wanted(&[denying(&["192.0.2.0/24", "10.0.0.0/8"])]);
    let same = place(&loaded, &again).expect("room");
    assert_eq!(same.services[0].sources, first.services[0].sources);

    let other = place(&loaded, &wanted(&[denying(&["10.0.0.0/8"])])).expect("room");
    assert!(![0, first.services[0].sources].contains(&other.services[0].sources));

    let none = place(&loaded, &wanted(&[denying(&[])])).expect("room");
    assert_eq!(none.services[0].sources, 0);
}

#[test]
fn flows_are_forgotten_once_they_are_tracked_again_and_only_then() {
    use Tracking::{All, Changed, None};
    for before in [All, Changed, None] {
        for now in [All, Changed, None] {
            let first = place(&nothing(), &wanted(&[tracking(before)])).expect("room");
            let loaded = after(&nothing(), &first, &[]);
            let second = place(&loaded, &wanted(&[tracking(now)])).expect("room");
            let is_forgotten = !second.forgotten.is_empty();
            assert_eq!(
                is_forgotten,
                before == None && now != None,
                "{before:?}, {now:?}"
            );
        }
    }
}

#[test]
fn another_affinity_is_refused_since_it_would_move_every_connection() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let mut other = service(80, &[3, 4]);
    other.manner.affinity = Affinity::Client(32, 128);
    let refused = place(&loaded, &wanted(&[other])).expect_err("it would move flows");
    assert!(refused.contains("affinity"), "{refused}");
}

/// The number of a service is in the hash of its clients that have an affinity.
#[test]
fn the_numbers_of_services_do_not_depend_on_the_order_of_the_config() {
    let ports: Vec<u16> = (1..=500).collect();
    let placed = |ports: &[u16]| {
        let services: Vec<_> = ports.iter().map(|&port| service(port, &[3])).collect();
        let mut config = wanted(&services);
        config.slots = 256;
        let placement = place(&nothing(), &config).expect("room");
        let numbers = placement.services.into_iter().map(|s| (s.addresses, s.id));
        numbers.collect::<BTreeMap<_, _>>()
    };
    let reversed: Vec<u16> = ports.iter().rev().copied().collect();
    let numbers = placed(&ports);
    assert_eq!(numbers, placed(&reversed));
    let different: BTreeSet<u16> = numbers.values().copied().collect();
    assert_eq!(different.len(), ports.len());
    // Few of them want a number that another one has.
    let alone = ports.iter().filter(|&&port| {
        let (addresses, id) = placed(&[port]).pop_first().expect("one");
        numbers[&addresses] == id
    });
    assert!(alone.count() > 490);
}
