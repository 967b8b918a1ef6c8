//! Who is looked after: the services and backends of the config in force, what is
//! known of their health, and what they do.

use crate::config::Balancer as Said;
use crate::model::check::Probe;
use crate::model::health::{Health, State as Known};
use crate::model::placement::{Failing, PlacedDestination};
use crate::model::role::{Role, roles};
use crate::model::run::Care;
use crate::model::{ServiceAddress, State, Word};
use crate::report::run::{CheckState, Event};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// A backend whose neighbour does not answer for so long is down: the kernel asks
/// three times, a second apart.
const SILENCE: Duration = Duration::from_secs(3);

/// The services, in the order of their names.
#[derive(Debug, Default)]
pub struct Roster {
    /// One for each service.
    pub services: Vec<Entry>,
}

/// A service.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its addresses, in their order.
    pub addresses: Vec<ServiceAddress>,
    /// What it is given besides forwarding.
    pub care: Care,
    /// Its number in the tables.
    pub number: u16,
    /// Its backends, the sorry backend last.
    pub backends: Vec<Member>,
    /// Whether it has its quorum; none before that was looked at.
    pub is_up: Option<bool>,
    /// Since when it is up: what its other backends do is waited for.
    pub up_since: Option<Instant>,
    /// Whether its VIPs may be announced.
    pub is_settled: bool,
    /// Whether they all are.
    pub are_announced: bool,
    /// Backends in rotation.
    pub in_rotation: usize,
}

/// A backend of a service.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// It stands in for the others.
    pub is_sorry: bool,
    /// What the tables say of it.
    pub placed: PlacedDestination,
    /// What its checks say, by the VIP that they are for; one of no VIP is for its
    /// own address.
    pub checks: BTreeMap<Option<IpAddr>, Checked>,
    /// It has no MAC: since when, and why.
    pub silent: Option<(Instant, String)>,
    /// What it was told to do last, and why.
    pub told: Option<Told>,
}

/// One check of a backend.
#[derive(Debug)]
pub struct Checked {
    /// Since when it is wanted: what began before was another check.
    pub since: Instant,
    /// Up, down, or neither yet.
    pub health: Health,
    /// Why the last one failed.
    pub reason: String,
}

/// What a backend does.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Its state and weight.
    pub role: Role,
    /// Why, in words.
    pub reason: String,
    /// Since when: seconds since 1970.
    pub since: f64,
}

impl Member {
    /// Whether it fails, and why; nothing before anything is known.
    pub fn fails(&self, now: Instant) -> Option<String> {
        if let Some((since, why)) = &self.silent
            && (now.duration_since(*since) >= SILENCE || self.placed.is_failing)
        {
            return Some(why.clone());
        }
        let mut down = self
            .checks
            .iter()
            .filter(|(_, c)| c.health.state() == Known::Down);
        down.next().map(|(vip, checked)| match vip {
            Some(vip) if self.checks.len() > 1 => format!("{vip}: {}", checked.reason),
            _ => checked.reason.clone(),
        })
    }

    /// Does this from now on, for this reason. What is told of it, if it is news.
    fn turn(&mut self, service: &str, role: Role, reason: String, time: f64) -> Option<Event> {
        let from = self.told.as_ref().map(|told| told.role);
        if from == Some(role) {
            if let Some(told) = &mut self.told {
                told.reason = reason;
            }
            return None;
        }
        self.told = Some(Told {
            role,
            reason: reason.clone(),
            since: time,
        });
        // That all is well at a start is no news.
        let is_well = role.state == State::Ready || self.is_sorry;
        (from.is_some() || !is_well).then(|| Event {
            time,
            service: service.to_owned(),
            backend: self.name.clone(),
            from: from.map_or("unknown", word).to_owned(),
            to: word(role).to_owned(),
            reason,
        })
    }

    /// Whether all its checks have said something.
    pub fn is_known(&self) -> bool {
        self.checks
            .values()
            .all(|c| c.health.state() != Known::Unknown)
    }
}

