//! What else there is to see of this host.

use crate::datapath::find;
use crate::model::backend::check::Sight;
use crate::model::backend::sockets::{snmp, udp_servers};
use crate::model::backend::tunnel;
use crate::netlink::{Hook, Link, Netlink};
use crate::sys::bpf::{program_by_id, program_info};
use anyhow::{Context, Result};
use std::fs;
use std::ops::RangeInclusive;
use xdp_prog::abi::decap::{CLAMP, PROGRAM};

/// Looks at sockets, counters, and the interface that tunnels end on.
///
/// # Errors
///
/// There is no such interface; what the kernel says.
pub fn read(netlink: &mut Netlink, interface: Option<&str>) -> Result<Sight> {
    let mut udp = Vec::new();
    for table in ["udp", "udp6"] {
        // A kernel without IPv6 has no udp6.
        udp.extend(udp_servers(&table_of_net(table)));
    }
    Ok(Sight {
        udp,
        ephemeral: ephemeral(),
        checksum_errors: snmp(&table_of_net("snmp"), "Tcp", "InCsumErrors").unwrap_or(0),
        tunnel: interface.map(|name| tunnel(netlink, name)).transpose()?,
    })
}

/// What is not there is empty.
fn table_of_net(name: &str) -> String {
    fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
}

/// Ports of clients; the kernel's own default, where it does not tell.
fn ephemeral() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().map(str::parse);
    match (bounds.next(), bounds.next()) {
        (Some(Ok(low)), Some(Ok(high))) => low..=high,
        _ => 32_768..=60_999,
    }
}

fn tunnel(netlink: &mut Netlink, name: &str) -> Result<tunnel::Sight> {
    let link = find::link(netlink, name)?;
    let filters = netlink
        .filters(link.index, Hook::Egress)
        .with_context(|| format!("list tc filters of {name}"))?;
    let mut routes = Vec::new();
    for route in netlink.default_routes().context("list routes")? {
        // One of several paths has no interface of its own: not to be changed
        // by a command that we could name.
        let Some(out) = netlink
            .link_by_index(route.interface)
            .context("ask for an interface")?
        else {
            continue;
        };
        routes.push(tunnel::DefaultRoute {
            is_v4: route.is_v4,
            gateway: route.gateway,
            interface: out.name,
            metric: route.metric,
            advmss: route.advmss,
        });
    }
    Ok(tunnel::Sight {
        interface: name.to_owned(),
        mtu: link.mtu,
        decap: has_program(&link, PROGRAM),
        clamp: filters
            .iter()
            .filter_map(|f| f.name.as_ref())
            .any(|name| name.starts_with(CLAMP)),
        routes,
    })
}

/// Whether an XDP program of this name is attached; none if it may not be
/// looked at.
fn has_program(link: &Link, name: &str) -> Option<bool> {
    let ids = [link.xdp.skb, link.xdp.drv, link.xdp.hw];
    for id in ids.into_iter().flatten() {
        let Some(program) = program_by_id(id).ok()? else {
            continue;
        };
        if program_info(&program).ok()?.name == name {
            return Some(true);
        }
    }
    Some(false)
}
