//! Which marks, tables and priorities the ways of checks have.
//!
//! All follow from the protocol number, so that two processes with numbers of their
//! own do not meet, and people see whose they are. With protocol 201 and a backend
//! 10.0.0.3 on eth0, whose way has the number 1:
//!
//! ```text
//! 804: not from all fwmark 0xdc90000/0xffff0000 goto 807 proto 201
//! 805: from all fwmark 0xdc90001 lookup 20100001 proto 201
//! 806: from all fwmark 0xdc90000/0xffff0000 unreachable proto 201
//! 807: from all fwmark 0xdc90000/0xffff0000 nop proto 201
//!
//! default via 10.0.0.3 dev eth0 table 20100001 proto 201 onlink
//! ```
//!
//! The first keeps other packets from being compared with each of the rules behind
//! it. A look-up of a route takes 6 us longer with 1,000 rules (Linux 6.18), and with
//! this one before them 0.07 us. The third holds what finds no
//! route, as when the interface is switched off: by the main table it might reach
//! the VIP on another balancer, and a backend that is away would be taken for well.

use crate::netlink::{Rule, RuleAction, TableRoute};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Numbers go from 1 to this, which leaves bits of a mark alone that others use
/// (kube-proxy: 0x4000 and 0x8000).
pub(super) const NUMBER_MAX: u16 = 0x3fff;

/// The bits of a mark that say that it is ours.
const OURS: u32 = 0xffff_0000;
const MARK: u32 = 0x0d00_0000;
/// Rules of a way, and the three around them.
const RULES: u32 = 4;
/// Tables of one protocol number.
const TABLES: u32 = 100_000;

/// A way for packets of one version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Via {
    /// For IPv4, else for IPv6.
    pub is_v4: bool,
    /// Index of the interface that they leave through.
    pub interface: u32,
    /// Whom they are sent to, on its segment; none for a tunnel.
    pub gateway: Option<IpAddr>,
    /// Their source; none for the one that the kernel chooses.
    pub source: Option<IpAddr>,
}

impl Via {
    /// The way of packets for a VIP to a backend on the segment of an interface.
    ///
    /// None for a VIP of IPv6 and a backend of IPv4: the kernel has no such routes.
    #[must_use]
    pub fn backend(vip: IpAddr, backend: IpAddr, interface: u32) -> Option<Self> {
        (vip.is_ipv4() || backend.is_ipv6()).then_some(Self {
            is_v4: vip.is_ipv4(),
            interface,
            gateway: Some(backend),
            source: None,
        })
    }

    /// The way that a route of ours gives.
    pub(super) fn of(route: &TableRoute) -> Self {
        Self {
            is_v4: route.destination.is_ipv4(),
            interface: route.interface,
            gateway: route.gateway,
            source: route.source,
        }
    }
}

/// Numbers for all wanted ways. One that had a number keeps it, and a number that
/// has just become free is left alone: a check may still be on its way.
///
/// `None` if there are not enough.
pub(super) fn assign(
    known: &BTreeMap<Via, u16>,
    wanted: &BTreeSet<Via>,
) -> Option<BTreeMap<Via, u16>> {
    let taken: BTreeSet<u16> = known.values().copied().collect();
    let mut free = (1..=NUMBER_MAX)
        .filter(|number| !taken.contains(number))
        .chain(known.iter().filter_map(|(via, &number)| {
            let is_free = !wanted.contains(via);
            is_free.then_some(number)
        }));
    let number = |via: &Via| {
        let number = known.get(via).copied().or_else(|| free.next())?;
        Some((*via, number))
    };
    wanted.iter().map(number).collect()
}

/// What follows from the protocol number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scheme {
    protocol: u8,
}

impl Scheme {
    pub fn new(protocol: u8) -> Self {
        Self { protocol }
    }

    pub fn protocol(self) -> u8 {
        self.protocol
    }

    /// The mark of a way; that of 0 is what all marks of ours begin with.
    pub fn mark(self, number: u16) -> u32 {
        MARK | u32::from(self.protocol) << 16 | u32::from(number)
    }

    /// The table of a way.
    pub fn table(self, number: u16) -> u32 {
        u32::from(self.protocol) * TABLES + u32::from(number)
    }

    /// The priority of the first rule: 20 to 1,020.
    fn priority(self) -> u32 {
        u32::from(self.protocol) * RULES
    }

    /// Whether a rule with our protocol number is one of these: the operator may
    /// have made others.
    pub fn is_ours(self, rule: &Rule) -> bool {
        let first = self.priority();
        (first..first + RULES).contains(&rule.priority) && rule.mark & OURS == self.mark(0)
    }

    /// The number of the way that a rule is of.
    pub fn number(self, rule: &Rule) -> Option<u16> {
        let number = u16::try_from(rule.mark & !OURS).ok()?;
        (*rule == self.rule(rule.is_v4, number)).then_some(number)
    }

    /// The rules for these ways.
    pub fn rules(self, numbers: &BTreeMap<Via, u16>) -> BTreeSet<Rule> {
        let of_ways = numbers
            .iter()
            .map(|(via, &number)| self.rule(via.is_v4, number));
        let versions: BTreeSet<bool> = numbers.keys().map(|via| via.is_v4).collect();
        let around = versions.iter().flat_map(|&is_v4| self.around(is_v4));
        of_ways.chain(around).collect()
    }

