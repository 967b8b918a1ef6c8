//! Where checks go: to which address, and by which way.

use super::news::{Aim, By, Order, TunnelOrder};
use super::roster::{Checked, Entry, Member, Roster, blank};
use super::talk::Talk;
use crate::agent::check::{Report, Verdict};
use crate::agent::host;
use crate::agent::path::{Paths, Via};
use crate::agent::tunnel;
use crate::datapath::Balancer;
use crate::model::TunnelRoute;
use crate::model::check::{Check, Path};
use crate::model::health::Health;
use crate::model::run::Run;
use crate::netlink::Netlink;
use crate::report::run::{BUCKETS, CheckState};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// The checks that are made, and how they fare.
#[derive(Debug)]
pub struct Targets {
    /// Rules and routes of ours.
    pub paths: Paths,
    /// Index of the interface that leads into tunnels, once there is one.
    pub tunnels: Option<u32>,
    aims: Vec<Aim>,
    /// By service and backend.
    stats: BTreeMap<(String, String), CheckState>,
}

impl Targets {
    /// None yet.
    #[must_use]
    pub fn new(paths: Paths) -> Self {
        Self {
            paths,
            tunnels: None,
            aims: Vec::new(),
            stats: BTreeMap::new(),
        }
    }

    /// Works out where checks go, and has them made.
    pub fn aim(
        &mut self,
        netlink: &mut Netlink,
        balancer: &Balancer,
        run: &Run,
        roster: &mut Roster,
        talk: &mut Talk,
    ) {
        Self::order_tunnels(run, roster, talk);
        let mut obstacles = Obstacles::new(balancer);
        let mut plans = Vec::new();
        let mut vias = BTreeSet::new();
        for (entry, member) in roster.members() {
            for (vip, via) in self.ways(netlink, entry, member, balancer) {
                let is_free = obstacles.is_free(netlink, vip, member, &via, talk);
                if is_free {
                    vias.insert(via);
                    plans.push((&entry.name, &member.name, vip, via));
                }
            }
        }
        let marks = match self.paths.set(netlink, &vias) {
            Ok(set) => {
                talk.is_well("the rules and routes of checks");
                for (via, error) in set.refused {
                    talk.warning(&format!("no route for checks by {via:?}: {error}"));
                }
                set.marks
            }
            Err(error) => {
                talk.failure("the rules and routes of checks", &error);
                BTreeMap::new()
            }
        };
        let mut planned: BTreeMap<(String, String), Vec<(IpAddr, Via)>> = BTreeMap::new();
        for (service, backend, vip, via) in plans {
            let key = (service.clone(), backend.clone());
            planned.entry(key).or_default().push((vip, via));
        }
        let mut aims = Vec::new();
        for entry in &mut roster.services {
            for member in &mut entry.backends {
                let Some(check) = &entry.care.check else {
                    member.checks.clear();
                    continue;
                };
                let key = (entry.name.clone(), member.name.clone());
                let ways = planned.remove(&key).unwrap_or_default();
                let found = self.of(&key, member, check, &ways, &marks);
                let keys: BTreeSet<Option<IpAddr>> = found.iter().map(|aim| aim.key.2).collect();
                member.checks.retain(|vip, _| keys.contains(vip));
                for key in keys {
                    member.checks.entry(key).or_insert_with(|| Checked {
                        since: Instant::now(),
                        health: Health::default(),
                        reason: String::new(),
                    });
                }
                aims.extend(found);
            }
        }
        let names: BTreeSet<(&str, &str)> = aims
            .iter()
            .map(|aim| (aim.key.0.as_str(), aim.key.1.as_str()))
            .collect();
        self.stats
            .retain(|(service, backend), _| names.contains(&(service, backend)));
        if aims != self.aims {
            self.aims.clone_from(&aims);
            talk.order(Order::Check(aims));
        }
    }

