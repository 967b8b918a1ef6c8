//! How each backend is reached: through which interface, to which MAC, and
//! inside what.

mod told;

use super::neighbours::{self, Key, Look, PATIENCE};
use super::way::Way;
use crate::fault;
use crate::model::forward::least_mtu;
use crate::model::placement::{Route, WantedBackend};
use crate::model::{Backend, Forward, Mac, Service, TunnelKind, TunnelRoute};
use crate::netlink::{KernelRoute, Netlink, RouteKind};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use told::{elsewhere, no_route, not_here, own, silent};

/// A backend that is to be reached, and what is decided about the way.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    /// Its own address.
    pub address: IpAddr,
    /// How packets get to it.
    pub forward: Forward,
    /// The outer source, if the operator gave one.
    pub source: Option<IpAddr>,
    /// The MAC, if the operator gave one.
    pub mac: Option<Mac>,
    /// The port that it is reached through already.
    pub port: Option<u16>,
    /// The least that a tunnel must carry.
    pub least_mtu: u16,
}

impl Aim {
    /// A backend of this service.
    #[must_use]
    pub fn new(service: &Service, backend: &Backend) -> Self {
        Self {
            address: backend.address,
            forward: service.forward(backend),
            source: service.source(backend.address),
            mac: backend.mac,
            port: None,
            least_mtu: least_mtu(service.addresses.iter().map(|a| a.vip)),
        }
    }

    /// A backend that is reached like this, once more.
    #[must_use]
    pub fn again(route: &Route, vips: impl IntoIterator<Item = IpAddr>) -> Self {
        let given = route.tunnel.filter(|tunnel| tunnel.is_source_given);
        Self {
            address: route.address,
            forward: route.forward(),
            source: given.map(|tunnel| tunnel.source),
            mac: route.is_mac_given.then(|| route.mac()),
            port: Some(route.port),
            least_mtu: least_mtu(vips),
        }
    }
}

/// What this host is, to whoever looks for a way.
#[derive(Debug)]
pub struct Here<'a> {
    /// The balancer's interfaces, in the order in which they are preferred.
    pub ways: &'a [Way],
    /// All addresses of this host.
    pub local: &'a BTreeSet<IpAddr>,
}

/// The first step towards a backend.
#[derive(Debug)]
pub(super) struct Hop<'a> {
    way: &'a Way,
    /// Whom frames are sent to: the backend, or a router.
    next: IpAddr,
    tunnel: Option<TunnelRoute>,
}

impl Hop<'_> {
    /// The neighbour that frames are sent to.
    pub(super) fn key(&self) -> Key {
        (self.way.link.index, self.next)
    }

    /// The name of the interface that leads there.
    pub(super) fn interface(&self) -> &str {
        &self.way.link.name
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The way to each backend, in their order.
    pub routes: Vec<Route>,
    /// The neighbours whose MACs were asked for.
    pub neighbours: BTreeSet<Key>,
    /// The backends that do not answer, if they need not: their ways lack the MAC.
    pub silent: BTreeSet<IpAddr>,
}

/// What becomes of backends that do not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Silence {
    /// They are an error.
    #[default]
    IsRefused,
    /// They are found, without their MAC: somebody follows what becomes of them.
    IsToldOf,
}

/// How long those who need not answer are waited for.
const PATIENCE_WITH_SILENCE: Duration = Duration::from_secs(1);

/// These backends with their ways, of which each takes the next one.
pub fn reached(
    backends: &[Backend],
    routes: &mut impl Iterator<Item = Route>,
) -> Vec<WantedBackend> {
    backends
        .iter()
        .zip(routes)
        .map(|(backend, route)| WantedBackend {
            route,
            weight: backend.weight,
            state: backend.state,
        })
        .collect()
}

/// Finds the way to each backend, asking the kernel for routes, and for MACs
/// that are not given.
///
/// # Errors
///
/// `Invalid`: a backend that none of these interfaces leads to. `Failed`: one that
/// does not answer, and has to.
pub fn resolve(
    netlink: &mut Netlink,
    aims: &[Aim],
    here: &Here<'_>,
    silence: Silence,
) -> Result<Resolved> {
    let hops: Vec<Option<Hop<'_>>> = aims
        .iter()
        .map(|aim| hop(netlink, aim, here))
        .collect::<Result<_>>()?;
    let unknown = aims.iter().zip(&hops).filter(|(aim, _)| aim.mac.is_none());
    let neighbours = unknown
        .filter_map(|(_, hop)| hop.as_ref().map(Hop::key))
        .collect();
    let patience = match silence {
        Silence::IsRefused => PATIENCE,
        Silence::IsToldOf => PATIENCE_WITH_SILENCE,
    };
    let found = neighbours::resolve(netlink, &neighbours, patience, Netlink::solicit);
    let mut resolved = Resolved {
        neighbours,
        ..Resolved::default()
    };
    for (aim, hop) in aims.iter().zip(&hops) {
        let way = match (route(aim, hop.as_ref(), &found), hop) {
            (Err(_), Some(hop)) if silence == Silence::IsToldOf => {
                resolved.silent.insert(aim.address);
                by_mac(aim, hop, Mac([0; 6]))
            }
            (way, _) => way?,
        };
        resolved.routes.push(way);
    }
    Ok(resolved)
}

