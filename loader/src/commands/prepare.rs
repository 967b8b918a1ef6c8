//! From a document to tables: what a change comes to, decided before anything is
//! done, and then done.

use super::change::{Change, warn_of_empty};
use super::in_force::base_of;
use super::{Output, upkeep};
use crate::config::digest::digest;
use crate::config::merge::{merged, with_states};
use crate::config::plan::{Step, former, steps};
use crate::config::write::write;
use crate::config::{Balancer as Said, Document, Lines, check};
use crate::datapath::neighbours::Key;
use crate::datapath::refresh::neighbours;
use crate::datapath::resolve::{Aim, Here, Silence, may_be_here, resolve};
use crate::datapath::stored::NewText;
use crate::datapath::transaction::{Transaction, Unobserved};
use crate::datapath::way::{Way, local_addresses};
use crate::datapath::{Balancer, Tables};
use crate::fault;
use crate::model::placement::{
    Failing, Loaded, PlacedDestination, Placement, Route, Wanted, WantedBackend, WantedService,
    place,
};
use crate::model::{Backend, Service, ServiceAddress};
use crate::netlink::Netlink;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A change that has been decided, and not been made.
#[derive(Debug)]
pub struct Prepared {
    /// The config that will be in force.
    pub document: Document,
    /// What differs from the one that is.
    pub steps: Vec<Step>,
    /// What the tables hold.
    pub loaded: Loaded,
    /// What they will hold.
    pub placement: Placement,
    /// What tells whether two balancers do the same: now, and then.
    pub digests: [String; 2],
    text: String,
}

impl Change {
    /// [`Prepared::new`] for what is loaded, with all that `wanted` does not say as
    /// it is.
    ///
    /// # Errors
    ///
    /// As for that.
    pub fn prepare(&mut self, wanted: &Document) -> Result<Prepared> {
        self.prepare_with(wanted, &Health::default())
    }

    /// The same with news of the backends' health.
    ///
    /// # Errors
    ///
    /// As for [`Prepared::new`].
    pub fn prepare_with(&mut self, wanted: &Document, health: &Health) -> Result<Prepared> {
        let before = &self.before.document;
        let document = merged(before, wanted);
        Prepared::new(&mut self.netlink, &self.balancer, before, document, health)
    }
}

/// What is known of the health of backends, besides what the tables say.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether they fail. What is not said stays as it is.
    pub failing: Failing,
    /// What becomes of new ones that do not answer.
    pub silence: Silence,
}

impl Prepared {
    /// Decides what becomes of the tables, so that `document` is in force: what it
    /// does not say of states is `ready`. Asks the kernel for ways to backends that
    /// are new, or reached in another way.
    ///
    /// # Errors
    ///
    /// It contradicts itself or is more than there is room for; a backend
    /// cannot be reached.
    pub fn new(
        netlink: &mut Netlink,
        balancer: &Balancer,
        before: &Document,
        document: Document,
        health: &Health,
    ) -> Result<Self> {
        let tables = &balancer.tables;
        let text = text(&document)?;
        let said = Said::new(&with_states(&document));
        let now = Said::new(before);
        let loaded = tables.loaded()?;
        let wanted = resolved(netlink, balancer, &said, health)?;
        let placement = place(&loaded, &wanted).map_err(|reason| fault!(Invalid, "{reason}"))?;
        let base = |services| base_of(tables, services);
        Ok(Self {
            steps: steps(&now, &Said::new(&document)),
            digests: [
                digest(&now, &base(&loaded.services)),
                digest(&said, &base(&placement.services)),
            ],
            document,
            loaded,
            placement,
            text,
        })
    }

    /// Whether the config is in force already, and the tables are as it says: a
    /// dsrload that was killed may have left something undone.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        let by_number = |destinations: &[PlacedDestination]| -> BTreeMap<u16, PlacedDestination> {
            destinations.iter().map(|d| (d.number, *d)).collect()
        };
        self.steps.is_empty()
            && self.placement.moved.is_empty()
            && by_number(&self.placement.destinations) == by_number(&self.loaded.destinations)
    }

    /// Whether every backend is reached as before, and none comes or goes.
    fn keeps_ways(&self) -> bool {
        let ways = |destinations: &[PlacedDestination]| -> BTreeMap<u16, Route> {
            destinations.iter().map(|d| (d.number, d.route)).collect()
        };
        ways(&self.placement.destinations) == ways(&self.loaded.destinations)
    }

    /// Puts it in force.
    ///
    /// # Errors
    ///
    /// There is no room for it; then nothing is changed.
    pub fn carry_out(&self, change: &mut Change, why: Why, output: &mut Output<'_>) -> Result<()> {
        let (netlink, balancer) = (&mut change.netlink, &change.balancer);
        let tables = &balancer.tables;
        let keeps_ways = self.keeps_ways();
        let asked = match keeps_ways {
            true => BTreeSet::new(),
            false => neighbours(netlink, &balancer.attached, tables)?,
        };
        let transaction = Transaction {
            tables,
            is_new: false,
            loaded: &self.loaded,
            placement: &self.placement,
            text: NewText {
                text: &self.text,
                deadline: why.deadline,
                given_up: why.given_up,
                goes_on: why.goes_on,
            },
        };
        let done = transaction.carry_out(&mut Unobserved, || Ok(()))?;
        if let Some(error) = done.left {
            writeln!(output.talk, "dsrload: done, but {error:#}")?;
        }
        if !keeps_ways {
            // What is done is done: the next refresh asks again.
            let now: BTreeSet<Key> =
                neighbours(netlink, &balancer.attached, tables).unwrap_or_default();
            upkeep::neighbours(netlink, &asked, &now, output)?;
        }
        warn_of_empty(&change.before.document, &self.document, output)
    }
}

