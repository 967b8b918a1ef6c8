//! Changing how destinations are reached while packets go to them.
//!
//! An entry and its tunnel are several words, and a packet may be between two of
//! them. So that none goes out half-wrapped, the words of a tunnel are written
//! before the flag that says that there is one, and the flag changes while the
//! MACs are those of the backend's own segment: a packet is then wrapped up or
//! not, and reaches the backend either way. What a tunnel carries is lowered
//! first and raised last. Between these steps a grace period passes, so that no
//! packet meets more than one of them.
//!
//! MAC and port are two words as well: a packet between them may leave through one
//! interface with the MAC of the other, and is lost as on a cable that is being
//! replugged. So may be one that meets half of a new IPv6 source. A new MAC alone,
//! by far the most frequent change, is one word.

use super::read::placed_route;
use super::tables::Tables;
use super::write::grace;
use crate::model::placement::{ROUTE_FLAGS, Route, address_words};
use crate::model::{TunnelKind, TunnelRoute};
use std::sync::atomic::{Ordering, fence};
use xdp_prog::abi::{Destination, Tunnel};

/// A destination on its way from one route to another.
struct Step<'a> {
    entry: &'a Destination,
    tunnel: &'a Tunnel,
    before: Route,
    now: Route,
}

/// One after the other, for all destinations.
const PHASES: [fn(&Step<'_>); 4] = [
    |step| step.prepare(),
    |step| step.wrap(),
    |step| write_link(step.entry, &step.now),
    |step| step.finish(),
];

impl Tables {
    /// Has destinations that are live reached in another way. Those that are
    /// reached like that already are left alone.
    pub fn reroute(&self, routes: impl Iterator<Item = (u16, Route)>) {
        let steps: Vec<Step<'_>> = routes
            .filter_map(|(number, now)| {
                let (entry, tunnel) = self.destination(number)?;
                let before = placed_route(entry, tunnel);
                (before != now).then_some(Step {
                    entry,
                    tunnel,
                    before,
                    now,
                })
            })
            .collect();
        let changes_form = steps.iter().any(Step::changes_form);
        for (number, phase) in PHASES.iter().enumerate() {
            if number > 0 && changes_form {
                grace();
            }
            steps.iter().for_each(phase);
        }
    }

    /// A destination and its tunnel.
    pub(super) fn destination(&self, number: u16) -> Option<(&Destination, &Tunnel)> {
        let number = usize::from(number);
        self.destinations
            .entries()
            .get(number)
            .zip(self.tunnels.entries().get(number))
    }
}

impl Step<'_> {
    /// Whether packets are to look different, and not only to go elsewhere.
    fn changes_form(&self) -> bool {
        self.before.forward() != self.now.forward()
    }

    /// The tunnel's words, which say no more than both ways can carry.
    fn prepare(&self) {
        if let Some(now) = &self.now.tunnel {
            let both = |before: TunnelRoute| before.mtu.min(now.mtu);
            let mtu = self.before.tunnel.map_or(now.mtu, both);
            write_tunnel(self.tunnel, &TunnelRoute { mtu, ..*now });
        }
        fence(Ordering::SeqCst);
    }

    /// From here on packets are wrapped up as they are to be. Those that are not
    /// to be wrapped up any more still are.
    fn wrap(&self) {
        if self.now.tunnel.is_some() {
            self.write_flags();
        }
    }

    fn finish(&self) {
        self.write_flags();
        if let Some(now) = &self.now.tunnel {
            self.tunnel.mtu.set(now.mtu);
        }
    }

    fn write_flags(&self) {
        let state = self.entry.flags.get() & !ROUTE_FLAGS;
        self.entry.flags.set(state | self.now.flags());
    }
}

