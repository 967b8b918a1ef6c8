//! A document becomes what a balancer is told.

use super::care;
use super::document::{At, Document, Mode, SORRY, ServiceTable};
use crate::model::run::{Care, Run};
use crate::model::{Backend, Config, Manner, Policy, Service, ServiceAddress, State, Tracking};
use xdp_prog::abi::limits;

/// What a config file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balancer {
    /// The services, by name, each with its backends by name.
    pub config: Config,
    /// What holds for all of them.
    pub options: Options,
    /// What they are called, in the same order.
    pub names: Vec<ServiceNames>,
    /// What `run` does besides forwarding.
    pub run: Run,
    /// What each service is given besides forwarding, in the same order.
    pub care: Vec<Care>,
}

/// What holds for all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the hash key is made of; `None` for a random one.
    pub seed: Option<String>,
    /// Flows that the flow table holds; `None` for the default.
    pub flows: Option<u32>,
    /// Slots of each service; `None` for the default.
    pub slots: Option<u32>,
    /// Where XDP runs.
    pub mode: Mode,
    /// Echo requests to VIPs are answered.
    pub is_answering_echo: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: None,
            flows: None,
            slots: None,
            mode: Mode::default(),
            is_answering_echo: true,
        }
    }
}

impl Options {
    /// Slots of a service, as asked for: a power of two.
    #[must_use]
    pub fn slots_each(&self) -> u32 {
        let slots = self.slots.unwrap_or(limits::SLOTS_PER_SERVICE);
        slots.next_power_of_two()
    }

    /// Slots of the tables that are made for so many services: each gets its own
    /// twice, since a change takes new ones beside those in force.
    #[must_use]
    pub fn slots_in_all(&self, services: usize) -> u32 {
        let services = u32::try_from(services).unwrap_or(u32::MAX);
        let slots = self.slots_each().saturating_mul(2).saturating_mul(services);
        let slots = match self.slots {
            Some(_) => slots.clamp(limits::SLOTS_DEFAULT, limits::SLOTS),
            None => limits::SLOTS_DEFAULT,
        };
        slots.next_power_of_two()
    }

    /// Flows of the tables that are made: a power of two.
    #[must_use]
    pub fn flows_in_all(&self) -> u32 {
        let flows = self.flows.unwrap_or(limits::FLOWS_DEFAULT);
        flows.next_power_of_two()
    }
}

/// What a service and its backends are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceNames {
    /// The service.
    pub name: String,
    /// Its backends.
    pub backends: Vec<String>,
}

impl Balancer {
    /// What a document without errors says.
    #[must_use]
    pub fn new(document: &Document) -> Self {
        let table = &document.balancer;
        Self {
            config: Config {
                services: document.services.iter().map(service).collect(),
            },
            options: Options {
                seed: table.seed.as_ref().map(|at| at.value.clone()),
                flows: said(table.flows.as_ref()),
                slots: said(table.slots.as_ref()),
                mode: said(table.mode.as_ref()).unwrap_or_default(),
                is_answering_echo: said(table.echo.as_ref()).unwrap_or(true),
            },
            names: document.services.iter().map(names).collect(),
            run: care::run(document),
            care: document.services.iter().map(care::care).collect(),
        }
    }

    /// The places of a service and of its backend, by `SERVICE/BACKEND`.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<(usize, usize)> {
        let (service, backend) = key.split_once('/')?;
        let index = self.names.iter().position(|s| s.name == service)?;
        let mut backends = self.names[index].backends.iter();
        Some((index, backends.position(|name| name == backend)?))
    }

    /// `SERVICE/BACKEND` for these places; none if there is nothing there.
    #[must_use]
    pub fn key(&self, service: usize, backend: usize) -> Option<String> {
        let names = self.names.get(service)?;
        Some(format!("{}/{}", names.name, names.backends.get(backend)?))
    }
}

fn said<T: Copy>(at: Option<&At<T>>) -> Option<T> {
    at.map(|at| at.value)
}

/// In an order of their own: a list in another order means the same.
fn values<T: Copy + Ord>(list: &[At<T>]) -> Vec<T> {
    let mut values: Vec<T> = list.iter().map(|at| at.value).collect();
    values.sort();
    values
}

fn names(service: &ServiceTable) -> ServiceNames {
    let backends = service.backends.iter();
    ServiceNames {
        name: service.name.value.clone(),
        backends: backends
            .map(|b| b.name.value.clone())
            .chain(service.sorry.as_ref().map(|_| SORRY.to_owned()))
            .collect(),
    }
}

fn service(table: &ServiceTable) -> Service {
    let policy = said(table.policy.as_ref()).unwrap_or_default();
    let tracking = match policy {
        Policy::Maglev => Tracking::default(),
        Policy::Random => Tracking::All,
    };
    let mut addresses: Vec<ServiceAddress> = table.addresses().map(|at| at.value).collect();
    addresses.sort();
    let backends = table.backends.iter().map(|backend| Backend {
        address: backend.ip.value,
        mac: said(backend.mac.as_ref()),
        forward: said(backend.forward.as_ref()),
        weight: said(backend.weight.as_ref()).unwrap_or(1),
        state: said(backend.state.as_ref()),
    });
    // The one that stands in has no share of its own.
    let sorry = table.sorry.as_ref().map(|at| Backend {
        address: at.value,
        mac: None,
        forward: None,
        weight: 0,
        state: Some(State::Ready),
    });
    Service {
        addresses,
        backends: backends.chain(sorry).collect(),
        manner: Manner {
            policy,
            tracking: said(table.tracking.as_ref()).unwrap_or(tracking),
            affinity: said(table.affinity.as_ref()).unwrap_or_default(),
            on_dead: said(table.on_dead.as_ref()).unwrap_or_default(),
            allow: values(&table.allow),
            deny: values(&table.deny),
        },
        forward: said(table.forward.as_ref()).unwrap_or_default(),
        sources: values(&table.source),
    }
}
