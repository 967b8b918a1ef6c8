//! `dsrload status [IFACE]`

use super::in_force::{InForce, digest_of};
use super::privilege::{self, require};
use super::run::ask;
use super::{Output, decap, mention_others};
use crate::cli::ReportArgs;
use crate::datapath::attach::mode_name;
use crate::datapath::read::by_service;
use crate::datapath::{Attached, Balancer, Tables, find, pins};
use crate::model::placement::{PlacedDestination, PlacedService};
use crate::model::{Mac, Manner, Prefix, Word, role};
use crate::netlink::Netlink;
use crate::report::process::RunStatus;
use crate::report::run::Snapshot;
use crate::report::status::{
    BackendStatus, BalancerStatus, InterfaceStatus, MannerStatus, ProgramStatus, ServiceStatus,
    Status,
};
use crate::report::stored::ConfigStatus;
use crate::sys::machine::uptime_milliseconds;
use anyhow::{Context, Result};
use xdp_prog::abi::state::slot;

/// Runs the command.
///
/// # Errors
///
/// The interface does not exist; what the kernel says.
pub fn run(arguments: &ReportArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::LOOK)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let (balancers, others) = find::balancers(&mut netlink, arguments.interface.as_deref(), false)?;
    mention_others(&others, output)?;
    let status = Status {
        balancers: balancers
            .iter()
            .map(|one| balancer(one, output))
            .collect::<Result<_>>()?,
        decaps: decap::status(&mut netlink, arguments.interface.as_deref())?,
    };
    if arguments.json {
        crate::report::json(output.answers, &status)?;
    } else {
        status.write(output.answers)?;
    }
    Ok(())
}

fn balancer(balancer: &Balancer, output: &mut Output<'_>) -> Result<BalancerStatus> {
    let tables = &balancer.tables;
    let loaded = tables.loaded()?;
    let local = tables.local_vips();
    let (flows, flow_capacity) = tables.flow_count();
    let interface_of = |port: u16| {
        balancer
            .attached
            .iter()
            .find(|a| a.port == u32::from(port))
            .map(|a| a.link.name.clone())
    };
    let by_service = by_service(&loaded.destinations);
    let agent = agent(balancer, output)?;
    let known = agent.as_ref();
    let services = loaded.services.iter().map(|service| {
        let of_service = by_service.get(&service.id).into_iter().flatten();
        let words = loaded.words.get(&service.id);
        let unsettled = words.map_or(0, |words| {
            words
                .iter()
                .filter(|&&word| !slot::is_settled(word))
                .count()
        });
        let first = service.addresses.first();
        ServiceStatus {
            addresses: service.addresses.iter().map(ToString::to_string).collect(),
            vip: first.map(|a| a.vip),
            port: first.map_or(0, |a| a.port),
            protocol: first.map_or("", |a| a.protocol.name()),
            manner: manner(&service.manner),
            slots: service.slots.end - service.slots.start,
            unsettled,
            vip_is_local: service.addresses.iter().any(|a| local.contains(&a.vip)),
            backends: of_service
                .map(|d| BackendStatus {
                    interface: interface_of(d.route.port),
                    reason: known.and_then(|known| reason(known, service, d)),
                    slots: words.map_or(0, |words| {
                        words
                            .iter()
                            .filter(|&&w| slot::current(w) == d.number)
                            .count()
                    }),
                    ..backend(d)
                })
                .collect(),
        }
    });
    Ok(BalancerStatus {
        config: config(tables, output)?,
        run: agent.as_ref().map(RunStatus::new),
        services: services.collect(),
        flows,
        flow_capacity,
        memory_bytes: tables
            .maps()
            .map(|(_, map)| u64::from(map.info().value_size) * u64::from(map.info().max_entries))
            .sum(),
        interfaces: balancer
            .attached
            .iter()
            .map(|attached| interface(attached, tables))
            .collect(),
    })
}

/// What its destination tells of a backend.
fn backend(placed: &PlacedDestination) -> BackendStatus {
    let route = &placed.route;
    BackendStatus {
        address: route.address,
        forward: route.forward().to_string(),
        is_this_host: route.is_here(),
        source: route.tunnel.map(|tunnel| tunnel.source),
        mtu: route.tunnel.map(|tunnel| tunnel.mtu),
        mac: (!route.is_here()).then(|| route.mac().to_string()),
        interface: None,
        weight: placed.weight,
        state: role::state(placed).word(),
        wanted: placed.state.word(),
        reason: None,
        slots: 0,
    }
}

/// What the `dsrload run` of this balancer knows, if there is one.
fn agent(balancer: &Balancer, output: &mut Output<'_>) -> Result<Option<Snapshot>> {
    for attached in &balancer.attached {
        match ask(&attached.link.name) {
            Ok(None) => {}
            Ok(known) => return Ok(known),
            Err(error) => writeln!(output.talk, "dsrload: {error:#}")?,
        }
    }
    Ok(None)
}

/// Why a backend is in its state.
fn reason(known: &Snapshot, service: &PlacedService, placed: &PlacedDestination) -> Option<String> {
    let first = service.addresses.first()?.to_string();
    let address = placed.route.address.to_string();
    let service = known
        .services
        .iter()
        .find(|s| s.addresses.contains(&first))?;
    let backend = service.backends.iter().find(|b| b.address == address)?;
    Some(backend.reason.clone()).filter(|reason| !reason.is_empty())
}

/// The config in force; none, and a word about it, if it cannot be read.
fn config(tables: &Tables, output: &mut Output<'_>) -> Result<Option<ConfigStatus>> {
    let in_force = match InForce::of(tables) {
        Ok(in_force) => in_force,
        Err(error) => {
            writeln!(output.talk, "dsrload: {error:#}")?;
            return Ok(None);
        }
    };
    let waiting = in_force.waiting()?;
    let left = in_force.deadline.cast_signed() - uptime_milliseconds()?.cast_signed();
    Ok(Some(ConfigStatus {
        generation: in_force.generation,
        digest: digest_of(tables, &in_force.document)?,
        rolled_back_in: waiting.is_some().then_some(left / 1000),
        waiting,
        given_up: Some(in_force.given_up).filter(|&given_up| given_up != 0),
    }))
}

fn manner(manner: &Manner) -> MannerStatus {
    let texts = |prefixes: &[Prefix]| prefixes.iter().map(ToString::to_string).collect();
    MannerStatus {
        policy: manner.policy.word(),
        tracking: manner.tracking.word(),
        affinity: manner.affinity.to_string(),
        on_dead: manner.on_dead.word(),
        allow: texts(&manner.allow),
        deny: texts(&manner.deny),
    }
}

fn interface(attached: &Attached, tables: &Tables) -> InterfaceStatus {
    let pinned = pins::directory(&attached.link.name).filter(|directory| directory.exists());
    InterfaceStatus {
        interface: attached.link.name.clone(),
        index: attached.link.index,
        mode: mode_name(attached.mode),
        mac: Mac(attached.link.mac).to_string(),
        mtu: tables.port(attached.port).map_or(0, |(_, mtu)| mtu),
        program: ProgramStatus {
            id: attached.info.id,
            name: attached.info.name.clone(),
            tag: attached
                .info
                .tag
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect(),
            abi: attached.abi,
            map_ids: attached.info.map_ids.clone(),
        },
        trace: tables.control().trace.get() != 0,
        pins: pinned,
    }
}
