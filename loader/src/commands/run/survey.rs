//! What is published: counters, rates, and what the tables and the roster say.

use super::roster::{Entry, Member, Roster, check_name, word};
use super::talk::Talk;
use super::targets::Targets;
use crate::commands::in_force::{InForce, base_of};
use crate::config::Balancer as Said;
use crate::config::digest::digest;
use crate::datapath::attach::mode_name;
use crate::datapath::read::Count;
use crate::datapath::{Balancer, Tables};
use crate::model::Word;
use crate::report::run::{Backend, Config, Flows, Interface, Outcome, Service, Snapshot};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use xdp_prog::abi::state::slot;

/// Between two snapshots, if nothing happens.
const PUBLISHED: Duration = Duration::from_secs(1);
/// The same if something does.
const NEWS: Duration = Duration::from_millis(200);
/// Between two samples of the counters, and how many rates are kept.
const SAMPLED: Duration = Duration::from_secs(5);
const SAMPLES: usize = 60;

/// What is published.
pub struct Survey {
    published: watch::Sender<Arc<Snapshot>>,
    started: f64,
    config: Config,
    /// Something has happened that is worth a snapshot at once.
    pub is_news: bool,
    rates: BTreeMap<(String, String), Rates>,
    slots: BTreeMap<u16, Slots>,
    /// Live flows that the flow table knows, by destination.
    pub live: BTreeMap<u16, u64>,
    /// What the last sweep found.
    pub flows: Flows,
    next_snapshot: Instant,
    next_news: Instant,
    next_sample: Instant,
    last_sample: Instant,
}

/// The rates of one backend, oldest first.
#[derive(Default)]
struct Rates {
    last: Option<Count>,
    packets: VecDeque<f64>,
    bytes: VecDeque<f64>,
}

/// The slots of one service.
#[derive(Default)]
struct Slots {
    all: u64,
    unsettled: u64,
    by_owner: BTreeMap<u16, u64>,
}

impl Survey {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(published: watch::Sender<Arc<Snapshot>>) -> Self {
        let now = Instant::now();
        Self {
            published,
            started: super::clock(),
            config: Config::default(),
            is_news: true,
            rates: BTreeMap::new(),
            slots: BTreeMap::new(),
            live: BTreeMap::new(),
            flows: Flows::default(),
            next_snapshot: now,
            next_news: now,
            next_sample: now,
            last_sample: now,
        }
    }

    /// Another config is in force.
    pub fn config(&mut self, tables: &Tables, in_force: &InForce, said: &Said) {
        let services = tables.placed_services().unwrap_or_default();
        self.config.generation = in_force.generation;
        self.config.digest = digest(said, &base_of(tables, &services));
        self.is_news = true;
    }

    /// A file was read again: why it was refused, if it was.
    pub fn reloaded(&mut self, refused: Option<String>) {
        self.config.refused = refused;
        self.config.reloaded = super::clock();
        self.is_news = true;
    }

    /// Samples and publishes, when it is time to.
    pub fn step(
        &mut self,
        now: Instant,
        balancer: &Balancer,
        roster: &Roster,
        targets: &Targets,
        talk: &mut Talk,
    ) {
        if now >= self.next_sample {
            self.next_sample = now + SAMPLED;
            self.sample(now, &balancer.tables, roster);
            self.count_slots(&balancer.tables, roster);
        }
        if now >= self.next_snapshot || self.is_news && now >= self.next_news {
            if self.is_news {
                self.count_slots(&balancer.tables, roster);
            }
            self.is_news = false;
            self.next_snapshot = now + PUBLISHED;
            self.next_news = now + NEWS;
            let snapshot = self.snapshot(balancer, roster, targets, talk);
            self.published.send_replace(Arc::new(snapshot));
        }
    }

    fn sample(&mut self, now: Instant, tables: &Tables, roster: &Roster) {
        let seconds = now.duration_since(self.last_sample).as_secs_f64();
        self.last_sample = now;
        let mut before = std::mem::take(&mut self.rates);
        for (entry, member) in roster.members() {
            let key = (entry.name.clone(), member.name.clone());
            let mut rates = before.remove(&key).unwrap_or_default();
            let count = tables.count(member.placed.number);
            if let Some(last) = rates.last.replace(count)
                && seconds > 0.0
            {
                // A number that was given out again starts at zero.
                let rate = |now: u64, last: u64| to_float(now.saturating_sub(last)) / seconds;
                push(&mut rates.packets, rate(count.packets, last.packets));
                push(&mut rates.bytes, rate(count.bytes, last.bytes));
            }
            self.rates.insert(key, rates);
        }
    }

