//! `dsrload IFACE...`: loads, or replaces what is loaded.

mod seats;

use super::change::{lock, warn_of_empty};
use super::in_force::InForce;
use super::prepare::{silent, text};
use super::privilege::{self, require};
use super::source::{Source, wanted_mode};
use super::{Output, counted, object, upkeep};
use crate::cli::LoadArgs;
use crate::config::merge::{merged, with_states};
use crate::config::{Balancer as Said, Options};
use crate::datapath::attach::{Done, Seat, attach, mode_name};
use crate::datapath::base::{Base, holders};
use crate::datapath::neighbours::Key;
use crate::datapath::program::{Loaded, Maker};
use crate::datapath::resolve::{Aim, Here, Silence, may_be_here, reached, resolve};
use crate::datapath::stored::NewText;
use crate::datapath::transaction::{Transaction, Unobserved};
use crate::datapath::way::{Way, local_addresses};
use crate::datapath::{Attached, Balancer, Tables, pins, refresh};
use crate::fault;
use crate::model::Config;
use crate::model::placement::{
    self, Loaded as Tabled, PlacedDestination, Route, Wanted, WantedService,
};
use crate::netlink::Netlink;
use anyhow::{Context, Result};
pub(super) use seats::links;
use seats::{seats, ways};
use std::collections::BTreeSet;
use std::path::Path;

/// Runs the command.
///
/// # Errors
///
/// Whatever stands in the way; then nothing is changed.
pub fn run(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<()> {
    let source = Source::of(arguments, output)?;
    require(privilege::CHANGE)?;
    let _lock = lock()?;
    let place = Place {
        interfaces: &arguments.interfaces,
        object: arguments.object.as_deref(),
        balancer: None,
    };
    load(place, &source, Silence::IsRefused, output).map(drop)
}

/// Where is loaded, and what.
pub struct Place<'a> {
    /// The interfaces.
    pub interfaces: &'a [String],
    /// The BPF object, if it is not the one in the binary.
    pub object: Option<&'a Path>,
    /// What to go on with if nothing is loaded there: an interface that it had went
    /// away.
    pub balancer: Option<Balancer>,
}

/// Loads, or replaces what is loaded. For whoever holds the lock.
///
/// # Errors
///
/// Whatever stands in the way; then nothing is changed.
pub fn load(
    place: Place<'_>,
    source: &Source,
    silence: Silence,
    output: &mut Output<'_>,
) -> Result<Balancer> {
    pins::sweep();

    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let links = links(&mut netlink, place.interfaces)?;
    let (found, foreigners) = holders(&links)?;
    if let Some(foreign) = foreigners.first() {
        return Err(foreign.fault());
    }
    let spec = object::spec(place.object)?;
    let base = match place.balancer {
        Some(balancer) if found.iter().all(Option::is_none) => Base::going_on(balancer),
        _ => Base::of(&mut netlink, &spec, &found, source.capacity()?)?,
    };
    let before = match base.is_new {
        true => InForce::default(),
        false => InForce::of(&base.tables)?,
    };
    before.refuse_while_waiting()?;
    let document = merged(&before.document, &source.document(&before.document));
    let text = text(&document)?;
    let said = Said::new(&with_states(&document));
    seed(&base, said.options.seed.as_deref())?;
    let seats = seats(&base, links, found, wanted_mode(said.options.mode))?;
    let ways = ways(&mut netlink, &base, &seats)?;
    let known = base.tables.placed_destinations();
    let (wanted, neighbours) = wanted(&mut netlink, &said, &ways, (silence, &known))?;
    let former = refresh::neighbours(&mut netlink, &base.others, &base.tables)?;
    let loaded = base.tables.loaded()?;
    let placement =
        placement::place(&loaded, &wanted).map_err(|reason| fault!(Invalid, "{reason}"))?;

    let maker = Maker::new(&spec, &base.tables)?;
    let programs: Vec<Loaded> = seats
        .iter()
        .map(|seat| maker.make(seat.port))
        .collect::<Result<_>>()?;
    let transaction = Transaction {
        tables: &base.tables,
        is_new: base.is_new,
        loaded: &loaded,
        placement: &placement,
        text: NewText::lasting(&text),
    };
    let done = transaction.carry_out(&mut Unobserved, || {
        enter(&mut netlink, &base, &seats, &programs)
    })?;

    for ((seat, program), done) in seats.iter().zip(&programs).zip(&done.attached) {
        pin(seat, program, &base.tables, output)?;
        tell(seat, done, &said.config, output)?;
    }
    if let Some(error) = done.left {
        writeln!(output.talk, "dsrload: done, but {error:#}")?;
    }
    if !base.is_new {
        mention_kept(&source.asked(), &base.tables, &loaded, output)?;
        warn_of_empty(&before.document, &document, output)?;
    }
    upkeep::neighbours(&mut netlink, &former, &neighbours, output)?;
    let is_new = |a: &Attached| seats.iter().all(|seat| seat.link.index != a.link.index);
    let mut attached: Vec<Attached> = base.others.into_iter().filter(is_new).collect();
    for ((seat, program), done) in seats.into_iter().zip(programs).zip(done.attached) {
        attached.push(Attached::new(seat.link, done.mode, program)?);
    }
    Ok(Balancer {
        attached,
        tables: base.tables,
    })
}

