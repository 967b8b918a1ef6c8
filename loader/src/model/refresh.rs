//! Keeping ways to backends current: what differs from what is loaded.

use super::placement::{PlacedDestination, Route};
use std::fmt::{Display, Write};

/// A destination whose way has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub number: u16,
    /// Number of its service.
    pub service: u16,
    /// The way that is loaded.
    pub before: Route,
    /// The way there is now.
    pub now: Route,
}

/// What differs between the destinations and the ways that were found for them,
/// in the same order. One without a way keeps what it has: the last way that
/// was known is better than none.
pub fn changes<'a>(
    destinations: &'a [PlacedDestination],
    found: &'a [Option<Route>],
) -> impl Iterator<Item = Change> + 'a {
    destinations
        .iter()
        .zip(found)
        .filter_map(|(placed, &found)| {
            let now = found.filter(|&now| now != placed.route)?;
            Some(Change {
                number: placed.number,
                service: placed.service,
                before: placed.route,
                now,
            })
        })
}

impl Change {
    /// What is new, and what it was: `mac A (was B), via eth1 (was eth0)`.
    #[must_use]
    pub fn describe(&self, interface: impl Fn(u16) -> String) -> String {
        let (before, now) = (&self.before, &self.now);
        let mut text = String::new();
        let mut tell = |what: &str, before: &dyn Display, now: &dyn Display| {
            let (before, now) = (before.to_string(), now.to_string());
            if before != now {
                let comma = if text.is_empty() { "" } else { ", " };
                // A string takes everything.
                let _ = write!(text, "{comma}{what} {now} (was {before})");
            }
        };
        tell("mac", &before.mac(), &now.mac());
        tell("via", &interface(before.port), &interface(now.port));
        tell("from mac", &before.own_mac(), &now.own_mac());
        if let (Some(before), Some(now)) = (&before.tunnel, &now.tunnel) {
            tell("source", &before.source, &now.source);
            tell("mtu", &before.mtu, &now.mtu);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{State, TunnelKind, TunnelRoute};
    use std::net::IpAddr;

    fn placed(number: u16, tunnel: Option<TunnelRoute>) -> PlacedDestination {
        let route = Route {
            address: IpAddr::from([10, 0, 1, 7]),
            macs: [2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 1],
            is_mac_given: false,
            port: 0,
            tunnel,
        };
        PlacedDestination {
            number,
            service: 1,
            route,
            weight: 1,
            state: State::Ready,
            is_failing: false,
            flags: 1 | route.flags(),
        }
    }

    fn ipip() -> TunnelRoute {
        TunnelRoute {
            kind: TunnelKind::Ipip,
            source: IpAddr::from([10, 0, 0, 1]),
            is_source_given: false,
            mtu: 1480,
        }
    }

    fn names(port: u16) -> String {
        format!("eth{port}")
    }

    #[test]
    fn what_is_as_it_was_or_was_not_found_is_no_change() {
        let loaded = [placed(1, None), placed(2, Some(ipip())), placed(3, None)];
        let found = [Some(loaded[0].route), Some(loaded[1].route), None];
        assert_eq!(changes(&loaded, &found).count(), 0);
    }

    #[test]
    fn a_change_says_what_is_new_and_what_it_was() {
        let loaded = [placed(1, None), placed(2, Some(ipip()))];
        let mut now = loaded[1].route;
        now.macs = [2, 0, 0, 0, 0, 8, 2, 0, 0, 0, 0, 9];
        now.port = 1;
        now.tunnel = Some(TunnelRoute {
            source: IpAddr::from([10, 0, 2, 1]),
            mtu: 1380,
            ..ipip()
        });
        let found = [None, Some(now)];
        let changes: Vec<Change> = changes(&loaded, &found).collect();
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].number, changes[0].now), (2, now));
        assert_eq!(
            changes[0].describe(names),
            "mac 02:00:00:00:00:08 (was 02:00:00:00:00:07), via eth1 (was eth0), \
             from mac 02:00:00:00:00:09 (was 02:00:00:00:00:01), \
             source 10.0.2.1 (was 10.0.0.1), mtu 1380 (was 1480)"
        );
    }

    #[test]
    fn a_change_of_one_thing_names_no_other() {
        let loaded = [placed(2, Some(ipip()))];
        let mut now = loaded[0].route;
        now.tunnel = Some(TunnelRoute {
            mtu: 1400,
            ..ipip()
        });
        let found = [Some(now)];
        let changes: Vec<Change> = changes(&loaded, &found).collect();
        assert_eq!(changes[0].describe(names), "mtu 1400 (was 1480)");
    }
}
