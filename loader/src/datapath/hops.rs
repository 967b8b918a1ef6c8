//! Next hops: what stands in the tables, and what the kernel says. Nothing is
//! asked on the wire, and nothing is changed.

use super::find::Balancer;
use super::refresh::{Ground, aims};
use super::resolve::hop;
use crate::model::placement::PlacedDestination;
use crate::netlink::{Neighbour, Netlink};
use anyhow::{Context, Result};
use std::net::IpAddr;

/// The first step on the way to a destination.
#[derive(Debug)]
pub struct NextHop {
    /// The destination.
    pub placed: PlacedDestination,
    /// Whom the kernel's routes say that frames are to be sent to: the backend, or
    /// a router; and through which interface. None for this host itself. Or why
    /// there is no way.
    pub next: Result<Option<(String, IpAddr)>>,
    /// What the kernel knows of that neighbour.
    pub neighbour: Option<Neighbour>,
}

/// The next hops of all destinations of a balancer.
///
/// # Errors
///
/// What the kernel says, but for single routes.
pub fn next_hops(netlink: &mut Netlink, balancer: &Balancer) -> Result<Vec<NextHop>> {
    let ground = Ground::survey(netlink, &balancer.attached)?;
    let placed = balancer.tables.placed_destinations();
    let aims = aims(&balancer.tables, &placed);
    let mut hops = Vec::new();
    for (placed, aim) in placed.into_iter().zip(&aims) {
        let found = hop(netlink, aim, &ground.here());
        let mut neighbour = None;
        if let Ok(Some(hop)) = &found {
            let (index, next) = hop.key();
            neighbour = netlink
                .neighbour(index, next)
                .with_context(|| format!("ask for neighbour {next}"))?;
        }
        hops.push(NextHop {
            placed,
            next: found.map(|hop| hop.map(|hop| (hop.interface().to_owned(), hop.key().1))),
            neighbour,
        });
    }
    Ok(hops)
}
