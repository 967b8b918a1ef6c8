//! `dsrload plan|apply FILE`, `dsrload confirm|rollback`

use super::change::{Change, choose};
use super::guard::{self, go_back};
use super::in_force::InForce;
use super::load::{mention_kept, refuse_other_seed};
use super::modes::modes;
use super::prepare::{Health, Prepared, Why};
use super::privilege::{self, require};
use super::settle::epochs;
use super::source::wanted_mode;
use super::{Output, counted, file};
use crate::cli::{ApplyArgs, OneArgs, PlanArgs};
use crate::config::merge::merged;
use crate::config::plan::Step;
use crate::config::{Balancer as Said, Document};
use crate::datapath::{Balancer, Tables, clock};
use crate::fault;
use crate::model::placement::PlacedDestination;
use crate::model::sweep::Clock;
use crate::netlink::Netlink;
use crate::report::plan::{PlanReport, ServiceReport, StepReport, Touched};
use crate::sys::machine::uptime_milliseconds;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use xdp_prog::abi::state::slot;
use xdp_prog::track::entry::Entry;

/// Seconds of silence after which a flow is not counted as live; as `settle` does.
const IDLE: u64 = 300;

/// Says what `apply` would do.
///
/// # Errors
///
/// `apply` would refuse it.
pub fn plan(arguments: &PlanArgs, output: &mut Output<'_>) -> Result<()> {
    let (wanted, _) = file::document(&arguments.file)?;
    require(privilege::CHANGE)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let balancer = choose(&mut netlink, arguments.interface.as_deref(), None)?;
    let before = InForce::of(&balancer.tables)?;
    if let Some(words) = before.waiting()? {
        writeln!(output.talk, "dsrload: {words}")?;
    }
    refuse(&balancer, &wanted)?;
    let document = merged(&before.document, &wanted);
    let health = Health::default();
    let prepared = Prepared::new(&mut netlink, &balancer, &before.document, document, &health)?;
    let asked = Said::new(&wanted).options;
    mention_kept(&asked, &balancer.tables, &prepared.loaded, output)?;
    let report = report(&balancer, &prepared, &before)?;
    if arguments.json {
        crate::report::json(output.answers, &report)?;
    } else {
        report.write(output.answers)?;
    }
    Ok(())
}

/// Puts a config in force.
///
/// # Errors
///
/// Whatever stands in the way; then nothing is changed.
pub fn apply(arguments: &ApplyArgs, output: &mut Output<'_>) -> Result<()> {
    let (wanted, _) = file::document(&arguments.file)?;
    require(privilege::CHANGE)?;
    let interface = arguments.interface.as_deref();
    // Before anything is open that it would hold open.
    let line = arguments.confirm.map(|_| guard::start(interface));
    let line = line.transpose()?;
    let mut change = Change::begin(interface, None)?;
    change.before.refuse_while_waiting()?;
    refuse(&change.balancer, &wanted)?;
    let prepared = change.prepare(&wanted)?;
    let asked = Said::new(&wanted).options;
    mention_kept(&asked, &change.balancer.tables, &prepared.loaded, output)?;
    if prepared.is_in_force() {
        writeln!(output.answers, "nothing to do")?;
        return Ok(());
    }
    let mut why = Why::default();
    if let Some(time) = arguments.confirm {
        let now = uptime_milliseconds().context("ask for the time")?;
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        why.deadline = now.saturating_add(time);
    }
    prepared.carry_out(&mut change, why, output)?;
    drop(line);
    tell(&prepared, &change.balancer.tables, "applied", output)?;
    if let Some(time) = arguments.confirm {
        writeln!(
            output.answers,
            "rolled back in {} s unless `dsrload confirm` comes before",
            time.as_secs()
        )?;
    }
    Ok(())
}

/// What cannot be changed while packets flow.
pub fn refuse(balancer: &Balancer, wanted: &Document) -> Result<()> {
    let options = Said::new(wanted).options;
    if let Some(seed) = &options.seed {
        refuse_other_seed(&balancer.tables, seed)?;
    }
    for attached in &balancer.attached {
        modes(
            &attached.link,
            Some(attached.mode),
            wanted_mode(options.mode),
        )?;
    }
    Ok(())
}

/// Keeps what was applied.
///
/// # Errors
///
/// Nothing waits to be confirmed.
pub fn confirm(arguments: &OneArgs, output: &mut Output<'_>) -> Result<()> {
    let change = Change::begin(arguments.interface.as_deref(), None)?;
    let tables = &change.balancer.tables;
    let Some((generation, _)) = tables.pending() else {
        return Err(fault!(
            Failed,
            "nothing waits to be confirmed{}",
            match change.before.given_up {
                0 => String::new(),
                given_up => format!(
                    ": generation {given_up} was not confirmed in time and has been rolled back"
                ),
            }
        ));
    };
    tables.confirm();
    writeln!(output.answers, "generation {generation} is confirmed")?;
    Ok(())
}