    fn rule(self, is_v4: bool, number: u16) -> Rule {
        Rule {
            is_v4,
            priority: self.priority() + 1,
            mark: self.mark(number),
            mask: u32::MAX,
            is_inverted: false,
            action: RuleAction::Table(self.table(number)),
            protocol: self.protocol,
        }
    }

    fn around(self, is_v4: bool) -> [Rule; 3] {
        let first = self.priority();
        let end = first + 3;
        let rule = |priority, is_inverted, action| Rule {
            is_v4,
            priority,
            mark: self.mark(0),
            mask: OURS,
            is_inverted,
            action,
            protocol: self.protocol,
        };
        [
            rule(first, true, RuleAction::GoTo(end)),
            rule(first + 2, false, RuleAction::Unreachable),
            rule(end, false, RuleAction::Nothing),
        ]
    }

    /// The route of a way.
    pub fn route(self, via: &Via, number: u16) -> TableRoute {
        TableRoute {
            table: self.table(number),
            destination: TableRoute::everybody(via.is_v4),
            prefix_len: 0,
            interface: via.interface,
            gateway: via.gateway,
            source: via.source,
            protocol: self.protocol,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(last: u8) -> Via {
        Via::backend([192, 0, 2, 10].into(), [10, 0, 0, last].into(), 7).unwrap()
    }

    fn set(lasts: &[u8]) -> BTreeSet<Via> {
        lasts.iter().map(|&last| via(last)).collect()
    }

    #[test]
    fn a_way_that_stays_keeps_its_number() {
        let first = assign(&BTreeMap::new(), &set(&[3, 4, 5])).unwrap();
        assert_eq!(first.values().copied().collect::<Vec<_>>(), [1, 2, 3]);
        let second = assign(&first, &set(&[2, 4, 5])).unwrap();
        assert_eq!(second[&via(4)], 2);
        assert_eq!(second[&via(5)], 3);
        assert_eq!(
            second[&via(2)],
            4,
            "the number that is free now is not used"
        );
        let third = assign(&second, &set(&[2, 4, 5, 9])).unwrap();
        assert_eq!(third[&via(9)], 1, "later it is");
    }

    #[test]
    fn there_are_as_many_ways_as_numbers_and_all_may_change_at_once() {
        let many = |from: u32, count: u32| -> BTreeSet<Via> {
            (from..from + count)
                .map(|interface| Via {
                    interface,
                    ..via(3)
                })
                .collect()
        };
        let max = u32::from(NUMBER_MAX);
        let full = assign(&BTreeMap::new(), &many(1, max)).unwrap();
        let changed = assign(&full, &many(max, max)).unwrap();
        let numbers: BTreeSet<u16> = changed.values().copied().collect();
        assert_eq!(numbers.len(), changed.len());
        assert_eq!(assign(&BTreeMap::new(), &many(1, max + 1)), None);
    }

    #[test]
    fn the_rules_of_all_protocol_numbers_are_apart_and_before_the_main_table() {
        let mut marks = BTreeSet::new();
        let mut tables = BTreeSet::new();
        let mut priorities = BTreeSet::new();
        for protocol in 5..=255 {
            let scheme = Scheme::new(protocol);
            for number in [0, 1, NUMBER_MAX] {
                assert!(marks.insert(scheme.mark(number)));
                assert!(tables.insert(scheme.table(number)));
                assert_eq!(scheme.mark(number) & 0xc000, 0);
            }
            for rule in scheme.around(true) {
                assert!(priorities.insert(rule.priority));
                assert!((1..32_766).contains(&rule.priority));
            }
            assert!(priorities.insert(scheme.rule(true, 1).priority));
        }
    }

    #[test]
    fn no_more_is_ours_than_what_we_make() {
        let scheme = Scheme::new(201);
        let numbers = assign(&BTreeMap::new(), &set(&[3, 4])).unwrap();
        let rules = scheme.rules(&numbers);
        assert_eq!(rules.len(), 2 + 3);
        assert!(rules.iter().all(|rule| scheme.is_ours(rule)));
        let found: Vec<u16> = rules.iter().filter_map(|r| scheme.number(r)).collect();
        assert_eq!(found, [1, 2]);
        let other_mark = Rule {
            mark: 0x0dca_0001,
            ..scheme.rule(true, 1)
        };
        let other_place = Rule {
            priority: 900,
            ..scheme.rule(true, 1)
        };
        let other_table = Rule {
            action: RuleAction::Table(100),
            ..scheme.rule(true, 1)
        };
        assert!(!scheme.is_ours(&other_mark));
        assert!(!scheme.is_ours(&other_place));
        assert!(scheme.is_ours(&other_table), "and set removes it");
        assert_eq!(scheme.number(&other_table), None);
    }

    #[test]
    fn no_way_leads_ipv6_to_a_backend_of_ipv4() {
        let [v4, v6] = ["10.0.0.3", "2001:db8::3"].map(|a| a.parse::<IpAddr>().unwrap());
        assert!(Via::backend(v4, v6, 7).is_some_and(|via| via.is_v4));
        assert!(Via::backend(v6, v6, 7).is_some_and(|via| !via.is_v4));
        assert_eq!(Via::backend(v6, v4, 7), None);
    }
}
