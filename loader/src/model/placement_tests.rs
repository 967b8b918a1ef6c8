//! What a placement promises, over sequences of changes.

use super::*;
use crate::model::{Policy, Tracking};
use std::net::Ipv4Addr;
use xdp_prog::abi::state::{service as flag, slot};

fn address(port: u16) -> ServiceAddress {
    ServiceAddress {
        vip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        port,
        protocol: Protocol::Tcp,
    }
}

pub(super) fn service(port: u16, backends: &[u8]) -> WantedService {
    WantedService {
        addresses: vec![address(port)],
        manner: Manner::default(),
        backends: backends
            .iter()
            .map(|&last| WantedBackend {
                route: Route {
                    address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
                    macs: [last; 12],
                    is_mac_given: false,
                    port: 0,
                    tunnel: None,
                },
                weight: 1,
                state: None,
            })
            .collect(),
        quorum: 0,
        sorry: None,
    }
}

pub(super) fn wanted(services: &[WantedService]) -> Wanted {
    Wanted {
        services: services.to_vec(),
        slots: 1024,
        ..Wanted::default()
    }
}

pub(super) fn nothing() -> Loaded {
    Loaded {
        slots: limits::SLOTS_DEFAULT,
        ..Loaded::default()
    }
}

/// What is loaded once `placement` is in force.
pub(super) fn after(before: &Loaded, placement: &Placement, named: &[u16]) -> Loaded {
    let written = |range: &Range<u32>| {
        placement
            .slots
            .iter()
            .find(|(first, _)| *first == range.start)
            .map(|(_, words)| words.clone())
    };
    let words = placement.services.iter().map(|s| {
        let kept = || before.words.get(&s.id).cloned().unwrap_or_default();
        (s.id, written(&s.slots).unwrap_or_else(kept))
    });
    Loaded {
        words: words.collect(),
        services: placement.services.clone(),
        destinations: placement.destinations.clone(),
        named: named.iter().copied().collect(),
        slots: before.slots,
        copy: 1 - before.copy,
        now: before.now + 1,
    }
}

fn number(placement: &Placement, last: u8) -> u16 {
    let wanted = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    let mut found = placement
        .destinations
        .iter()
        .filter(|d| d.route.address == wanted);
    found.next().expect("a destination").number
}

fn words(loaded: &Loaded) -> &[u32] {
    loaded.words.values().next().expect("one service")
}

#[test]
fn the_same_config_again_changes_nothing() {
    let config = wanted(&[service(80, &[3, 4]), service(443, &[3])]);
    let first = place(&nothing(), &config).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let second = place(&loaded, &config).expect("room");
    assert!(second.slots.is_empty() && second.retired.is_empty());
    assert_eq!(second.destinations, first.destinations);
    assert_eq!(second.entries, first.entries);
}

#[test]
fn a_changed_service_gets_slots_that_nobody_uses() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let second = place(&loaded, &wanted(&[service(80, &[3, 4, 5])])).expect("room");
    let old = &loaded.services[0].slots;
    let new = &second.services[0].slots;
    assert!(new.start >= old.end || new.end <= old.start);
    assert_eq!(number(&second, 3), number(&first, 3));
    assert_eq!(number(&second, 4), number(&first, 4));
}

#[test]
fn slots_that_move_name_their_former_owner_and_others_stay_settled() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let second = place(&loaded, &wanted(&[service(80, &[3, 4, 5])])).expect("room");
    let added = number(&second, 5);
    let later = after(&loaded, &second, &[]);
    let mut moved = 0;
    for (&old, &new) in words(&loaded).iter().zip(words(&later)) {
        if slot::current(new) == slot::current(old) {
            assert_eq!(new, old);
        } else {
            moved += 1;
            assert!(!slot::is_settled(new));
            assert_eq!(slot::previous(new), slot::current(old));
        }
    }
    let owned = words(&later).iter().filter(|&&w| slot::current(w) == added);
    assert!(owned.count() > 0 && moved > 0);
    assert_eq!(second.moved.values().sum::<usize>(), moved);
}

