//! The thread that owns the tables: hears of checks, of the kernel and of signals,
//! and brings the tables in line.
//!
//! Nothing here waits for the network or for another process: a lock that is held
//! is tried again later. So what it does within a second is bounded by the size of
//! the tables alone, and the watchdog may rely on it.

use super::due::Due;
use super::news::{News, Signal};
use super::roster::Roster;
use super::survey::Survey;
use super::talk::Talk;
use super::targets::Targets;
use super::ways::concerns;
use crate::agent::announce::Announcer;
use crate::agent::path::Paths;
use crate::cli::RunArgs;
use crate::commands::change::{Change, try_lock};
use crate::commands::in_force::InForce;
use crate::commands::prepare::{Health, Why};
use crate::config::Balancer as Said;
use crate::datapath::refresh::Look;
use crate::datapath::resolve::Silence;
use crate::datapath::{Balancer, Tables};
use crate::netlink::Netlink;
use crate::report::run::Event;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long the loop sleeps at the most: what others change in the tables is seen
/// by then.
pub(super) const TICK: Duration = Duration::from_millis(200);
/// Everything about ways is looked at this often at least: nobody tells of rules,
/// or of MTUs that were found on a path.
pub(super) const ROUND: Duration = Duration::from_secs(30);
/// The same while a backend has no MAC.
pub(super) const PENDING_ROUND: Duration = Duration::from_secs(1);
/// Kernel news come in flocks: the rest of one is waited for.
const FLOCK: Duration = Duration::from_millis(20);
/// After a change of the tables that took so many times as long, the next one may
/// come: flapping backends take a part of a CPU, not all of it.
pub(super) const REST: u32 = 4;
/// What failed is tried again after so long.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// Why the loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A signal.
    Signal,
    /// Somebody has taken our program off.
    Unloaded,
}

/// The thread's belongings.
pub struct Keeper {
    /// What was typed.
    pub arguments: RunArgs,
    /// The conversation with the kernel, and the balancer. Always there but within a
    /// change.
    pub at_hand: Option<(Netlink, Balancer)>,
    /// The config in force.
    pub said: Said,
    /// Who is looked after.
    pub roster: Roster,
    /// Where checks go.
    pub targets: Targets,
    /// What is announced, if anything ever was to be.
    pub announcer: Option<Announcer>,
    /// The VIPs that were to be when that was last seen to.
    pub asked: BTreeSet<IpAddr>,
    /// The VIPs that are.
    pub announced: BTreeSet<IpAddr>,
    /// Logs, hooks, and what is remembered of both.
    pub talk: Talk,
    /// Counters and what is published of all this.
    pub survey: Survey,
    /// What happens.
    pub inbox: Receiver<News>,
    /// What the config in force and its tables were known by when they were read.
    pub seen: (u64, u64),
    /// The last look at the ways.
    pub last_look: Look,
    /// When things are due.
    pub due: Due,
}

