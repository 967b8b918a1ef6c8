//! `dsrload show neigh`

use super::{interface_of, interfaces, name};
use crate::datapath::Balancer;
use crate::datapath::hops::{NextHop, next_hops};
use crate::model::Mac;
use crate::netlink::Netlink;
use crate::report::show::neigh::{Neighbour, Neighbours};
use anyhow::Result;

/// The next hops of a balancer, each once.
///
/// # Errors
///
/// What the kernel says.
pub fn neighbours(netlink: &mut Netlink, balancer: &Balancer) -> Result<Neighbours> {
    let services = balancer.tables.service_addresses();
    let mut neighbours: Vec<Neighbour> = Vec::new();
    for hop in next_hops(netlink, balancer)? {
        let placed = hop.placed;
        let addresses = services.get(&placed.service).map_or(&[][..], Vec::as_slice);
        let backend = format!("{}/{}", name(addresses), placed.route.address);
        let Some(found) = neighbour(balancer, &hop) else {
            continue;
        };
        let is_same = |known: &&mut Neighbour| {
            Neighbour {
                backends: Vec::new(),
                ..(*known).clone()
            } == found
        };
        match neighbours.iter_mut().find(is_same) {
            Some(known) => known.backends.push(backend),
            None => neighbours.push(Neighbour {
                backends: vec![backend],
                ..found
            }),
        }
    }
    Ok(Neighbours {
        interfaces: interfaces(balancer),
        neighbours,
    })
}

/// What is told of a next hop; nothing of a backend that is this host, and is to
/// be.
fn neighbour(balancer: &Balancer, hop: &NextHop) -> Option<Neighbour> {
    let route = &hop.placed.route;
    let loaded_interface = interface_of(balancer, route.port);
    let mac = if route.is_here() {
        "this host".to_owned()
    } else {
        route.mac().to_string()
    };
    let kernel = hop.neighbour;
    let kernel_mac = kernel.and_then(|kernel| kernel.mac).map(Mac);
    let (address, interface, agrees, fault) = match &hop.next {
        Ok(None) if route.is_here() => return None,
        // The address has moved to this host.
        Ok(None) => (Some(route.address), None, Some(false), None),
        Ok(Some((interface, next))) => {
            let is_here = loaded_interface.as_ref() == Some(interface);
            let agrees = kernel_mac.map(|mac| is_here && mac == route.mac());
            (Some(*next), Some(interface.clone()), agrees, None)
        }
        Err(error) => (None, None, None, Some(format!("{error:#}"))),
    };
    Some(Neighbour {
        address,
        interface,
        mac,
        loaded_interface,
        is_given: route.is_mac_given,
        kernel_mac: kernel_mac.map(|mac| mac.to_string()),
        kernel_state: kernel.map(|kernel| kernel.state.word()),
        is_managed: kernel.is_some_and(|kernel| kernel.is_managed),
        agrees,
        fault,
        backends: Vec::new(),
    })
}