#[test]
fn a_drained_backend_keeps_its_flows_and_gets_no_new_ones() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let mut config = wanted(&[service(80, &[3, 4])]);
    config.services[0].backends[0].state = Some(State::Drain);
    let second = place(&loaded, &config).expect("room");
    let drained = number(&second, 3);
    let later = after(&loaded, &second, &[]);
    assert!(words(&later).iter().all(|&w| slot::current(w) != drained));
    assert!(words(&later).iter().any(|&w| slot::previous(w) == drained));
    let entry = second.destinations.iter().find(|d| d.number == drained);
    assert_eq!(entry.expect("it stays").flags, destination::LIVE);
}

#[test]
fn a_backend_that_returns_has_all_its_slots_back() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4, 5])])).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let mut config = wanted(&[service(80, &[3, 4, 5])]);
    config.services[0].backends[1].state = Some(State::Down);
    let down = place(&loaded, &config).expect("room");
    let without = after(&loaded, &down, &[]);
    config.services[0].backends[1].state = Some(State::Ready);
    let up = place(&without, &config).expect("room");
    let with = after(&without, &up, &[]);
    let owners =
        |loaded: &Loaded| -> Vec<u16> { words(loaded).iter().map(|&w| slot::current(w)).collect() };
    assert_eq!(owners(&with), owners(&loaded));
    assert_ne!(owners(&without), owners(&loaded));
    let down = number(&first, 4);
    for (before, after) in owners(&loaded).iter().zip(owners(&without)) {
        assert!(*before == after || *before == down && after != down);
    }
}

/// Balancers of one site may list the same services in another order.
#[test]
fn the_order_of_services_addresses_and_backends_does_not_matter() {
    let mut services = [
        service(80, &[3, 4, 5, 6]),
        service(443, &[4, 7]),
        service(53, &[9]),
    ];
    services[0].addresses.push(address(8080));
    services[0].backends[1].weight = 5;
    services[0].backends[2].state = Some(State::Drain);
    let mut shuffled = services.clone();
    shuffled.reverse();
    for service in &mut shuffled {
        service.addresses.reverse();
        service.backends.rotate_left(1);
    }
    let owners = |services: &[WantedService]| {
        let placed = place(&nothing(), &wanted(services)).expect("room");
        let loaded = after(&nothing(), &placed, &[]);
        let address = |number: u16| {
            let mut found = loaded.destinations.iter().filter(|d| d.number == number);
            found.next().expect("a destination").route.address
        };
        let services = loaded.services.iter().map(|service| {
            let words = loaded.words[&service.id].iter();
            let owners: Vec<IpAddr> = words.map(|&w| address(slot::current(w))).collect();
            (service.addresses.iter().copied().min(), owners)
        });
        services.collect::<BTreeMap<_, _>>()
    };
    assert_eq!(owners(&services), owners(&shuffled));
}

#[test]
fn a_reload_leaves_the_state_of_backends_alone() {
    let mut config = wanted(&[service(80, &[3, 4])]);
    config.services[0].backends[0].state = Some(State::Drain);
    let first = place(&nothing(), &config).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let again = place(&loaded, &wanted(&[service(80, &[3, 4])])).expect("room");
    assert_eq!(again.destinations[0].state, State::Drain);
}

#[test]
fn a_number_that_a_flow_names_is_not_given_to_another_backend() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let gone = number(&first, 3);
    let loaded = after(&nothing(), &first, &[gone]);
    let second = place(&loaded, &wanted(&[service(80, &[4])])).expect("room");
    assert_eq!(second.retired, [gone]);

    let third = |named: &[u16]| {
        let config = wanted(&[service(80, &[4, 5])]);
        let loaded = after(&loaded, &second, named);
        number(&place(&loaded, &config).expect("room"), 5)
    };
    assert_ne!(third(&[gone]), gone);
    assert_eq!(third(&[]), gone);
}