    /// Has an interface made for checks through tunnels, if there are any.
    fn order_tunnels(run: &Run, roster: &Roster, talk: &Talk) {
        let by_vip = |entry: &Entry| {
            entry
                .care
                .check
                .as_ref()
                .is_some_and(|c| c.path == Path::Vip)
        };
        let members = roster.members().filter(|(entry, _)| by_vip(entry));
        let tunnels: Vec<TunnelRoute> =
            members.filter_map(|(_, m)| m.placed.route.tunnel).collect();
        let Some(room) = tunnels.iter().map(|tunnel| tunnel.mtu).min() else {
            return;
        };
        let order = TunnelOrder {
            name: format!("{}c", run.announce.device),
            room,
            raw: tunnel::needs_raw(tunnels.iter().map(|tunnel| tunnel.kind)),
        };
        // Each time: somebody may have removed it.
        talk.order(Order::Tunnels(order));
    }

    /// The VIPs that checks of a backend are for, and the ways that they take. Over
    /// l2 there is none for a VIP of IPv6 to a backend of IPv4.
    fn ways(
        &self,
        netlink: &mut Netlink,
        entry: &Entry,
        member: &Member,
        balancer: &Balancer,
    ) -> Vec<(IpAddr, Via)> {
        let route = &member.placed.route;
        let check = entry.care.check.as_ref();
        if check.is_none_or(|check| check.path == Path::Real) || route.is_here() {
            return Vec::new();
        }
        let vips: BTreeSet<IpAddr> = entry.addresses.iter().map(|a| a.vip).collect();
        let mut attached = balancer.attached.iter();
        let attached = attached.find(|a| a.port == u32::from(route.port));
        let way = |vip: IpAddr| {
            let via = match route.tunnel {
                None => Via::backend(vip, route.address, attached?.link.index)?,
                Some(_) => tunnel::via(netlink, self.tunnels?, vip, route.address).ok()?,
            };
            Some((vip, via))
        };
        vips.into_iter().filter_map(way).collect()
    }

    /// The checks of one backend: one for each VIP that there is a way for, or else
    /// one for its own address.
    fn of(
        &self,
        (service, backend): &(String, String),
        member: &Member,
        check: &Check,
        ways: &[(IpAddr, Via)],
        marks: &BTreeMap<Via, u32>,
    ) -> Vec<Aim> {
        let route = &member.placed.route;
        let aim = |vip: Option<IpAddr>, by| Aim {
            key: (service.clone(), backend.clone(), vip),
            check: check.clone(),
            to: SocketAddr::new(vip.unwrap_or(route.address), check.port),
            by,
        };
        let by_ways = ways.iter().filter_map(|(vip, via)| {
            let mark = *marks.get(via)?;
            let by = match route.tunnel {
                None => By::Mark(mark),
                Some(tunnel) => By::Tunnel {
                    mark,
                    backend: route.address,
                    source: tunnel.source,
                    kind: tunnel.kind,
                },
            };
            Some(aim(Some(*vip), by))
        });
        let aims: Vec<Aim> = by_ways.collect();
        match aims.is_empty() {
            true => vec![aim(None, By::Routes)],
            false => aims,
        }
    }

    /// Takes what a check has found; whether that is anything new about the backend.
    pub fn heard(&mut self, roster: &mut Roster, report: Report, talk: &mut Talk) -> bool {
        let (service, backend, vip) = &report.key;
        let seconds = report.took.as_secs_f64();
        let Some(entry) = roster
            .services
            .iter_mut()
            .find(|entry| entry.name == *service)
        else {
            return false;
        };
        let Some(check) = &entry.care.check else {
            return false;
        };
        let (rise, fall) = (check.rise, check.fall);
        let kind = check.probe.name();
        let Some(member) = entry.backends.iter_mut().find(|m| m.name == *backend) else {
            return false;
        };
        let checked = member.checks.get_mut(vip);
        let Some(checked) = checked.filter(|checked| report.began >= checked.since) else {
            return false;
        };
        let stats = self
            .stats
            .entry((service.clone(), backend.clone()))
            .or_insert_with(blank);
        let is_well = match report.verdict {
            Verdict::Passed => true,
            Verdict::Failed(reason) => {
                checked.reason = format!("check {kind}: {reason}");
                false
            }
            // A fault of this host's takes no backend down.
            Verdict::NotMade(reason) => {
                talk.warning(&format!(
                    "checks of service {service} are not made: {reason}"
                ));
                return false;
            }
        };
        let before = checked.health.state();
        checked.health.hear(is_well, rise, fall);
        let is_news = checked.health.state() != before;
        stats.last = Some(is_well);
        stats.reason = if is_well {
            String::new()
        } else {
            checked.reason.clone()
        };
        stats.seconds = seconds;
        stats.seconds_sum += seconds;
        *if is_well {
            &mut stats.succeeded
        } else {
            &mut stats.failed
        } += 1;
        let bounds = BUCKETS.iter().copied().chain([f64::INFINITY]);
        for (bucket, bound) in stats.buckets.iter_mut().zip(bounds) {
            *bucket += u64::from(seconds <= bound);
        }
        is_news
    }

