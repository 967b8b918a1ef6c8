//! `dsrload IFACE...`: loads, or replaces what is loaded.

use super::change::lock;
use super::modes::modes;
use super::privilege::{self, require};
use super::{Output, upkeep};
use crate::cli::{LoadArgs, Mode as WantedMode};
use crate::datapath::attach::{Done, Seat, attach, mode_name};
use crate::datapath::base::{Base, Found, holders};
use crate::datapath::neighbours::Key;
use crate::datapath::program::{Loaded, Maker};
use crate::datapath::resolve::{Aim, Here, may_be_here, reached, resolve};
use crate::datapath::tables::Capacity;
use crate::datapath::way::{Way, local_addresses};
use crate::datapath::write::grace;
use crate::datapath::{Tables, find, pins, refresh};
use crate::model::Config;
use crate::model::placement::{Placement, Wanted, WantedService, place};
use crate::netlink::{Link, Netlink};
use crate::object::Spec;
use crate::{EMBEDDED, fault};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use xdp_prog::abi::{MAGIC, limits, section, settings};

/// `ARPHRD_ETHER` (Linux, `include/uapi/linux/if_arp.h`).
const ETHERNET: u16 = 1;

/// Runs the command.
///
/// # Errors
///
/// Whatever stands in the way; then nothing is changed.
pub fn run(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<()> {
    let config = config(arguments, output)?;
    require(privilege::CHANGE)?;
    let _lock = lock()?;
    pins::sweep();

    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let links = links(&mut netlink, &arguments.interfaces)?;
    let (found, foreigners) = holders(&links)?;
    if let Some(foreign) = foreigners.first() {
        return Err(foreign.fault());
    }
    let spec = spec(arguments)?;
    let base = Base::of(&mut netlink, &spec, &found, capacity(arguments, &config))?;
    seed(&base, arguments.seed.as_deref())?;
    let seats = seats(&base, links, found, arguments.mode)?;
    let ways = ways(&mut netlink, &base, &seats)?;
    let (wanted, neighbours) = wanted(&mut netlink, arguments, &config, &ways)?;
    let former = refresh::neighbours(&mut netlink, &base.others, &base.tables)?;
    let loaded = base.tables.loaded()?;
    let placement = place(&loaded, &wanted).map_err(|reason| fault!(Invalid, "{reason}"))?;

    let maker = Maker::new(&spec, &base.tables)?;
    let programs: Vec<Loaded> = seats
        .iter()
        .map(|seat| maker.make(seat.port))
        .collect::<Result<_>>()?;
    if !base.is_new {
        grace();
    }
    let done = base
        .tables
        .prepare(&placement)
        .and_then(|()| switch(&mut netlink, &base, &seats, &programs, &placement))
        .inspect_err(|_| base.tables.discard(&placement, &loaded.destinations))?;

    for ((seat, program), done) in seats.iter().zip(&programs).zip(&done) {
        pin(seat, program, &base.tables, output)?;
        tell(seat, done, &config, output)?;
    }
    upkeep::neighbours(&mut netlink, &former, &neighbours, output)
}

/// Attaches the programs and puts the new tables in force.
///
/// New tables are filled before anything reads them; tables in use change by
/// one word once all programs are in their places.
fn switch(
    netlink: &mut Netlink,
    base: &Base,
    seats: &[Seat],
    programs: &[Loaded],
    placement: &Placement,
) -> Result<Vec<Done>> {
    for seat in seats {
        base.tables.enter_port(seat.port, &seat.link)?;
    }
    if base.is_new {
        base.tables.commit(placement)?;
    }
    let done = attach(netlink, seats, programs);
    if done.is_err() {
        let new = seats
            .iter()
            .filter(|s| !base.others.iter().any(|a| a.port == s.port) && s.before.is_none());
        new.for_each(|seat| base.tables.leave_port(seat.port));
    } else if !base.is_new {
        base.tables.commit(placement)?;
    }
    done
}

/// What is to be balanced.
fn config(arguments: &LoadArgs, output: &mut Output<'_>) -> Result<Config> {
    let config = if arguments.services.is_empty() {
        writeln!(
            output.talk,
            "dsrload: no services given: using the lab's, VIP 192.168.25.10:80/tcp with backends 172.17.0.3 and 172.17.0.4"
        )?;
        Config::lab_default()
    } else {
        Config {
            services: arguments.services.clone(),
        }
    };
    let faults = config.faults();
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(fault!(Invalid, "{}", faults.join("; ")))
    }
}

/// How large new tables are made: as asked for, and so that every service gets
/// its slots twice, since a change takes new ones beside those in force.
fn capacity(arguments: &LoadArgs, config: &Config) -> Capacity {
    let services = u32::try_from(config.services.len()).unwrap_or(u32::MAX);
    let slots = slots(arguments).saturating_mul(2).saturating_mul(services);
    let slots = if arguments.slots.is_some() {
        slots.clamp(limits::SLOTS_DEFAULT, limits::SLOTS)
    } else {
        limits::SLOTS_DEFAULT
    };
    Capacity {
        slots: slots.next_power_of_two(),
        flows: arguments
            .flows
            .unwrap_or(limits::FLOWS_DEFAULT)
            .next_power_of_two(),
    }
}

/// Slots of each service.
fn slots(arguments: &LoadArgs) -> u32 {
    arguments
        .slots
        .unwrap_or(limits::SLOTS_PER_SERVICE)
        .next_power_of_two()
}