    fn count_slots(&mut self, tables: &Tables, roster: &Roster) {
        self.slots.clear();
        let placed = tables.placed_services().unwrap_or_default();
        let words = tables.slots.entries();
        for entry in &roster.services {
            let Some(service) = placed.iter().find(|service| service.id == entry.number) else {
                continue;
            };
            let range = service.slots.start as usize..service.slots.end as usize;
            let mut slots = Slots::default();
            for word in words.get(range).unwrap_or_default() {
                let word = word.get();
                slots.all += 1;
                slots.unsettled += u64::from(!slot::is_settled(word));
                *slots.by_owner.entry(slot::current(word)).or_default() += 1;
            }
            self.slots.insert(entry.number, slots);
        }
    }

    fn snapshot(
        &self,
        balancer: &Balancer,
        roster: &Roster,
        targets: &Targets,
        talk: &mut Talk,
    ) -> Snapshot {
        let tables = &balancer.tables;
        let (warnings, events) = talk.memory();
        let (entries, capacity) = tables.flow_count();
        let attached = balancer.attached.iter().map(|attached| Interface {
            name: attached.link.name.clone(),
            mode: mode_name(attached.mode).to_owned(),
            program: attached.info.id,
        });
        let outcomes = tables
            .outcomes()
            .into_iter()
            .map(|(outcome, packets)| Outcome {
                name: outcome.name().to_owned(),
                verdict: outcome.verdict().name().to_owned(),
                help: outcome.help().to_owned(),
                packets,
            });
        Snapshot {
            time: super::clock(),
            started: self.started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            interfaces: attached.collect(),
            config: self.config.clone(),
            services: roster
                .services
                .iter()
                .map(|entry| self.service(tables, entry, targets))
                .collect(),
            outcomes: outcomes.collect(),
            flows: Flows {
                entries: entries as u64,
                capacity: capacity as u64,
                ..self.flows.clone()
            },
            events,
            warnings,
        }
    }

    fn service(&self, tables: &Tables, entry: &Entry, targets: &Targets) -> Service {
        let none = Slots::default();
        let slots = self.slots.get(&entry.number).unwrap_or(&none);
        let backends = entry.backends.iter();
        Service {
            name: entry.name.clone(),
            addresses: entry.addresses.iter().map(ToString::to_string).collect(),
            in_rotation: u32::try_from(entry.in_rotation).unwrap_or(u32::MAX),
            quorum: entry.care.quorum,
            is_up: entry.is_up == Some(true),
            announced: entry.is_announced(),
            check: check_name(&entry.care),
            slots: slots.all,
            unsettled: slots.unsettled,
            backends: backends
                .map(|member| self.backend(tables, entry, member, slots, targets))
                .collect(),
        }
    }

    fn backend(
        &self,
        tables: &Tables,
        entry: &Entry,
        member: &Member,
        slots: &Slots,
        targets: &Targets,
    ) -> Backend {
        let placed = &member.placed;
        let number = placed.number;
        let count = tables.count(number);
        let rates = self.rates.get(&(entry.name.clone(), member.name.clone()));
        let told = member.told.as_ref();
        let listed = |of: fn(&Rates) -> &VecDeque<f64>| {
            rates.map_or_else(Vec::new, |rates| of(rates).iter().copied().collect())
        };
        Backend {
            name: member.name.clone(),
            address: placed.route.address.to_string(),
            wanted: placed.state.word().to_owned(),
            state: told.map_or_else(String::new, |told| word(told.role).to_owned()),
            reason: told.map_or_else(String::new, |told| told.reason.clone()),
            since: told.map_or(0.0, |told| told.since),
            is_sorry: member.is_sorry,
            mac: (!placed.route.is_here()).then(|| placed.route.mac().to_string()),
            forward: placed.route.forward().to_string(),
            weight: placed.weight.into(),
            slots: slots.by_owner.get(&number).copied().unwrap_or(0),
            live_flows: self.live.get(&number).copied().unwrap_or(0),
            packets: count.packets,
            bytes: count.bytes,
            connections: count.connections,
            untracked: count.untracked,
            packet_rates: listed(|rates| &rates.packets),
            byte_rates: listed(|rates| &rates.bytes),
            check: targets.stats(entry, member),
        }
    }
}

fn push(rates: &mut VecDeque<f64>, rate: f64) {
    if rates.len() == SAMPLES {
        rates.pop_front();
    }
    // Nobody reads more of it, and it is sent often.
    rates.push_back((rate * 10.0).round() / 10.0);
}

/// Counts beyond 2^53 lose their last digits, which no rate shows.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn to_float(count: u64) -> f64 {
    count as f64
}