/// The first step towards a backend; none if it is this host itself.
///
/// # Errors
///
/// `Invalid`: no interface of the balancer leads there.
pub(super) fn hop<'a>(
    netlink: &mut Netlink,
    aim: &Aim,
    here: &Here<'a>,
) -> Result<Option<Hop<'a>>> {
    if here.local.contains(&aim.address) {
        return Ok(None);
    }
    let hop = match aim.forward {
        Forward::L2 => {
            on_segment(aim, here.ways).ok_or_else(|| not_here(netlink, aim.address, here.ways))?
        }
        Forward::Tunnel(kind) => behind_routes(netlink, aim, kind, here)?,
    };
    Ok(Some(hop))
}

/// Whether this host may be one of the backends of a service: it must own the
/// VIPs, or its stack would drop what passes to it, or send it in circles.
///
/// # Errors
///
/// `Invalid`: it is one, and does not own them.
pub fn may_be_here(service: &Service, local: &BTreeSet<IpAddr>) -> Result<()> {
    let mut backends = service.backends.iter().map(|backend| backend.address);
    let Some(backend) = backends.find(|backend| local.contains(backend)) else {
        return Ok(());
    };
    let vips = service.addresses.iter().map(|address| address.vip);
    match vips.into_iter().find(|vip| !local.contains(vip)) {
        None => Ok(()),
        Some(vip) => Err(fault!(
            Invalid,
            "backend {backend} is this host itself, which does not hold the VIP: `ip addr add {vip}/{} dev lo` first",
            if vip.is_ipv4() { 32 } else { 128 }
        )),
    }
}

/// The interface whose subnet a backend is in: the one that it has, or the first.
fn on_segment<'a>(aim: &Aim, ways: &'a [Way]) -> Option<Hop<'a>> {
    let address = aim.address;
    let mut kept = ways.iter().filter(|way| Some(way.port) == aim.port);
    let way = kept
        .find(|way| way.reaches(address))
        .or_else(|| ways.iter().find(|way| way.reaches(address)))?;
    Some(Hop {
        way,
        next: address,
        tunnel: None,
    })
}

/// Where the kernel's routes lead.
fn behind_routes<'a>(
    netlink: &mut Netlink,
    aim: &Aim,
    kind: TunnelKind,
    here: &Here<'a>,
) -> Result<Hop<'a>> {
    let address = aim.address;
    if let Some(source) = aim.source.filter(|source| !here.local.contains(source)) {
        return Err(fault!(
            Invalid,
            "--source {source} is no address of this host; `ip address` lists them"
        ));
    }
    let found = netlink
        .route(address, aim.source)
        .map_err(|error| no_route(address, error))?;
    match found.kind {
        RouteKind::Unicast => {}
        RouteKind::Local => return Err(own(address)),
        RouteKind::Other => {
            return Err(fault!(
                Invalid,
                "backend {address} is no single host: the kernel's route is a broadcast's, or leads nowhere"
            ));
        }
    }
    let way = here
        .ways
        .iter()
        .find(|way| way.link.index == found.interface);
    let Some(way) = way else {
        return Err(elsewhere(netlink, address, found.interface, here.ways));
    };
    Ok(Hop {
        way,
        next: found.gateway.unwrap_or(address),
        tunnel: Some(tunnel(aim, kind, &found, way)?),
    })
}

/// What packets to a backend are wrapped up in.
fn tunnel(aim: &Aim, kind: TunnelKind, found: &KernelRoute, way: &Way) -> Result<TunnelRoute> {
    let address = aim.address;
    let is_given = aim.source.is_some();
    let source = aim
        .source
        .or(found.source.filter(|&s| is_usable(s, address)));
    let source = source.ok_or_else(|| {
        fault!(
            Invalid,
            "this host has no address for packets to backend {address}: give {} one, or name one by --source",
            way.link.name
        )
    })?;
    // A frame that is longer than the interface takes does not leave.
    let path = found.mtu.unwrap_or(u32::MAX).min(way.link.mtu);
    let mtu = TunnelRoute::inner_mtu(kind, address, path);
    if mtu < aim.least_mtu {
        return Err(fault!(
            Invalid,
            "the path to backend {address} carries packets of {path} bytes, which leaves {mtu} inside {}: its VIPs need {} at least",
            aim.forward,
            aim.least_mtu
        ));
    }
    Ok(TunnelRoute {
        kind,
        source,
        is_source_given: is_given,
        mtu,
    })
}

/// No router sends on what comes from an address of one link alone.
fn is_usable(source: IpAddr, to: IpAddr) -> bool {
    match (source, to) {
        (IpAddr::V6(source), IpAddr::V6(to)) => {
            !source.is_unicast_link_local() || to.is_unicast_link_local()
        }
        _ => !source.is_unspecified(),
    }
}

/// The way to a backend by this first step.
///
/// # Errors
///
/// `Failed`: its neighbour does not answer.
pub(super) fn route(
    aim: &Aim,
    hop: Option<&Hop<'_>>,
    found: &BTreeMap<Key, Look>,
) -> Result<Route> {
    let Some(hop) = hop else {
        return Ok(Route::here(aim.address));
    };
    let look = found.get(&hop.key());
    let known = aim.mac.or(look.and_then(Look::mac));
    let mac = known.ok_or_else(|| silent(aim.address, hop, look))?;
    Ok(by_mac(aim, hop, mac))
}

fn by_mac(aim: &Aim, hop: &Hop<'_>, mac: Mac) -> Route {
    let mut macs = [0; 12];
    macs[..6].copy_from_slice(&mac.0);
    macs[6..].copy_from_slice(&hop.way.link.mac);
    Route {
        address: aim.address,
        macs,
        is_mac_given: aim.mac.is_some(),
        port: hop.way.port,
        tunnel: hop.tunnel,
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