/// The MACs, and the interface. This host has none of either: frames stop going
/// out before their MACs are taken away.
pub(super) fn write_link(entry: &Destination, route: &Route) {
    if route.is_here() {
        entry.port.set(route.port);
    }
    let (low, high) = route.macs.split_at(8);
    if let (Ok(low), Ok(high)) = (low.try_into(), high.try_into()) {
        entry.macs_low.set(u64::from_le_bytes(low));
        entry.macs_high.set(u32::from_le_bytes(high));
    }
    entry.port.set(route.port);
}

/// What packets are wrapped up in.
pub(super) fn write_tunnel(to: &Tunnel, tunnel: &TunnelRoute) {
    let source = address_words(tunnel.source);
    to.source[0].set(source[0]);
    to.source[1].set(source[1]);
    to.mtu.set(tunnel.mtu);
    // The port of GUE means nothing to IP in IP, and stays for packets that are
    // on their way.
    if let TunnelKind::Gue(port) = tunnel.kind {
        to.port.set(u16::from_le_bytes(port.to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use xdp_prog::abi::state::destination::{LIVE, OUT};

    fn tunnel(kind: TunnelKind, last: u8, mtu: u16) -> Option<TunnelRoute> {
        Some(TunnelRoute {
            kind,
            source: IpAddr::from([10, 0, 0, last]),
            is_source_given: last == 1,
            mtu,
        })
    }

    /// Ways of every form, each with MACs of its own.
    fn routes() -> Vec<Route> {
        let tunnels = [
            None,
            tunnel(TunnelKind::Ipip, 1, 1480),
            tunnel(TunnelKind::Ipip, 2, 1380),
            tunnel(TunnelKind::Gue(6080), 1, 1472),
            tunnel(TunnelKind::Gue(6081), 2, 8972),
        ];
        let route = |(number, tunnel): (u8, _)| Route {
            address: IpAddr::from([10, 0, 1, 7]),
            macs: [number; 12],
            is_mac_given: number == 3,
            port: u16::from(number),
            tunnel,
        };
        (1..).zip(tunnels).map(route).collect()
    }

    /// What a packet meets between two phases.
    fn is_sound(step: &Step<'_>, seen: &Route) {
        let both = [&step.before, &step.now];
        assert!(
            both.iter()
                .any(|r| (r.macs, r.port) == (seen.macs, seen.port))
        );
        let Some(tunnel) = &seen.tunnel else {
            // Only who is on the segment gets packets that are not wrapped up.
            let plain = both.iter().find(|route| route.tunnel.is_none());
            assert_eq!(seen.macs, plain.expect("one is plain").macs);
            return;
        };
        let wrapped = || both.iter().filter_map(|route| route.tunnel.as_ref());
        assert!(wrapped().any(|t| t.kind == tunnel.kind));
        assert!(wrapped().any(|t| t.source == tunnel.source));
        assert!(wrapped().all(|t| t.mtu >= tunnel.mtu));
    }

    #[test]
    fn no_packet_meets_a_tunnel_that_is_half_written() {
        for before in routes() {
            for now in routes() {
                let (entry, words) = (Destination::default(), Tunnel::default());
                let address = address_words(before.address);
                entry.address[0].set(address[0]);
                entry.address[1].set(address[1]);
                if let Some(before) = &before.tunnel {
                    write_tunnel(&words, before);
                }
                write_link(&entry, &before);
                entry.flags.set(LIVE | OUT | before.flags());
                assert_eq!(placed_route(&entry, &words), before);

                let step = Step {
                    entry: &entry,
                    tunnel: &words,
                    before,
                    now,
                };
                for phase in &PHASES[..PHASES.len() - 1] {
                    phase(&step);
                    is_sound(&step, &placed_route(&entry, &words));
                    assert_eq!(entry.flags.get() & !ROUTE_FLAGS, LIVE | OUT);
                }
                PHASES[PHASES.len() - 1](&step);
                assert_eq!(placed_route(&entry, &words), now);
                assert_eq!(entry.flags.get(), LIVE | OUT | now.flags());
            }
        }
    }
}