/// What besides a text is stored with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Why {
    /// As in [`NewText`].
    pub deadline: u64,
    /// As in [`NewText`].
    pub given_up: u64,
    /// As in [`NewText`].
    pub goes_on: bool,
}

/// The text of a document, which must have no mistake.
///
/// # Errors
///
/// `Invalid`, with all that is wrong.
pub fn text(document: &Document) -> Result<String> {
    let findings = check::check(document, &Lines::new(""));
    let errors = check::errors(&findings);
    if errors.is_empty() {
        return Ok(write(document));
    }
    let errors: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error.key, error.message))
        .collect();
    Err(fault!(Invalid, "{}", errors.join("; ")))
}

/// The services with the ways to their backends: those that are loaded where
/// nothing about them is new, the kernel's for the others.
fn resolved(
    netlink: &mut Netlink,
    balancer: &Balancer,
    said: &Said,
    health: &Health,
) -> Result<Wanted> {
    let tables = &balancer.tables;
    let before = tables.wanted()?;
    let local = local_addresses(netlink)?;
    let services = &said.config.services;
    for service in services {
        may_be_here(service, &local)?;
    }
    let known = Known::new(&before, said);
    let mut aims: Vec<Aim> = Vec::new();
    for (index, service) in services.iter().enumerate() {
        let new = service.backends.iter();
        let new = new.filter(|backend| known.route(index, service, backend, &local).is_none());
        aims.extend(new.map(|backend| Aim::new(service, backend)));
    }
    let mut ways: Vec<Way> = Vec::new();
    for attached in &balancer.attached {
        ways.push(Way::new(netlink, &attached.link, attached.port)?);
    }
    let here = Here {
        ways: &ways,
        local: &local,
    };
    let found = resolve(netlink, &aims, &here, health.silence)?;
    let mut failing = health.failing.clone();
    failing.extend(silent(said, &found.silent));
    let mut routes = found.routes.into_iter();
    let services = services.iter().enumerate().map(|(index, service)| {
        let backends = service.backends.iter().filter_map(|backend| {
            let known = known.route(index, service, backend, &local);
            Some(WantedBackend {
                route: known.or_else(|| routes.next())?,
                weight: backend.weight,
                state: backend.state,
            })
        });
        WantedService {
            addresses: service.addresses.clone(),
            manner: service.manner.clone(),
            backends: backends.collect(),
            quorum: said.care.get(index).map_or(0, |care| care.quorum),
            sorry: said.care.get(index).and_then(|care| care.sorry),
        }
    });
    Ok(Wanted {
        services: services.collect(),
        local: local_vips(tables, &before, said, &local),
        is_mute: !said.options.is_answering_echo,
        slots: said.options.slots_each(),
        failing,
    })
}

/// Backends that do not answer, as [`Wanted::failing`] has them.
pub fn silent<'a>(
    said: &'a Said,
    silent: &'a BTreeSet<IpAddr>,
) -> impl Iterator<Item = ((ServiceAddress, IpAddr), bool)> + 'a {
    let of_service = move |service: &'a Service| {
        let first = service.addresses.iter().min().copied();
        let backends = service.backends.iter().map(|backend| backend.address);
        let silent = backends.filter(|address| silent.contains(address));
        silent.filter_map(move |address| Some(((first?, address), true)))
    };
    said.config.services.iter().flat_map(of_service)
}

/// VIPs that are addresses of this host, too: that is decided when one comes.
fn local_vips(
    tables: &Tables,
    before: &Wanted,
    said: &Said,
    local: &BTreeSet<IpAddr>,
) -> BTreeSet<IpAddr> {
    let loaded = tables.local_vips();
    let addresses = before.services.iter().flat_map(|s| &s.addresses);
    let known: BTreeSet<IpAddr> = addresses.map(|address| address.vip).collect();
    let vips = said.config.services.iter().flat_map(|s| &s.addresses);
    vips.map(|address| address.vip)
        .filter(|vip| match known.contains(vip) {
            true => loaded.contains(vip),
            false => local.contains(vip),
        })
        .collect()
}

/// The ways that are loaded.
struct Known {
    /// For each service that is wanted.
    routes: Vec<BTreeMap<IpAddr, Route>>,
}

impl Known {
    fn new(before: &Wanted, said: &Said) -> Self {
        let config = super::in_force::said(before);
        let former = former(&config, &said.config).into_iter();
        let routes = former.map(|former| {
            let service = former.and_then(|index| before.services.get(index));
            let backends = service.into_iter().flat_map(|s| &s.backends);
            backends.map(|b| (b.route.address, b.route)).collect()
        });
        Self {
            routes: routes.collect(),
        }
    }

    /// The way to a backend, if it is still the one that is meant.
    fn route(
        &self,
        index: usize,
        service: &Service,
        backend: &Backend,
        local: &BTreeSet<IpAddr>,
    ) -> Option<Route> {
        let route = self.routes.get(index)?.get(&backend.address)?;
        if route.is_here() || local.contains(&backend.address) {
            return (route.is_here() && local.contains(&backend.address)).then_some(*route);
        }
        let mac = route.is_mac_given.then(|| route.mac());
        let given = route.tunnel.filter(|tunnel| tunnel.is_source_given);
        let source = given.map(|tunnel| tunnel.source);
        let wanted_source = route.tunnel.and_then(|_| service.source(backend.address));
        (route.forward() == service.forward(backend)
            && mac == backend.mac
            && source == wanted_source)
            .then_some(*route)
    }
}