impl Roster {
    /// That of a config in force, with what was known of the same backends before.
    #[must_use]
    pub fn new(
        said: &Said,
        placed: &[PlacedDestination],
        services: &BTreeMap<u16, Vec<ServiceAddress>>,
        before: Self,
    ) -> Self {
        let mut known: BTreeMap<(ServiceAddress, IpAddr), Member> = BTreeMap::new();
        let mut were_up = BTreeMap::new();
        for entry in before.services {
            let Some(key) = entry.key() else { continue };
            let was_up = (entry.is_up, entry.up_since, entry.is_settled);
            were_up.insert(key, (was_up, entry.care.check.clone()));
            let members = entry.backends.into_iter();
            known.extend(members.map(|m| ((key, m.placed.route.address), m)));
        }
        let numbers: BTreeMap<ServiceAddress, u16> = services
            .iter()
            .flat_map(|(&number, at)| at.iter().map(move |&address| (address, number)))
            .collect();
        // Of two with one address the first counts, so it is put in last.
        let placed: BTreeMap<(u16, IpAddr), PlacedDestination> = placed
            .iter()
            .rev()
            .map(|p| ((p.service, p.route.address), *p))
            .collect();
        let mut roster = Self::default();
        let all = said.config.services.iter().zip(&said.names).zip(&said.care);
        for ((service, names), care) in all {
            let Some(&key) = service.addresses.iter().min() else {
                continue;
            };
            let Some(&number) = numbers.get(&key) else {
                continue;
            };
            let (was_up, former) = were_up.remove(&key).unwrap_or_default();
            let (is_up, up_since, is_settled) = was_up;
            let is_same_check = former == care.check;
            let mut backends = Vec::new();
            for (backend, name) in service.backends.iter().zip(&names.backends) {
                let Some(&placed) = placed.get(&(number, backend.address)) else {
                    continue;
                };
                let kept = known.remove(&(key, backend.address));
                let mut member = kept.unwrap_or_else(|| Member {
                    name: String::new(),
                    is_sorry: false,
                    placed,
                    checks: BTreeMap::new(),
                    silent: None,
                    told: None,
                });
                member.name.clone_from(name);
                member.is_sorry = care.sorry == Some(backend.address);
                member.placed = placed;
                if !is_same_check {
                    member.checks.clear();
                }
                backends.push(member);
            }
            roster.services.push(Entry {
                name: names.name.clone(),
                addresses: service.addresses.clone(),
                care: care.clone(),
                number,
                backends,
                is_up,
                up_since,
                is_settled,
                are_announced: false,
                in_rotation: 0,
            });
        }
        roster.services.sort_by(|a, b| a.name.cmp(&b.name));
        roster
    }

    /// All backends, each with its service.
    pub fn members(&self) -> impl Iterator<Item = (&Entry, &Member)> {
        self.services
            .iter()
            .flat_map(|entry| entry.backends.iter().map(move |m| (entry, m)))
    }

    /// Whether backends fail. Those of which nothing is known keep what they have.
    #[must_use]
    pub fn failing(&self, now: Instant) -> Failing {
        let failing = self.members().filter_map(|(entry, member)| {
            let key = (entry.key()?, member.placed.route.address);
            let fails = member.fails(now).is_some();
            (fails || member.is_known() && member.silent.is_none()).then_some((key, fails))
        });
        failing.collect()
    }

    /// Works out what all backends do, and gives what has changed.
    pub fn tell(&mut self, now: Instant, time: f64) -> Vec<Event> {
        let mut events = Vec::new();
        for entry in &mut self.services {
            entry.tell(now, time, &mut events);
        }
        events
    }

    /// The VIPs that are to be announced.
    pub fn announced(&self) -> impl Iterator<Item = IpAddr> {
        let up = self
            .services
            .iter()
            .filter(|entry| entry.care.announce && entry.is_settled);
        up.flat_map(|entry| entry.addresses.iter().map(|address| address.vip))
    }
}

impl Entry {
    /// What it is known by: its lowest address.
    #[must_use]
    pub fn key(&self) -> Option<ServiceAddress> {
        self.addresses.iter().min().copied()
    }

    /// Whether its VIPs are announced; none if they are not to be.
    #[must_use]
    pub fn is_announced(&self) -> Option<bool> {
        self.care.announce.then_some(self.are_announced)
    }

