//! `dsrload add|del -t VIP:PORT -r REAL`

use super::Output;
use super::change::{Change, tell};
use crate::cli::MemberArgs;
use crate::datapath::resolve::{Way, local_addresses, resolve};
use crate::fault;
use crate::model::{Manner, Service, ServiceAddress};
use anyhow::{Context, Result};

/// Adds backends.
///
/// # Errors
///
/// There is no such service; a backend is there already, or cannot be reached.
pub fn add(arguments: &MemberArgs, output: &mut Output<'_>) -> Result<()> {
    let (service, address) = one(arguments)?;
    let mut change = Change::begin(arguments.interface.as_deref(), Some(address))?;
    let loaded = change.service(address)?;
    for backend in &service.backends {
        let is_there =
            |b: &crate::model::placement::WantedBackend| b.route.address == backend.address;
        if loaded.backends.iter().any(is_there) {
            return Err(fault!(
                Invalid,
                "service {address} has backend {} already",
                backend.address
            ));
        }
        if loaded
            .addresses
            .iter()
            .any(|a| a.vip.is_ipv4() != backend.address.is_ipv4())
        {
            return Err(fault!(
                Invalid,
                "backend {} is of another IP version than service {address}",
                backend.address
            ));
        }
    }
    let mut ways = Vec::new();
    for attached in &change.balancer.attached {
        let link = &attached.link;
        ways.push(Way {
            link: link.clone(),
            port: u16::try_from(attached.port).unwrap_or(u16::MAX),
            addresses: change
                .netlink
                .addresses(link.index)
                .with_context(|| format!("list addresses of {}", link.name))?,
        });
    }
    let local = local_addresses(&mut change.netlink)?;
    let found = resolve(&mut change.netlink, &service.backends, &ways, &local)?;
    change.service(address)?.backends.extend(found);
    let (_, placement) = change.apply()?;
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