#[test]
fn more_backends_than_numbers_are_refused_with_the_limit() {
    let mut full = service(80, &[3]);
    let last = limits::DESTINATIONS - 1;
    full.backends = (1..=last)
        .map(|number| {
            let mut backend = full.backends[0];
            backend.route.address = IpAddr::V4(Ipv4Addr::from_bits(0x0a01_0000 + number));
            backend
        })
        .collect();
    let refusal = place(&nothing(), &wanted(&[full, service(443, &[9])])).err();
    assert_eq!(
        refusal.as_deref(),
        Some("8192 backends: one balancer holds 8191")
    );
}

#[test]
fn no_slot_names_a_backend_that_was_removed() {
    let first = place(&nothing(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let gone = number(&first, 3);
    let loaded = after(&nothing(), &first, &[]);
    let second = place(&loaded, &wanted(&[service(80, &[4])])).expect("room");
    let later = after(&loaded, &second, &[]);
    for &word in words(&later) {
        assert!(slot::current(word) != gone && slot::previous(word) != gone);
    }
}

#[test]
fn one_backend_of_two_services_is_two_destinations() {
    let config = wanted(&[service(80, &[3]), service(443, &[3])]);
    let placed = place(&nothing(), &config).expect("room");
    assert_eq!(placed.destinations.len(), 2);
    assert_ne!(placed.destinations[0].number, placed.destinations[1].number);
}

#[test]
fn all_addresses_of_a_service_share_its_slots() {
    let mut both = service(80, &[3, 4]);
    both.addresses.push(address(443));
    let placed = place(&nothing(), &wanted(&[both])).expect("room");
    let slots: BTreeSet<u32> = placed
        .entries
        .iter()
        .filter_map(|e| Some(e.service.as_ref()?.slots.start))
        .collect();
    assert_eq!((placed.entries.len(), slots.len()), (3, 1));
}

#[test]
fn as_many_services_as_the_limit_says_fit_twice() {
    let services = |backend: u8| -> Vec<WantedService> {
        (1..=limits::SERVICES)
            .map(|n| service(u16::try_from(n).expect("few"), &[backend]))
            .collect()
    };
    let first = place(&nothing(), &wanted(&services(3))).expect("room");
    let loaded = after(&nothing(), &first, &[]);
    let second = place(&loaded, &wanted(&services(4))).expect("room");
    assert_eq!(second.slots.len(), limits::SERVICES as usize);
    assert_eq!(second.retired.len(), limits::SERVICES as usize);
}

#[test]
fn a_vip_has_an_entry_of_its_own_that_tells_of_any_port_services() {
    let mut any = service(0, &[3]);
    any.manner.policy = Policy::Random;
    any.manner.tracking = Tracking::All;
    let mut config = wanted(&[service(80, &[3]), any]);
    config.local.insert(address(80).vip);
    config.is_mute = true;
    let placed = place(&nothing(), &config).expect("room");
    let vips: Vec<&Entry> = placed
        .entries
        .iter()
        .filter(|e| e.service.is_none())
        .collect();
    assert_eq!(vips.len(), 1);
    let expected = flag::LOCAL | flag::ANY_TCP | flag::NO_ECHO;
    assert_eq!(vips[0].vip_flags, expected);
}

#[test]
fn addresses_survive_the_tables() {
    for vip in ["192.0.2.1", "2001:db8::1"] {
        let address = ServiceAddress {
            vip: vip.parse().expect(vip),
            ..address(8080)
        };
        let words = address_words(address.vip);
        let key = service_key(words, address.port.to_be_bytes(), address.protocol.number());
        assert_eq!(service_address(words, key), Some(address));
        assert_eq!(service_address(words, service_key(words, [0, 0], 0)), None);
    }
}