/// Makes the hash keys, or compares them: other keys would move every flow.
fn seed(base: &Base, seed: Option<&str>) -> Result<()> {
    let Some(seed) = seed else { return Ok(()) };
    let wanted = crate::model::key::keys(seed);
    let control = base.tables.control();
    let keys = || control.keys.iter().chain(&control.keys6).zip(wanted);
    if base.is_new {
        keys().for_each(|(key, word)| key.set(word));
    } else if keys().any(|(key, word)| key.get() != word) {
        return Err(fault!(
            Failed,
            "--seed is not the one of what is loaded, and another would move every connection: `dsrload --unload` first if that may be"
        ));
    }
    Ok(())
}

/// The services with their backends found, and the neighbours on the ways there.
fn wanted(
    netlink: &mut Netlink,
    arguments: &LoadArgs,
    config: &Config,
    ways: &[Way],
) -> Result<(Wanted, BTreeSet<Key>)> {
    let local = local_addresses(netlink)?;
    let here = Here {
        ways,
        local: &local,
    };
    for service in &config.services {
        may_be_here(service, &local)?;
    }
    // Those of all services together: the network is waited for once.
    let services = config.services.iter();
    let aims: Vec<Aim> = services
        .clone()
        .flat_map(|service| service.backends.iter().map(|b| Aim::new(service, b)))
        .collect();
    let found = resolve(netlink, &aims, &here)?;
    let mut routes = found.routes.into_iter();
    let services = services.map(|service| WantedService {
        addresses: service.addresses.clone(),
        manner: service.manner.clone(),
        backends: reached(&service.backends, &mut routes),
    });
    let vips = config.services.iter().flat_map(|s| &s.addresses);
    let wanted = Wanted {
        services: services.collect(),
        local: vips
            .map(|a| a.vip)
            .filter(|vip| local.contains(vip))
            .collect(),
        is_mute: arguments.no_echo,
        slots: slots(arguments),
    };
    Ok((wanted, found.neighbours))
}

/// The interfaces, each once, each fit to balance on.
pub(super) fn links(netlink: &mut Netlink, names: &[String]) -> Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    for name in names {
        let link = find::link(netlink, name)?;
        if links.iter().any(|l| l.index == link.index) {
            return Err(fault!(Usage, "interface {name} is given twice"));
        }
        if link.hardware != ETHERNET {
            return Err(fault!(
                Failed,
                "{name} is no Ethernet interface: frames are sent on by their MACs, which it does not have"
            ));
        }
        if !link.up {
            return Err(fault!(
                Failed,
                "{name} is down: `ip link set {name} up` first"
            ));
        }
        links.push(link);
    }
    if links.len() > limits::PORTS as usize {
        return Err(fault!(
            Invalid,
            "{} interfaces: one balancer holds {}",
            links.len(),
            limits::PORTS
        ));
    }
    Ok(links)
}

/// The object: the binary's own, or a file.
fn spec(arguments: &LoadArgs) -> Result<Spec> {
    let Some(path) = &arguments.object else {
        return Spec::parse(EMBEDDED).context("the object in this binary");
    };
    let bytes = std::fs::read(path)
        .map_err(|error| fault!(Failed, "--object {}: {error}", path.display()))?;
    let spec = Spec::parse(&bytes)
        .map_err(|error| fault!(Failed, "--object {}: {error}", path.display()))?;
    let ours = |spec: &Spec| {
        let settings = spec.tables().find(|t| t.name == section::SETTINGS)?;
        settings::abi_of(settings.contents.as_deref()?)
    };
    match ours(&spec) {
        Some(xdp_prog::abi::ABI_VERSION) => Ok(spec),
        Some(abi) => Err(fault!(
            Failed,
            "--object {}: its tables are of version {abi}, this binary knows {}",
            path.display(),
            xdp_prog::abi::ABI_VERSION
        )),
        None => Err(fault!(
            Failed,
            "--object {}: a BPF object, but not one of dsrload's: no '{}' in {}",
            path.display(),
            String::from_utf8_lossy(&MAGIC.to_le_bytes()[..7]),
            section::SETTINGS
        )),
    }
}

/// Gives each interface its number and the modes to try.
fn seats(
    base: &Base,
    links: Vec<Link>,
    found: Vec<Option<Found>>,
    wanted: WantedMode,
) -> Result<Vec<Seat>> {
    let mut taken: BTreeSet<u32> = base.others.iter().map(|a| a.port).collect();
    let mut seats = Vec::new();
    for (link, found) in links.into_iter().zip(found) {
        let (before, port) = match found {
            Some(Found::Readable(attached)) => {
                let port = attached.port;
                (Some(attached), Some(port))
            }
            Some(Found::Unreadable(attached)) => (Some(attached), None),
            None => (None, None),
        };
        let port = port
            .or_else(|| (0..limits::PORTS).find(|port| !taken.contains(port)))
            .ok_or_else(|| fault!(Invalid, "one balancer holds {} interfaces", limits::PORTS))?;
        taken.insert(port);
        let (modes, reason) = modes(&link, before.as_ref().map(|b| b.mode), wanted)?;
        seats.push(Seat {
            link,
            port,
            before,
            modes,
            reason,
        });
    }
    Ok(seats)
}

/// The interfaces that backends can be reached through: those of the command
/// line first, then others of the same balancer.
fn ways(netlink: &mut Netlink, base: &Base, seats: &[Seat]) -> Result<Vec<Way>> {
    let named = seats.iter().map(|seat| (&seat.link, seat.port));
    let others = base
        .others
        .iter()
        .filter(|a| seats.iter().all(|seat| seat.port != a.port))
        .map(|a| (&a.link, a.port));
    named
        .chain(others)
        .map(|(link, port)| Way::new(netlink, link, port))
        .collect()
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

pub(super) fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
