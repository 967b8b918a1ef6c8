//! Changing what is loaded: everything that verbs have in common.

use super::Output;
use super::privilege::{self, require};
use crate::datapath::write::grace;
use crate::datapath::{Balancer, Tables, find};
use crate::fault;
use crate::model::ServiceAddress;
use crate::model::placement::{Loaded, Placement, Wanted, WantedService, place};
use crate::netlink::Netlink;
use crate::sys::lock::Lock;
use anyhow::{Context, Result};
use std::time::Duration;

/// How long another dsrload of the same network namespace is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);

/// Serialises whoever changes balancers of one network namespace.
const LOCK: &str = "dsrload";

/// Keeps others from changing balancers, until dropped.
///
/// # Errors
///
/// Somebody else holds it for too long.
pub fn lock() -> Result<Lock> {
    Lock::acquire(LOCK, LOCK_PATIENCE).context("wait for another dsrload")
}

/// A balancer that is to be changed.
pub struct Change {
    /// The conversation with the kernel.
    pub netlink: Netlink,
    /// The balancer.
    pub balancer: Balancer,
    /// What it is to do: at first what it does.
    pub wanted: Wanted,
    _lock: Lock,
}

impl Change {
    /// Takes the balancer of this interface, or the only one there is.
    ///
    /// # Errors
    ///
    /// None is loaded, or several are.
    pub fn begin(interface: Option<&str>, service: Option<ServiceAddress>) -> Result<Self> {
        require(privilege::CHANGE)?;
        let lock = lock()?;
        let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
        let balancer = choose(&mut netlink, interface, service)?;
        Ok(Self {
            netlink,
            wanted: balancer.tables.wanted()?,
            balancer,
            _lock: lock,
        })
    }

    /// The service with this address.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn service(&mut self, address: ServiceAddress) -> Result<&mut WantedService> {
        let found = find_service(&self.wanted, address).ok_or_else(|| {
            fault!(
                Failed,
                "there is no service {address}; `dsrload status` shows those that are"
            )
        })?;
        Ok(&mut self.wanted.services[found])
    }

    /// Puts in force what is wanted now.
    ///
    /// # Errors
    ///
    /// There is no room for it; then nothing is changed.
    pub fn apply(&self) -> Result<(Loaded, Placement)> {
        apply(&self.balancer.tables, &self.wanted)
    }
}

/// The balancer of this interface, or that of this service, or the only one.
///
/// # Errors
///
/// None is loaded, or several are.
pub fn choose(
    netlink: &mut Netlink,
    interface: Option<&str>,
    service: Option<ServiceAddress>,
) -> Result<Balancer> {
    let (mut balancers, _) = find::balancers(netlink, interface, true)?;
    if balancers.len() > 1
        && let Some(service) = service
    {
        let mut have = Vec::new();
        for balancer in balancers {
            if find_service(&balancer.tables.wanted()?, service).is_some() {
                have.push(balancer);
            }
        }
        balancers = have;
    }
    if balancers.len() > 1 {
        return Err(fault!(
            Failed,
            "there are several balancers here: name one by --interface"
        ));
    }
    balancers.pop().ok_or_else(|| match (interface, service) {
        (Some(name), _) => {
            fault!(Failed, "{name} is not loaded: `dsrload {name}` first")
        }
        (None, Some(service)) => {
            fault!(
                Failed,
                "no balancer with service {service} is loaded here; `dsrload status` shows what is"
            )
        }
        (None, None) => fault!(Failed, "no balancer is loaded here"),
    })
}

fn find_service(wanted: &Wanted, address: ServiceAddress) -> Option<usize> {
    wanted
        .services
        .iter()
        .position(|s| s.addresses.contains(&address))
}

/// Puts `wanted` in force in tables that are in use.
fn apply(tables: &Tables, wanted: &Wanted) -> Result<(Loaded, Placement)> {
    let loaded = tables.loaded()?;
    let placement = place(&loaded, wanted).map_err(|reason| fault!(Invalid, "{reason}"))?;
    grace();
    tables
        .prepare(&placement)
        .inspect_err(|_| tables.discard(&placement, &loaded.destinations))?;
    tables.commit(&placement)?;
    Ok((loaded, placement))
}

/// Says how many slots of the service got another owner.
///
/// # Errors
///
/// The writer's.
pub fn tell(
    output: &mut Output<'_>,
    what: &str,
    service: ServiceAddress,
    placement: &Placement,
) -> Result<()> {
    let placed = placement
        .services
        .iter()
        .find(|s| s.addresses.contains(&service));
    let (moved, slots) = placed.map_or((0, 0), |placed| {
        (
            placement.moved.get(&placed.id).copied().unwrap_or(0),
            placed.slots.end - placed.slots.start,
        )
    });
    writeln!(output.answers, "{what}, {moved} of {slots} slots moved")?;
    Ok(())
}
