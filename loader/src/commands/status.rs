//! `dsrload status [IFACE]`

use super::privilege::{self, require};
use super::{Output, mention_others};
use crate::cli::ReportArgs;
use crate::datapath::attach::mode_name;
use crate::datapath::{Attached, Balancer, find, pins};
use crate::model::Mac;
use crate::netlink::Netlink;
use crate::report::status::{
    BackendStatus, BalancerStatus, InterfaceStatus, ProgramStatus, ServiceStatus, Status,
};
use anyhow::{Context, Result};

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
        balancers: balancers.iter().map(balancer).collect(),
    };
    if arguments.json {
        crate::report::json(output.answers, &status)?;
    } else {
        status.write(output.answers)?;
    }
    Ok(())
}

fn balancer(balancer: &Balancer) -> BalancerStatus {
    let tables = &balancer.tables;
    let destinations = tables.placed_destinations();
    let local = tables.local_vips();
    let (flows, flow_capacity) = tables.flow_count();
    let interface_of = |port: u16| {
        balancer
            .attached
            .iter()
            .find(|a| a.port == u32::from(port))
            .map(|a| a.link.name.clone())
    };
    let services = tables.placed_services().into_iter().map(|service| {
        let of_service = destinations.iter().filter(|d| d.service == service.id);
        ServiceStatus {
            vip: service.address.vip,
            port: service.address.port,
            protocol: service.address.protocol.name(),
            policy: "random",
            slots: service.slots.end - service.slots.start,
            vip_is_local: local.contains(&service.address.vip),
            backends: of_service
                .map(|d| BackendStatus {
                    address: d.route.address,
                    mac: backend_mac(&d.route.macs).to_string(),
                    interface: interface_of(d.route.port),
                })
                .collect(),
        }
    });
    BalancerStatus {
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
            .map(|attached| interface(attached, tables.control().trace.get() != 0))
            .collect(),
    }
}

fn backend_mac(macs: &[u8; 12]) -> Mac {
    let [a, b, c, d, e, f, ..] = *macs;
    Mac([a, b, c, d, e, f])
}

fn interface(attached: &Attached, trace: bool) -> InterfaceStatus {
    let pinned = pins::directory(&attached.link.name).filter(|directory| directory.exists());
    InterfaceStatus {
        interface: attached.link.name.clone(),
        index: attached.link.index,
        mode: mode_name(attached.mode),
        mac: Mac(attached.link.mac).to_string(),
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
        trace,
        pins: pinned,
    }
}