/// Enters the interfaces and attaches the programs.
fn enter(
    netlink: &mut Netlink,
    base: &Base,
    seats: &[Seat],
    programs: &[Loaded],
) -> Result<Vec<Done>> {
    for seat in seats {
        base.tables.enter_port(seat.port, &seat.link)?;
    }
    let done = attach(netlink, seats, programs);
    if done.is_err() {
        let new = seats
            .iter()
            .filter(|s| !base.others.iter().any(|a| a.port == s.port) && s.before.is_none());
        new.for_each(|seat| base.tables.leave_port(seat.port));
    }
    done
}

/// Makes the hash keys, or compares them: other keys would move every flow.
fn seed(base: &Base, seed: Option<&str>) -> Result<()> {
    let Some(seed) = seed else { return Ok(()) };
    if base.is_new {
        let control = base.tables.control();
        let keys = control.keys.iter().chain(&control.keys6);
        keys.zip(crate::model::key::keys(seed))
            .for_each(|(key, word)| key.set(word));
        return Ok(());
    }
    refuse_other_seed(&base.tables, seed)
}

/// Whether the hash keys are those of this seed.
///
/// # Errors
///
/// They are not.
pub(super) fn refuse_other_seed(tables: &Tables, seed: &str) -> Result<()> {
    let control = tables.control();
    let keys = control.keys.iter().chain(&control.keys6);
    let mut keys = keys.zip(crate::model::key::keys(seed));
    match keys.all(|(key, word)| key.get() == word) {
        true => Ok(()),
        false => Err(fault!(
            Failed,
            "--seed is not the one of what is loaded, and another would move every connection: `dsrload --unload` first if that may be"
        )),
    }
}

/// Says what was asked for and stays as it is, since it is chosen when a balancer
/// is first loaded.
///
/// # Errors
///
/// The writer's.
pub(super) fn mention_kept(
    asked: &Options,
    tables: &Tables,
    loaded: &Tabled,
    output: &mut Output<'_>,
) -> Result<()> {
    let (_, flows) = tables.flow_count();
    let mut mention = |what: &str, asked: u32, is: String| {
        writeln!(
            output.talk,
            "dsrload: {what} {asked} is not in force: {is}, which stays as it is until `dsrload --unload`"
        )
    };
    if asked.flows.is_some() && usize::try_from(asked.flows_in_all()).ok() != Some(flows) {
        let is = format!("the flow table holds {flows}");
        mention("flows", asked.flows.unwrap_or_default(), is)?;
    }
    let slots = loaded.services.iter().map(|s| s.slots.end - s.slots.start);
    let slots: BTreeSet<u32> = slots.collect();
    if let Some(asked_for) = asked.slots
        && slots.iter().any(|&slots| slots != asked.slots_each())
    {
        let slots: Vec<String> = slots.iter().map(ToString::to_string).collect();
        let is = format!("services have {}", slots.join(" or "));
        mention("slots", asked_for, is)?;
    }
    Ok(())
}

