//! `dsrload add|del -t VIP:PORT -r REAL`

use super::change::{Change, tell};
use super::{Output, upkeep};
use crate::cli::MemberArgs;
use crate::datapath::refresh::neighbours;
use crate::datapath::resolve::{Aim, Here, may_be_here, reached, resolve};
use crate::datapath::way::{Way, local_addresses};
use crate::fault;
use crate::model::config::service_faults;
use crate::model::{Manner, Service, ServiceAddress};
use anyhow::Result;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Adds backends.
///
/// # Errors
///
/// There is no such service; a backend is there already, or cannot be reached.
pub fn add(arguments: &MemberArgs, output: &mut Output<'_>) -> Result<()> {
    let (mut service, address) = one(arguments)?;
    let mut change = Change::begin(arguments.interface.as_deref(), Some(address))?;
    let loaded = change.service(address)?;
    // What is wrong with a backend is wrong with it at every address.
    service.addresses.clone_from(&loaded.addresses);
    let known = loaded.backends.iter().map(|b| b.route.address);
    let known: BTreeSet<IpAddr> = known.collect();
    let mut faults = service_faults(&service);
    for backend in service.backends.iter().map(|b| b.address) {
        if known.contains(&backend) {
            faults.push(format!("service {address} has backend {backend} already"));
        }
    }
    if !faults.is_empty() {
        return Err(fault!(Invalid, "{}", faults.join("; ")));
    }

    let mut ways = Vec::new();
    for attached in &change.balancer.attached {
        ways.push(Way::new(
            &mut change.netlink,
            &attached.link,
            attached.port,
        )?);
    }
    let local = local_addresses(&mut change.netlink)?;
    may_be_here(&service, &local)?;
    let here = Here {
        ways: &ways,
        local: &local,
    };
    let backends = service.backends.iter();
    let aims: Vec<Aim> = backends.map(|b| Aim::new(&service, b)).collect();
    let found = resolve(&mut change.netlink, &aims, &here)?;
    let backends = reached(&service.backends, &mut found.routes.into_iter());
    change.service(address)?.backends.extend(backends);
    let (_, placement) = change.apply()?;
    let none = BTreeSet::new();
    upkeep::neighbours(&mut change.netlink, &none, &found.neighbours, output)?;
    tell(
        output,
        &what(address, "added", &service),
        address,
        &placement,
    )
}

/// Removes backends.
///
/// # Errors
///
/// There is no such service or backend.
pub fn del(arguments: &MemberArgs, output: &mut Output<'_>) -> Result<()> {
    let (service, address) = one(arguments)?;
    let mut change = Change::begin(arguments.interface.as_deref(), Some(address))?;
    let tables = &change.balancer.tables;
    let before = neighbours(&mut change.netlink, &change.balancer.attached, tables)?;
    let loaded = change.service(address)?;
    for backend in &service.backends {
        let before = loaded.backends.len();
        loaded
            .backends
            .retain(|b| b.route.address != backend.address);
        if loaded.backends.len() == before {
            return Err(fault!(
                Failed,
                "service {address} has no backend {}; `dsrload status` shows those that it has",
                backend.address
            ));
        }
    }
    let (_, placement) = change.apply()?;
    let tables = &change.balancer.tables;
    let now = neighbours(&mut change.netlink, &change.balancer.attached, tables)?;
    upkeep::neighbours(&mut change.netlink, &before, &now, output)?;
    tell(
        output,
        &what(address, "removed", &service),
        address,
        &placement,
    )
}

fn what(address: ServiceAddress, verb: &str, service: &Service) -> String {
    let backends: Vec<String> = service
        .backends
        .iter()
        .map(|b| b.address.to_string())
        .collect();
    format!("{address}: {verb} {}", backends.join(", "))
}

/// The one service that is meant, and its address.
fn one(arguments: &MemberArgs) -> Result<(Service, ServiceAddress)> {
    let [service] = arguments.services.as_slice() else {
        return Err(fault!(
            Usage,
            "name one service by -t or -u, and its backends by -r"
        ));
    };
    if service.backends.is_empty() {
        return Err(fault!(Usage, "name the backends by -r"));
    }
    if service.manner != Manner::default() {
        return Err(fault!(
            Usage,
            "how a service treats its flows is said when it is loaded, not here"
        ));
    }
    match *service.addresses {
        [address] => Ok((service.clone(), address)),
        _ => Err(fault!(
            Usage,
            "name the service by one of its addresses, whatever others it has"
        )),
    }
}
