//! What a placement promises when the way to a backend changes.

use super::tests::{after, nothing, service, wanted};
use super::*;

/// Every form of a tunnel, and none.
fn tunnels() -> Vec<Option<TunnelRoute>> {
    let mut tunnels = vec![None];
    for kind in [TunnelKind::Ipip, TunnelKind::Gue(6080), TunnelKind::Gue(7)] {
        for is_source_given in [false, true] {
            tunnels.push(Some(TunnelRoute {
                kind,
                source: IpAddr::from([10, 0, 0, 1]),
                is_source_given,
                mtu: 1480,
            }));
        }
    }
    tunnels
}

/// A service of three backends whose first is reached like this.
fn reached(tunnel: Option<TunnelRoute>, is_mac_given: bool) -> Wanted {
    let mut service = service(80, &[3, 4, 5]);
    service.backends[0].route.tunnel = tunnel;
    service.backends[0].route.is_mac_given = is_mac_given;
    service.backends[1].state = Some(State::Maint);
    wanted(&[service])
}

#[test]
fn a_backend_that_is_reached_in_another_way_keeps_number_slots_and_state() {
    for before in tunnels() {
        for now in tunnels() {
            for given in [false, true] {
                let first = place(&nothing(), &reached(before, given)).expect("room");
                let loaded = after(&nothing(), &first, &[]);
                let mut other = reached(now, !given);
                other.services[0].backends[1].state = None;
                let second = place(&loaded, &other).expect("room");
                assert!(second.slots.is_empty() && second.moved.is_empty());
                assert!(second.retired.is_empty() && second.forgotten.is_empty());
                for (before, now) in first.destinations.iter().zip(&second.destinations) {
                    assert_eq!(
                        (before.number, before.service, before.state),
                        (now.number, now.service, now.state)
                    );
                    assert_eq!(before.flags & !ROUTE_FLAGS, now.flags & !ROUTE_FLAGS);
                }
                assert_eq!(second.destinations[0].route.tunnel, now);
            }
        }
    }
}

#[test]
fn the_flags_of_a_way_and_those_of_a_state_do_not_meet() {
    for tunnel in tunnels() {
        for given in [false, true] {
            let placed = place(&nothing(), &reached(tunnel, given)).expect("room");
            let [tunnelled, out, plain] = &placed.destinations[..] else {
                panic!("three destinations");
            };
            assert_eq!(tunnelled.flags & !ROUTE_FLAGS, destination::LIVE);
            let is = |bit| tunnelled.flags & bit != 0;
            assert_eq!(is(destination::TUNNEL), tunnel.is_some());
            assert_eq!(is(destination::MAC_GIVEN), given);
            let is_gue = tunnel.is_some_and(|t| matches!(t.kind, TunnelKind::Gue(_)));
            assert_eq!(is(destination::GUE), is_gue);
            let is_given = tunnel.is_some_and(|t| t.is_source_given);
            assert_eq!(is(destination::SOURCE_GIVEN), is_given);
            assert_eq!(out.flags, destination::LIVE | destination::OUT);
            assert_eq!(plain.flags, destination::LIVE);
            assert_eq!(fate(tunnelled.flags), Fate::Stays);
            assert_eq!(fate(out.flags), Fate::Gone);
        }
    }
}

#[test]
fn one_service_has_backends_of_every_kind_on_several_ports() {
    let mut mixed = service(80, &[3, 4, 5, 6, 7, 8, 9]);
    for (backend, (port, tunnel)) in mixed.backends.iter_mut().zip((0..).zip(tunnels())) {
        backend.route.port = port;
        backend.route.tunnel = tunnel;
    }
    let placed = place(&nothing(), &wanted(&[mixed.clone()])).expect("room");
    for (placed, wanted) in placed.destinations.iter().zip(&mixed.backends) {
        assert_eq!(placed.route, wanted.route);
    }
}