/// The services with their backends found, and the neighbours on the ways there.
///
/// Backends that do not answer, and need not, keep the ways that are `known`.
fn wanted(
    netlink: &mut Netlink,
    said: &Said,
    ways: &[Way],
    (silence, known): (Silence, &[PlacedDestination]),
) -> Result<(Wanted, BTreeSet<Key>)> {
    let local = local_addresses(netlink)?;
    let here = Here {
        ways,
        local: &local,
    };
    let config = &said.config;
    for service in &config.services {
        may_be_here(service, &local)?;
    }
    // Those of all services together: the network is waited for once.
    let services = config.services.iter();
    let aims: Vec<Aim> = services
        .clone()
        .flat_map(|service| service.backends.iter().map(|b| Aim::new(service, b)))
        .collect();
    let found = resolve(netlink, &aims, &here, silence)?;
    let kept = |route: Route| {
        let mut known = known.iter().map(|placed| placed.route);
        let same = known.find(|k| k.address == route.address && k.forward() == route.forward());
        same.filter(|_| found.silent.contains(&route.address))
            .unwrap_or(route)
    };
    let mut routes = found.routes.iter().copied().map(kept);
    let services = services
        .zip(&said.care)
        .map(|(service, care)| WantedService {
            addresses: service.addresses.clone(),
            manner: service.manner.clone(),
            backends: reached(&service.backends, &mut routes),
            quorum: care.quorum,
            sorry: care.sorry,
        });
    let vips = config.services.iter().flat_map(|s| &s.addresses);
    let wanted = Wanted {
        services: services.collect(),
        local: vips
            .map(|a| a.vip)
            .filter(|vip| local.contains(vip))
            .collect(),
        is_mute: !said.options.is_answering_echo,
        slots: said.options.slots_each(),
        failing: silent(said, &found.silent).collect(),
    };
    Ok((wanted, found.neighbours))
}

/// Pins what was attached. It works without, so this is no reason to fail.
fn pin(seat: &Seat, loaded: &Loaded, tables: &Tables, output: &mut Output<'_>) -> Result<()> {
    let Some(directory) = pins::directory(&seat.link.name) else {
        return Ok(());
    };
    if let Err(error) = pins::store(&directory, &loaded.program, &loaded.settings, tables) {
        writeln!(
            output.talk,
            "dsrload: {}: attached, but not pinned in {}: {error}",
            seat.link.name,
            directory.display()
        )?;
    }
    Ok(())
}

/// The line of success, and what the operator should know besides.
fn tell(seat: &Seat, done: &Done, config: &Config, output: &mut Output<'_>) -> Result<()> {
    let name = &seat.link.name;
    let mode = mode_name(done.mode);
    let verb = match &seat.before {
        Some(before) => format!("replaced {mode}, id {} (was {})", done.id, before.info.id),
        None => format!("attached {mode}, id {}", done.id),
    };
    writeln!(
        output.answers,
        "{name}: {verb}, {}, {}",
        counted(config.services.len(), "service"),
        counted(config.backends(), "backend")
    )?;
    for refused in &done.refused {
        writeln!(output.talk, "dsrload: {name}: {refused}")?;
    }
    if let Some(reason) = seat.reason {
        writeln!(output.talk, "dsrload: {name}: {reason}")?;
    }
    if let Some(before) = seat
        .before
        .as_ref()
        .filter(|b| b.abi != xdp_prog::abi::ABI_VERSION)
    {
        writeln!(
            output.talk,
            "dsrload: {name}: program {} had tables of version {}: flows and counters start anew",
            before.info.id, before.abi
        )?;
    }
    Ok(())
}
