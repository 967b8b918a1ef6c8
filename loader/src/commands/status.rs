//! `dsrload status [IFACE]`

use super::privilege::{self, require};
use super::{Output, decap, mention_others, state};
use crate::cli::ReportArgs;
use crate::datapath::attach::mode_name;
use crate::datapath::read::by_service;
use crate::datapath::{Attached, Balancer, Tables, find, pins};
use crate::model::{Affinity, Mac, Manner, OnDead, Policy, Prefix, Tracking};
use crate::netlink::Netlink;
use crate::report::status::{
    BackendStatus, BalancerStatus, InterfaceStatus, MannerStatus, ProgramStatus, ServiceStatus,
    Status,
};
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
        balancers: balancers.iter().map(balancer).collect::<Result<_>>()?,
        decaps: decap::status(&mut netlink, arguments.interface.as_deref())?,
    };
    if arguments.json {
        crate::report::json(output.answers, &status)?;
    } else {
        status.write(output.answers)?;
    }
    Ok(())
}

fn balancer(balancer: &Balancer) -> Result<BalancerStatus> {
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
                    address: d.route.address,
                    forward: d.route.forward().to_string(),
                    is_this_host: d.route.is_here(),
                    source: d.route.tunnel.map(|tunnel| tunnel.source),
                    mtu: d.route.tunnel.map(|tunnel| tunnel.mtu),
                    mac: (!d.route.is_here()).then(|| d.route.mac().to_string()),
                    interface: interface_of(d.route.port),
                    weight: d.weight,
                    state: state::name(d.state),
                    slots: words.map_or(0, |words| {
                        words
                            .iter()
                            .filter(|&&w| slot::current(w) == d.number)
                            .count()
                    }),
                })
                .collect(),
        }
    });
    Ok(BalancerStatus {
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

fn manner(manner: &Manner) -> MannerStatus {
    let texts = |prefixes: &[Prefix]| prefixes.iter().map(ToString::to_string).collect();
    MannerStatus {
        policy: match manner.policy {
            Policy::Maglev => "maglev",
            Policy::Random => "random",
        },
        tracking: match manner.tracking {
            Tracking::Changed => "changed",
            Tracking::All => "all",
            Tracking::None => "none",
        },
        affinity: match manner.affinity {
            Affinity::Flow => "flow".to_owned(),
            Affinity::Client(32, 128) => "client".to_owned(),
            Affinity::Client(v4, 128) => format!("client/{v4}"),
            Affinity::Client(v4, v6) => format!("client/{v4}/{v6}"),
        },
        on_dead: match manner.on_dead {
            OnDead::Rehash => "rehash",
            OnDead::Reset => "reset",
            OnDead::Hold => "hold",
        },
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
