//! The host's routes for checks that go to a backend as clients' packets do: for
//! the VIP, and to this backend alone.
//!
//! Each way has a mark, a rule that gives packets with that mark a table of their
//! own, and in that table a route to everybody: through the backend. Around those
//! rules stand three more, so that they cost nobody anything and a mark never
//! leads elsewhere ([`scheme`]).
//!
//! The kernel is asked each time what is there, so what somebody else removed comes
//! back with the next [`Paths::set`], and what a process left that was killed is
//! used or removed.

mod scheme;

pub use scheme::Via;

use crate::netlink::{Netlink, NetlinkError, Rule, RuleAction, TableRoute};
use anyhow::{Context, Result};
use scheme::{NUMBER_MAX, Scheme, assign};
use std::collections::{BTreeMap, BTreeSet};

/// The paths of one process: those of its protocol number.
#[derive(Debug)]
pub struct Paths {
    scheme: Scheme,
    numbers: BTreeMap<Via, u16>,
}

/// What [`Paths::set`] came to.
#[derive(Debug, Default)]
pub struct Set {
    /// The mark for `SO_MARK` of each way.
    pub marks: BTreeMap<Via, u32>,
    /// Ways that the kernel refused a route, for instance because the interface is
    /// switched off. Their marks lead to nobody (`ENETUNREACH`) until a later call
    /// succeeds.
    pub refused: Vec<(Via, NetlinkError)>,
}

/// The rules and routes of ours that the kernel has.
#[derive(Debug, Default)]
struct Found {
    rules: BTreeSet<Rule>,
    routes: BTreeSet<TableRoute>,
}

impl Paths {
    /// Nothing yet; `protocol` is the number of all rules and routes of ours.
    #[must_use]
    pub fn new(protocol: u8) -> Self {
        Self {
            scheme: Scheme::new(protocol),
            numbers: BTreeMap::new(),
        }
    }

    /// The number of all rules and routes of ours.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.scheme.protocol()
    }

    /// Learns what an earlier process with this protocol number left behind, so that
    /// [`Self::set`] keeps what still fits. Changes nothing.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn take_over(&mut self, netlink: &mut Netlink) -> Result<()> {
        let found = self.find(netlink, [])?;
        for rule in &found.rules {
            let Some(number) = self.scheme.number(rule) else {
                continue;
            };
            let table = self.scheme.table(number);
            let mut routes = found.routes.iter().filter(|route| route.table == table);
            if let (Some(route), None) = (routes.next(), routes.next()) {
                self.numbers.insert(Via::of(route), number);
            }
        }
        Ok(())
    }

    /// Makes that these ways are there and no others of ours. A way that stays keeps
    /// its mark.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for single routes; more ways than there are marks.
    pub fn set(&mut self, netlink: &mut Netlink, wanted: &BTreeSet<Via>) -> Result<Set> {
        self.numbers = assign(&self.numbers, wanted)
            .with_context(|| format!("{} ways: {NUMBER_MAX} are possible", wanted.len()))?;
        let rules = self.scheme.rules(&self.numbers);
        let routes: BTreeMap<TableRoute, Via> = self
            .numbers
            .iter()
            .map(|(via, &number)| (self.scheme.route(via, number), *via))
            .collect();
        let found = self.find(netlink, self.numbers.values().copied())?;

        // A route goes before its rule and comes after it: who is killed in between
        // leaves a rule, by which its table is found.
        for route in &found.routes {
            if !routes.contains_key(route) {
                gone(netlink.remove_route(route))
                    .with_context(|| format!("remove a route of table {}", route.table))?;
            }
        }
        for rule in found.rules.iter().filter(|rule| !rules.contains(*rule)) {
            gone(netlink.remove_rule(rule))
                .with_context(|| format!("remove the rule of mark {:#x}", rule.mark))?;
        }
        for rule in rules.iter().filter(|rule| !found.rules.contains(*rule)) {
            netlink
                .add_rule(rule)
                .with_context(|| format!("add a rule for mark {:#x}", rule.mark))?;
        }
        let mut set = Set::default();
        for (route, via) in routes {
            if !found.routes.contains(&route)
                && let Err(error) = netlink.add_route(&route)
            {
                set.refused.push((via, error));
            }
        }
        for (via, &number) in &self.numbers {
            set.marks.insert(*via, self.scheme.mark(number));
        }
        Ok(set)
    }

    /// Removes all of ours.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn remove_all(&mut self, netlink: &mut Netlink) -> Result<()> {
        self.set(netlink, &BTreeSet::new()).map(drop)
    }

    /// What is there of ours: the tables are those that rules name, and those of
    /// `numbers`.
    fn find(&self, netlink: &mut Netlink, numbers: impl IntoIterator<Item = u16>) -> Result<Found> {
        let protocol = self.scheme.protocol();
        let rules = netlink.rules(protocol).context("list policy rules")?;
        let rules: BTreeSet<Rule> = rules
            .into_iter()
            .filter(|rule| self.scheme.is_ours(rule))
            .collect();
        let mut tables: BTreeSet<u32> = numbers.into_iter().map(|n| self.scheme.table(n)).collect();
        tables.extend(rules.iter().filter_map(|rule| match rule.action {
            RuleAction::Table(table) => Some(table),
            _ => None,
        }));
        let mut found = Found {
            rules,
            routes: BTreeSet::new(),
        };
        for table in tables {
            for is_v4 in [true, false] {
                let routes = netlink.table_routes(is_v4, table, protocol);
                let routes = routes.with_context(|| format!("list routes of table {table}"))?;
                found.routes.extend(routes);
            }
        }
        Ok(found)
    }
}

/// What is to be removed may have been removed meanwhile, with its interface.
fn gone(removed: crate::netlink::Result<()>) -> crate::netlink::Result<()> {
    match removed {
        Err(error) if [Some(libc::ESRCH), Some(libc::ENOENT)].contains(&error.errno()) => Ok(()),
        answer => answer,
    }
}