    fn tell(&mut self, now: Instant, time: f64, events: &mut Vec<Event>) {
        let placed: Vec<PlacedDestination> = self
            .backends
            .iter()
            .map(|member| PlacedDestination {
                is_failing: member.fails(now).is_some()
                    || !member.is_known() && member.placed.is_failing,
                ..member.placed
            })
            .collect();
        let roles = roles(&placed, self.care.quorum, self.care.sorry);
        let stands_in = placed.iter().zip(&roles).any(|(placed, role)| {
            self.care.sorry == Some(placed.route.address) && role.is_in_rotation()
        });
        let mut all = self.backends.iter().zip(&placed);
        // Who has not been checked yet makes no quorum at a start.
        self.in_rotation = all
            .by_ref()
            .zip(&roles)
            .filter(|((member, placed), role)| {
                !member.is_sorry
                    && member.is_known()
                    && placed.weight > 0
                    && (role.state == State::Ready
                        || stands_in && placed.state == State::Ready && !placed.is_failing)
            })
            .count();
        let was_up = self.is_up;
        let has_quorum = u32::try_from(self.in_rotation).is_ok_and(|n| n >= self.care.quorum);
        let is_pending = self.backends.iter().any(|member| !member.is_known());
        self.is_up = match (has_quorum, is_pending) {
            (true, _) => Some(true),
            (false, true) => was_up,
            (false, false) => Some(false),
        };
        self.settle(now);
        let quorum = (self.in_rotation, self.care.quorum);
        for ((member, role), placed) in self.backends.iter_mut().zip(&roles).zip(&placed) {
            let reason = reason(member, placed, *role, stands_in, quorum, now);
            events.extend(member.turn(&self.name, *role, reason, time));
        }
        if self.is_up != was_up && (was_up.is_some() || self.is_up == Some(false)) {
            let word = |up: Option<bool>| match up {
                Some(true) => "up",
                Some(false) => "down",
                None => "unknown",
            };
            events.push(Event {
                time,
                service: self.name.clone(),
                backend: String::new(),
                from: word(was_up).to_owned(),
                to: word(self.is_up).to_owned(),
                reason: format!(
                    "{} of {} backends that it needs are in rotation",
                    quorum.0, quorum.1
                ),
            });
        }
    }
}

/// The word for what a backend does.
#[must_use]
pub fn word(role: Role) -> &'static str {
    role.state.word()
}

fn reason(
    member: &Member,
    placed: &PlacedDestination,
    role: Role,
    stands_in: bool,
    quorum: (usize, u32),
    now: Instant,
) -> String {
    if let State::Maint | State::Down = member.placed.state {
        return "the operator has taken it out".to_owned();
    }
    if let Some(why) = member.fails(now) {
        return why;
    }
    if placed.is_failing {
        return "it was down before this process started, and has not been checked yet".to_owned();
    }
    let (in_rotation, quorum) = quorum;
    match (member.is_sorry, role.state) {
        (true, State::Ready) => {
            format!("stands in: {in_rotation} of {quorum} backends that it takes are in rotation")
        }
        (true, _) => "stands in when there is no quorum".to_owned(),
        (false, State::Drain) if member.placed.state == State::Drain => {
            "the operator drains it".to_owned()
        }
        (false, State::Drain) if stands_in => {
            "there is no quorum: new flows go to the sorry backend".to_owned()
        }
        _ if !member.is_known() => "not checked yet".to_owned(),
        _ if member.silent.is_some() => "its MAC is being asked for".to_owned(),
        _ => String::new(),
    }
}

/// The word for a check in reports.
#[must_use]
pub fn check_name(care: &Care) -> Option<String> {
    let check = care.check.as_ref()?;
    let name = check.probe.name();
    Some(match &check.probe {
        Probe::Exec(_) => name.to_owned(),
        _ => format!("{name} {}", check.port),
    })
}

/// What reports tell of checks that have not been made.
#[must_use]
pub fn blank() -> CheckState {
    CheckState {
        buckets: vec![0; crate::report::run::BUCKETS.len() + 1],
        ..CheckState::default()
    }
}