impl Keeper {
    /// Looks after everything until there is an end to it.
    ///
    /// # Errors
    ///
    /// The thread that makes the checks is gone.
    pub fn run(&mut self) -> Result<End> {
        loop {
            match self.inbox.recv_timeout(self.patience()) {
                Ok(news) => {
                    if let Some(end) = self.hear_all(news)? {
                        return Ok(end);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("all other threads have ended");
                }
            }
            if let Some(end) = self.step() {
                return Ok(end);
            }
        }
    }

    fn patience(&self) -> Duration {
        let now = Instant::now();
        let mut due = self.due.look.min(self.due.links).min(self.due.health);
        if self.due.is_health {
            due = due.min(self.due.health_rest);
        }
        due.saturating_duration_since(now).min(TICK)
    }

    fn hear_all(&mut self, first: News) -> Result<Option<End>> {
        let mut next = Some(first);
        while let Some(news) = next {
            if let Some(end) = self.hear(news)? {
                return Ok(Some(end));
            }
            next = self.inbox.try_recv().ok();
        }
        Ok(None)
    }

    fn hear(&mut self, news: News) -> Result<Option<End>> {
        match news {
            News::Checked(report) => {
                let is_news = self.targets.heard(&mut self.roster, report, &mut self.talk);
                self.due.is_health |= is_news;
            }
            News::Kernel(news) => {
                let now = Instant::now();
                if news.is_general {
                    self.due.links = now;
                }
                if concerns(&news, &self.last_look) {
                    let soon = (now + FLOCK).max(self.due.look_rest);
                    self.due.look = self.due.look.min(soon);
                }
            }
            News::Signal(Signal::Reload) => self.due.is_reload = true,
            News::Signal(Signal::End) => return Ok(Some(End::Signal)),
            News::Ended(why) => bail!("the thread of the checks has ended: {why}"),
            News::Trouble(what) => self.talk.warning(&what),
            News::Line(line) => self.talk.line(&line),
            News::Tunnels(interface) => {
                if self.targets.tunnels.replace(interface) != Some(interface) {
                    self.due.look = Instant::now();
                }
            }
        }
        Ok(None)
    }

    /// Does what is due.
    fn step(&mut self) -> Option<End> {
        let now = Instant::now();
        if now >= self.due.links {
            self.due.links = now + PENDING_ROUND;
            match self.watch_interfaces() {
                Ok(Some(end)) => return Some(end),
                Ok(None) => {}
                Err(error) => self.talk.failure("the interfaces", &error),
            }
        }
        if self.due.is_reload {
            self.reload();
        }
        if self
            .at_hand
            .as_ref()
            .is_some_and(|(_, b)| known_by(&b.tables) != self.seen)
        {
            self.adopt();
        }
        if now >= self.due.look {
            self.follow_ways(now);
        }
        let is_news = self.due.is_health && now >= self.due.health_rest;
        if is_news || now >= self.due.health {
            self.work_out(now);
            self.due.is_health = false;
            self.due.health = now + TICK;
            self.due.health_rest = now + now.elapsed() * REST;
        }
        if now >= self.due.sweep {
            self.sweep(now);
        }
        if let Some((_, balancer)) = &self.at_hand {
            self.survey
                .step(now, balancer, &self.roster, &self.targets, &mut self.talk);
        }
        self.talk.is_alive();
        None
    }

    /// Reads the config in force.
    pub fn adopt(&mut self) {
        let Some((netlink, balancer)) = &mut self.at_hand else {
            return;
        };
        let tables = &balancer.tables;
        let known = known_by(tables);
        let in_force = match InForce::of(tables) {
            Ok(in_force) => in_force,
            Err(error) => return self.talk.failure("the config in force", &error),
        };
        self.said = Said::new(&in_force.document);
        self.talk.set(&self.said.run);
        let announce = &self.said.run.announce;
        if self.targets.paths.protocol() != announce.protocol {
            if let Err(error) = self.targets.paths.remove_all(netlink) {
                self.talk.failure("the rules and routes of checks", &error);
            }
            self.targets.paths = Paths::new(announce.protocol);
        }
        if self.announcer.as_ref().is_some_and(|a| !a.is_by(announce)) {
            // Its interface takes the routes with it; the next one comes at once.
            self.announcer = None;
        }
        self.due.announce = Instant::now();
        let placed = tables.placed_destinations();
        let services = tables.service_addresses();
        let before = std::mem::take(&mut self.roster);
        self.roster = Roster::new(&self.said, &placed, &services, before);
        self.survey.config(tables, &in_force, &self.said);
        self.targets_anew();
        // What changed meanwhile is read once more.
        self.seen = known;
        self.due.is_health = true;
        self.due.look = Instant::now();
    }

    /// Whether what is known of the backends' health is not what the tables say.
    fn is_health_news(&self, now: Instant) -> bool {
        let failing = self.roster.failing(now);
        let mut members = self.roster.members();
        members.any(|(entry, member)| {
            let key = entry.key().map(|key| (key, member.placed.route.address));
            let known = key.and_then(|key| failing.get(&key));
            known.is_some_and(|&known| known != member.placed.is_failing)
        })
    }

    /// Writes the backends' health into the tables.
    fn push_health(&mut self, now: Instant) {
        let health = Health {
            failing: self.roster.failing(now),
            silence: Silence::IsToldOf,
        };
        let start = Instant::now();
        let done = self.change(|change, talk| {
            let document = change.before.document.clone();
            let prepared = change.prepare_with(&document, &health)?;
            let why = Why {
                deadline: change.before.deadline,
                given_up: change.before.given_up,
                goes_on: true,
            };
            talk.with_output(|output| prepared.carry_out(change, why, output))
        });
        self.due.change = match done {
            Ok(true) => Instant::now() + start.elapsed() * REST,
            Ok(false) => now,
            Err(error) => {
                self.talk.failure("the health of backends", &error);
                now + AGAIN
            }
        };
        self.reread();
    }

    /// Does something to the balancer while nobody else changes it; false if somebody
    /// does.
    pub fn change(
        &mut self,
        work: impl FnOnce(&mut Change, &mut Talk) -> Result<()>,
    ) -> Result<bool> {
        let Some(lock) = try_lock()? else {
            return Ok(false);
        };
        let Some((netlink, balancer)) = self.at_hand.take() else {
            return Ok(false);
        };
        let before = InForce::of(&balancer.tables);
        let (done, change) = match before {
            Ok(before) => {
                let mut change = Change::of(netlink, balancer, before, lock);
                (work(&mut change, &mut self.talk), change)
            }
            Err(error) => {
                self.at_hand = Some((netlink, balancer));
                return Err(error);
            }
        };
        self.at_hand = Some((change.netlink, change.balancer));
        done.map(|()| true)
    }

    /// What the tables say of the backends now.
    pub(super) fn reread(&mut self) {
        let Some((_, balancer)) = &self.at_hand else {
            return;
        };
        let placed = balancer.tables.placed_destinations();
        let placed: BTreeMap<_, _> = placed.iter().map(|p| ((p.service, p.number), *p)).collect();
        for member in self
            .roster
            .services
            .iter_mut()
            .flat_map(|entry| &mut entry.backends)
        {
            let key = (member.placed.service, member.placed.number);
            if let Some(now) = placed.get(&key) {
                member.placed = *now;
            }
        }
        // Our own change is no news, unless somebody else's came before it.
        let known = known_by(&balancer.tables);
        if known.1 == self.seen.1 {
            self.seen = known;
        }
    }

    /// Works out what all backends do, and has it so.
    fn work_out(&mut self, now: Instant) {
        // The tables first: nobody is told of what no packet meets yet.
        if now >= self.due.change && self.is_health_news(now) {
            self.push_health(now);
        }
        let events: Vec<Event> = self.roster.tell(now, super::clock());
        for event in events {
            self.survey.is_news = true;
            self.talk.event(event);
        }
        self.announce(now);
    }
}

/// What tells whether the config in force or its tables have changed.
pub fn known_by(tables: &Tables) -> (u64, u64) {
    (tables.control().index.get(), tables.generation())
}
