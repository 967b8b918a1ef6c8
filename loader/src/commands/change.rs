//! Changing what is loaded: everything that verbs have in common.

use super::Output;
use super::in_force::InForce;
use super::privilege::{self, require};
use crate::cli::{BackendId, ServiceId};
use crate::config::{Balancer as Said, Document};
use crate::datapath::{Balancer, Tables, find};
use crate::fault;
use crate::model::ServiceAddress;
use crate::model::placement::Placement;
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
    /// Its config, read while nobody else changes it.
    pub before: InForce,
    _lock: Lock,
}

impl Change {
    /// Takes the balancer of this interface, or the only one there is.
    ///
    /// # Errors
    ///
    /// None is loaded, or several are.
    pub fn begin(interface: Option<&str>, service: Option<&ServiceId>) -> Result<Self> {
        require(privilege::CHANGE)?;
        let lock = lock()?;
        let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
        let balancer = choose(&mut netlink, interface, service)?;
        Ok(Self {
            netlink,
            before: InForce::of(&balancer.tables)?,
            balancer,
            _lock: lock,
        })
    }

    /// A change of a balancer that is at hand.
    #[must_use]
    pub fn of(netlink: Netlink, balancer: Balancer, before: InForce, lock: Lock) -> Self {
        Self {
            netlink,
            balancer,
            before,
            _lock: lock,
        }
    }
}

/// The same for whoever has other things to do than to wait: none if somebody else
/// holds it.
///
/// # Errors
///
/// The kernel gives no socket.
pub fn try_lock() -> Result<Option<Lock>> {
    match Lock::acquire(LOCK, Duration::ZERO) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error).context("take the lock of dsrload"),
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
    service: Option<&ServiceId>,
) -> Result<Balancer> {
    let (mut balancers, others) = find::balancers(netlink, interface, true)?;
    if balancers.len() > 1
        && let Some(service) = service
    {
        let mut have = Vec::new();
        for balancer in balancers {
            let document = InForce::of(&balancer.tables)?.document;
            if find_service(&document, service).is_some() {
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
        _ if let Some(other) = others.first() => fault!(
            Failed,
            "{0} has a balancer of another version of dsrload (tables {1}, this binary knows {2}): use that version, or load it anew with `dsrload {0} -c FILE`, which keeps no flows and counters",
            other.link.name,
            other.abi,
            xdp_prog::abi::ABI_VERSION
        ),
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

/// Where a document has this service.
fn find_service(document: &Document, service: &ServiceId) -> Option<usize> {
    let mut services = document.services.iter();
    services.position(|table| match service {
        ServiceId::Address(address) => table.addresses().any(|at| at.value == *address),
        ServiceId::Name(name) => table.name.value == *name,
    })
}

/// Where a document has this service.
///
/// # Errors
///
/// It does not.
pub fn service_of(document: &Document, service: &ServiceId) -> Result<usize> {
    find_service(document, service).ok_or_else(|| {
        fault!(
            Failed,
            "there is no service {service}; `dsrload status` shows those that are"
        )
    })
}

/// Where a document has this backend of a service.
///
/// # Errors
///
/// It does not.
pub fn backend_of(
    document: &Document,
    service: usize,
    backend: &BackendId,
    name: &ServiceId,
) -> Result<usize> {
    let mut backends = document.services[service].backends.iter();
    let found = backends.position(|table| match backend {
        BackendId::Address(address) => table.ip.value == *address,
        BackendId::Name(name) => table.name.value == *name,
    });
    found.ok_or_else(|| {
        fault!(
            Failed,
            "service {name} has no backend {backend}; `dsrload status` shows those that it has"
        )
    })
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

/// Warns of services that no backend answers for any more.
///
/// # Errors
///
/// The writer's.
pub fn warn_of_empty(before: &Document, wanted: &Document, output: &mut Output<'_>) -> Result<()> {
    let is_served = |said: &Said, index: usize| {
        let mut backends = said.config.services[index].backends.iter();
        backends.any(|b| b.weight > 0 && b.state.is_none_or(|s| s == crate::model::State::Ready))
    };
    let (before, wanted) = (Said::new(before), Said::new(wanted));
    let former = crate::config::plan::former(&before.config, &wanted.config);
    for (index, (names, former)) in wanted.names.iter().zip(former).enumerate() {
        let was = former.is_none_or(|former| is_served(&before, former));
        if was && !is_served(&wanted, index) {
            writeln!(
                output.talk,
                "dsrload: service {} has no backend in rotation any more: new connections are not served",
                names.name
            )?;
        }
    }
    Ok(())
}

/// Says that a balancer waits to be confirmed, if one does.
///
/// # Errors
///
/// The writer's.
pub fn mention_waiting<'a>(
    tables: impl IntoIterator<Item = &'a Tables>,
    output: &mut Output<'_>,
) -> Result<()> {
    for tables in tables {
        let deadline = tables.pending().map_or(0, |(_, deadline)| deadline);
        if let Some(words) = super::in_force::waiting(deadline)? {
            writeln!(output.talk, "dsrload: {words}")?;
        }
    }
    Ok(())
}