    /// How the check of a backend fares.
    #[must_use]
    pub fn stats(&self, entry: &Entry, member: &Member) -> Option<CheckState> {
        entry.care.check.as_ref()?;
        let key = (entry.name.clone(), member.name.clone());
        Some(self.stats.get(&key).cloned().unwrap_or_else(blank))
    }
}

/// What keeps checks of VIPs from succeeding whatever the backend does, each asked
/// for once.
struct Obstacles<'a> {
    balancer: &'a Balancer,
    known: BTreeMap<(IpAddr, u32, bool), bool>,
}

impl<'a> Obstacles<'a> {
    fn new(balancer: &'a Balancer) -> Self {
        Self {
            balancer,
            known: BTreeMap::new(),
        }
    }

    /// Whether nothing is in the way of checks of this VIP. If something is, they go
    /// to the backend's own address: a false alarm would take sound backends down.
    fn is_free(
        &mut self,
        netlink: &mut Netlink,
        vip: IpAddr,
        member: &Member,
        via: &Via,
        talk: &mut Talk,
    ) -> bool {
        let backend = member.placed.route.address;
        let port = u32::from(member.placed.route.port);
        let mut attached = self.balancer.attached.iter();
        let Some(answers) = attached.find(|a| a.port == port) else {
            return false;
        };
        let key = (vip, via.interface, backend.is_ipv4());
        *self.known.entry(key).or_insert_with(|| {
            match host::obstacle(netlink, vip, backend, &answers.link) {
                Ok(None) => true,
                Ok(Some(obstacle)) => {
                    talk.warning(&obstacle.to_string());
                    false
                }
                Err(error) => {
                    talk.failure("what is in the way of checks", &error);
                    true
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::log::Log;
    use crate::agent::notify::Notify;
    use crate::commands::run::settle::tests::{entry, member};
    use crate::model::health::State;
    use std::time::Duration;

    /// A reload may come while the last report of the check before it is on its way.
    #[test]
    fn a_report_of_an_earlier_check_says_nothing_of_the_one_in_force() {
        let log = Log::to_stderr(crate::model::run::Log::default()).unwrap();
        let (orders, _kept) = tokio::sync::mpsc::unbounded_channel();
        let mut talk = Talk::new(log, Notify::default(), orders);
        let mut targets = Targets::new(Paths::new(0));
        let mut roster = Roster {
            services: vec![entry(vec![member(1, "")])],
        };
        let since = roster.services[0].backends[0].checks[&None].since;
        let mut hear = |began| {
            let report = Report {
                key: ("web".to_owned(), "b1".to_owned(), None),
                verdict: Verdict::Failed("refused".to_owned()),
                began,
                took: Duration::ZERO,
            };
            targets.heard(&mut roster, report, &mut talk);
            roster.services[0].backends[0].checks[&None].health.state()
        };
        for _ in 0..2 {
            assert_eq!(hear(since - Duration::from_nanos(1)), State::Unknown);
        }
        hear(since);
        assert_eq!(hear(since), State::Down);
    }
}
