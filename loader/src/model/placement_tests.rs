//! What a placement promises, over sequences of changes.

use super::*;

fn address(port: u16) -> ServiceAddress {
    ServiceAddress {
        vip: Ipv4Addr::new(192, 0, 2, 1),
        port,
        protocol: Protocol::Tcp,
    }
}

fn service(port: u16, backends: &[u8]) -> WantedService {
    WantedService {
        address: address(port),
        backends: backends
            .iter()
            .map(|&last| Route {
                address: Ipv4Addr::new(10, 0, 0, last),
                macs: [last; 12],
                port: 0,
            })
            .collect(),
    }
}

fn wanted(services: &[WantedService]) -> Wanted {
    Wanted {
        services: services.to_vec(),
        local: BTreeSet::new(),
    }
}

/// What is loaded once `placement` is in force.
fn after(placement: &Placement, named: &[u16]) -> Loaded {
    Loaded {
        services: placement
            .entries
            .iter()
            .filter_map(|e| e.service.clone())
            .collect(),
        destinations: placement.destinations.clone(),
        named: named.iter().copied().collect(),
    }
}

fn number(placement: &Placement, last: u8) -> u16 {
    let wanted = Ipv4Addr::new(10, 0, 0, last);
    let mut found = placement
        .destinations
        .iter()
        .filter(|d| d.route.address == wanted);
    found.next().expect("a destination").number
}

#[test]
fn the_same_config_again_changes_nothing() {
    let config = wanted(&[service(80, &[3, 4]), service(443, &[3])]);
    let first = place(&Loaded::default(), &config).expect("room");
    let second = place(&after(&first, &[]), &config).expect("room");
    assert!(second.slots.is_empty());
    assert!(second.retired.is_empty());
    assert_eq!(second.destinations, first.destinations);
    assert_eq!(second.entries, first.entries);
}

#[test]
fn a_changed_service_gets_slots_that_nobody_uses() {
    let first = place(&Loaded::default(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let loaded = after(&first, &[]);
    let second = place(&loaded, &wanted(&[service(80, &[3, 4, 5])])).expect("room");
    let old = &loaded.services[0].slots;
    let new = second.slots[0].0;
    assert!(new >= old.end || new + (old.end - old.start) <= old.start);
    assert_eq!(number(&second, 3), number(&first, 3));
    assert_eq!(number(&second, 4), number(&first, 4));
}

#[test]
fn a_number_that_a_flow_names_is_not_given_to_another_backend() {
    let first = place(&Loaded::default(), &wanted(&[service(80, &[3, 4])])).expect("room");
    let gone = number(&first, 3);
    let second = place(&after(&first, &[gone]), &wanted(&[service(80, &[4])])).expect("room");
    assert_eq!(second.retired, [gone]);

    let third = |named: &[u16]| {
        let config = wanted(&[service(80, &[4, 5])]);
        number(&place(&after(&second, named), &config).expect("room"), 5)
    };
    assert_ne!(third(&[gone]), gone);
    assert_eq!(third(&[]), gone);
}

#[test]
fn one_backend_of_two_services_is_two_destinations() {
    let config = wanted(&[service(80, &[3]), service(443, &[3])]);
    let placed = place(&Loaded::default(), &config).expect("room");
    assert_eq!(placed.destinations.len(), 2);
    assert_ne!(placed.destinations[0].number, placed.destinations[1].number);
}

#[test]
fn as_many_services_as_the_limit_says_fit_twice() {
    let services = |backend: u8| -> Vec<WantedService> {
        (1..=limits::SERVICES)
            .map(|n| service(u16::try_from(n).expect("few"), &[backend]))
            .collect()
    };
    let first = place(&Loaded::default(), &wanted(&services(3))).expect("room");
    let second = place(&after(&first, &[]), &wanted(&services(4))).expect("room");
    assert_eq!(second.slots.len(), limits::SERVICES as usize);
    assert_eq!(second.retired.len(), limits::SERVICES as usize);
}

#[test]
fn every_vip_has_an_entry_of_its_own() {
    let mut config = wanted(&[service(80, &[3]), service(443, &[3])]);
    config.local.insert(address(80).vip);
    let placed = place(&Loaded::default(), &config).expect("room");
    let vips: Vec<&Entry> = placed
        .entries
        .iter()
        .filter(|e| e.service.is_none())
        .collect();
    assert_eq!(vips.len(), 1);
    assert!(vips[0].local);
}

#[test]
fn addresses_survive_the_tables() {
    let address = address(8080);
    let words = address_words(address.vip);
    let key = service_key(address.port.to_be_bytes(), address.protocol.number());
    assert_eq!(service_address(words, key), Some(address));
    assert_eq!(service_address(words, service_key([0, 0], 0)), None);
}