/// Puts the config before the last change in force again.
///
/// # Errors
///
/// There is none.
pub fn rollback(arguments: &OneArgs, output: &mut Output<'_>) -> Result<()> {
    let mut change = Change::begin(arguments.interface.as_deref(), None)?;
    let prepared = go_back(&mut change, Why::default(), output)?;
    tell(&prepared, &change.balancer.tables, "rolled back", output)
}

/// The steps that were done, and what is in force now.
fn tell(prepared: &Prepared, tables: &Tables, what: &str, output: &mut Output<'_>) -> Result<()> {
    for step in &prepared.steps {
        writeln!(
            output.answers,
            "{} {}: {}",
            step.kind.name(),
            step.target,
            step.what
        )?;
    }
    let moved: usize = prepared.placement.moved.values().sum();
    let generation = tables.stored().map_or(0, |stored| stored.generation);
    writeln!(
        output.answers,
        "{what}: generation {generation}, digest {}, {}, {moved} slots moved",
        prepared.digests[1],
        counted(prepared.steps.len(), "step")
    )?;
    Ok(())
}

fn report(balancer: &Balancer, prepared: &Prepared, before: &InForce) -> Result<PlanReport> {
    let touching = Touching::new(balancer, prepared)?;
    let loaded = &prepared.loaded;
    let steps = prepared.steps.iter().map(|step| StepReport {
        kind: step.kind.name(),
        target: step.target.clone(),
        what: step.what.clone(),
        touched: touching.by(step),
    });
    let said = Said::new(&prepared.document);
    let first = said
        .config
        .services
        .iter()
        .map(|s| s.addresses.iter().min());
    let names: BTreeMap<_, _> = first.zip(&said.names).collect();
    let services = prepared.placement.services.iter().map(|placed| {
        let name = names.get(&placed.addresses.iter().min());
        let is_new = loaded.services.iter().all(|s| s.id != placed.id);
        let slots = placed.slots.end - placed.slots.start;
        let moved = prepared.placement.moved.get(&placed.id).copied();
        ServiceReport {
            name: name.map_or_else(String::new, |names| names.name.clone()),
            slots,
            moved: moved.unwrap_or(0),
            is_new,
        }
    });
    Ok(PlanReport {
        is_in_force: prepared.is_in_force(),
        steps: steps.collect(),
        services: services.collect(),
        generation: before.generation,
        digest_now: prepared.digests[0].clone(),
        digest_then: prepared.digests[1].clone(),
    })
}

/// What of the flows that are on their way steps touch.
struct Touching<'a> {
    tables: &'a Tables,
    prepared: &'a Prepared,
    /// Flows of the flow table by destination: those that were heard of lately, and
    /// others.
    flows: BTreeMap<u16, (usize, usize)>,
}

impl<'a> Touching<'a> {
    fn new(balancer: &'a Balancer, prepared: &'a Prepared) -> Result<Self> {
        let tables = &balancer.tables;
        let shift = balancer.attached.first().map_or(0, |a| a.epoch_shift);
        let clock = Clock {
            now: clock::epoch(shift)?,
            idle: epochs(IDLE, shift)?,
        };
        let mut flows: BTreeMap<u16, (usize, usize)> = BTreeMap::new();
        for word in tables.flows.entries().iter().flat_map(|bucket| &bucket.0) {
            let entry = Entry(word.get());
            if !entry.is_free() {
                let (live, idle) = flows.entry(entry.destination()).or_default();
                *if clock.is_live(entry) { live } else { idle } += 1;
            }
        }
        Ok(Self {
            tables,
            prepared,
            flows,
        })
    }

    /// What a step touches; nothing where it is about nothing that is loaded.
    fn by(&self, step: &Step) -> Option<Touched> {
        let address = step.service?;
        let loaded = &self.prepared.loaded;
        let mut services = loaded.services.iter();
        let service = services.find(|s| s.addresses.contains(&address))?;
        let is_meant = |d: &&PlacedDestination| {
            d.service == service.id && step.backend.is_none_or(|b| b == d.route.address)
        };
        let words = loaded.words.get(&service.id);
        let mut touched = Touched::default();
        let destinations = loaded.destinations.iter().filter(is_meant);
        for number in destinations.map(|d| d.number) {
            let (live, idle) = self.flows.get(&number).copied().unwrap_or_default();
            touched.live_flows += live;
            touched.idle_flows += idle;
            touched.connections += self.tables.count(number).connections;
            let settled = words.into_iter().flatten();
            touched.settled_slots += settled
                .filter(|&&w| slot::is_settled(w) && slot::current(w) == number)
                .count();
        }
        let is_new = step.backend.is_some_and(|backend| {
            let mut of_service = loaded.destinations.iter();
            !of_service.any(|d| d.service == service.id && d.route.address == backend)
        });
        (!is_new).then_some(touched)
    }
}
