//! What changes between the config in force and another: steps, additions first.
//!
//! The order is for readers. All steps are in force by one word, at once.

use super::convert::{Balancer, ServiceNames};
use super::plan_care;
use crate::model::{Backend, Config, Manner, Service, ServiceAddress, State, Word};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::IpAddr;

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something comes.
    Add,
    /// Something is different.
    Change,
    /// Something goes.
    Remove,
}

impl Kind {
    /// The word that reports use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub kind: Kind,
    /// To what: `balancer`, `SERVICE` or `SERVICE/BACKEND`, by name.
    pub target: String,
    /// What of it, for people.
    pub what: String,
    /// An address of the service that it is about, if that is loaded already.
    pub service: Option<ServiceAddress>,
    /// The backend, if it is about one.
    pub backend: Option<IpAddr>,
}

/// For each service of `wanted` the one of `before` that goes on as it: one that
/// it shares an address with, and that nobody before it has taken. Services are
/// asked in the order of their lowest addresses, as when they are placed.
#[must_use]
pub fn former(before: &Config, wanted: &Config) -> Vec<Option<usize>> {
    let mut places: BTreeMap<ServiceAddress, usize> = BTreeMap::new();
    let mut order: Vec<usize> = (0..before.services.len()).collect();
    order.sort_by_key(|&index| before.services[index].addresses.iter().min());
    let rank: BTreeMap<usize, usize> = order.iter().copied().zip(0..).collect();
    for (index, service) in before.services.iter().enumerate() {
        places.extend(service.addresses.iter().map(|&address| (address, index)));
    }
    let mut found = vec![None; wanted.services.len()];
    let mut taken = BTreeSet::new();
    let mut order: Vec<usize> = (0..wanted.services.len()).collect();
    order.sort_by_key(|&index| wanted.services[index].addresses.iter().min());
    for index in order {
        let addresses = wanted.services[index].addresses.iter();
        let kept = addresses.filter_map(|address| places.get(address));
        let free = kept.filter(|index| !taken.contains(*index));
        found[index] = free.min_by_key(|index| rank.get(*index)).copied();
        taken.extend(found[index]);
    }
    found
}

/// The backend of `service` that goes on as `backend`.
#[must_use]
pub fn paired<'a>(service: &'a Service, backend: &Backend) -> Option<&'a Backend> {
    let mut backends = service.backends.iter();
    backends.find(|b| b.address == backend.address)
}

/// All steps from one config to another, in which all states are said that are
/// not `ready`.
#[must_use]
pub fn steps(before: &Balancer, wanted: &Balancer) -> Vec<Step> {
    let mut steps = Vec::new();
    let former = former(&before.config, &wanted.config);
    let (was, is) = (&before.options, &wanted.options);
    let mut of_all = Vec::new();
    differ(
        &mut of_all,
        "echo",
        on(was.is_answering_echo),
        on(is.is_answering_echo),
    );
    differ(&mut of_all, "mode", was.mode.word(), is.mode.word());
    if was.seed != is.seed {
        // Not shown: it is a secret.
        of_all.push("seed written down".to_owned());
    }
    steps.extend(of_all.into_iter().map(|what| Step {
        kind: Kind::Change,
        target: "balancer".to_owned(),
        what,
        service: None,
        backend: None,
    }));
    let of_run = plan_care::of_run(&before.run, &wanted.run).into_iter();
    steps.extend(of_run.map(|what| renamed("run".to_owned(), what)));
    let services = wanted.config.services.iter().zip(&wanted.names);
    for (((service, names), care), former) in services.zip(&wanted.care).zip(&former) {
        match former {
            Some(index) => {
                let pair = Pair {
                    before: (&before.config.services[*index], &before.names[*index]),
                    wanted: (service, names),
                };
                pair.steps(&mut steps);
                let of_care = plan_care::of_service(&before.care[*index], care);
                steps.extend(
                    of_care
                        .into_iter()
                        .map(|what| renamed(names.name.clone(), what)),
                );
            }
            None => added(&mut steps, service, names),
        }
    }
    let gone = before.config.services.iter().zip(&before.names).enumerate();
    for (index, (service, names)) in gone {
        if !former.contains(&Some(index)) {
            steps.push(Step {
                kind: Kind::Remove,
                target: names.name.clone(),
                what: list(&service.addresses),
                service: service.addresses.first().copied(),
                backend: None,
            });
        }
    }
    steps.sort_by_key(|step| step.kind);
    steps
}

fn on(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn list(list: &[impl Display]) -> String {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    match list.is_empty() {
        true => "none".to_owned(),
        false => list.join(", "),
    }
}

/// `key before to wanted`, if those differ.
fn differ<T: Display + PartialEq>(out: &mut Vec<String>, key: &str, before: T, wanted: T) {
    if before != wanted {
        out.push(format!("{key} {before} to {wanted}"));
    }
}

fn added(steps: &mut Vec<Step>, service: &Service, names: &ServiceNames) {
    steps.push(Step {
        kind: Kind::Add,
        target: names.name.clone(),
        what: list(&service.addresses),
        service: None,
        backend: None,
    });
    let backends = service.backends.iter().zip(&names.backends);
    steps.extend(backends.map(|(backend, name)| Step {
        kind: Kind::Add,
        target: format!("{}/{name}", names.name),
        what: describe(service, backend),
        service: None,
        backend: Some(backend.address),
    }));
}

/// A backend that comes.
fn describe(service: &Service, backend: &Backend) -> String {
    let mut what = format!(
        "{}, weight {}, {}",
        backend.address,
        backend.weight,
        service.forward(backend)
    );
    if let Some(state) = backend.state.filter(|&state| state != State::Ready) {
        what += &format!(", {}", state.word());
    }
    what
}

/// Another name, or something else that touches no flow.
fn renamed(target: String, what: String) -> Step {
    Step {
        kind: Kind::Change,
        target,
        what,
        service: None,
        backend: None,
    }
}

/// A service as it is and as it is to be.
struct Pair<'a> {
    before: (&'a Service, &'a ServiceNames),
    wanted: (&'a Service, &'a ServiceNames),
}

impl Pair<'_> {
    fn steps(&self, steps: &mut Vec<Step>) {
        let ((was, was_named), (is, named)) = (self.before, self.wanted);
        let step = |kind, target: String, what, backend| Step {
            kind,
            target,
            what,
            service: was.addresses.first().copied(),
            backend,
        };
        if was_named.name != named.name {
            let name = format!("name {} to {}", was_named.name, named.name);
            steps.push(renamed(named.name.clone(), name));
        }
        for what in self.differences() {
            steps.push(step(Kind::Change, named.name.clone(), what, None));
        }
        for (backend, name) in is.backends.iter().zip(&named.backends) {
            let target = format!("{}/{name}", named.name);
            let address = Some(backend.address);
            let Some(before) = paired(was, backend) else {
                steps.push(step(Kind::Add, target, describe(is, backend), address));
                continue;
            };
            let place = was.backends.iter().position(|b| b == before);
            let before_name = place.and_then(|place| was_named.backends.get(place));
            if let Some(before_name) = before_name.filter(|&before| before != name) {
                let name = format!("name {before_name} to {name}");
                steps.push(renamed(target.clone(), name));
            }
            for what in self.of_backend(before, backend) {
                steps.push(step(Kind::Change, target.clone(), what, address));
            }
        }
        for (backend, name) in was.backends.iter().zip(&was_named.backends) {
            if paired(is, backend).is_none() {
                let target = format!("{}/{name}", was_named.name);
                let what = backend.address.to_string();
                steps.push(step(Kind::Remove, target, what, Some(backend.address)));
            }
        }
    }

    /// What of the service itself differs.
    fn differences(&self) -> Vec<String> {
        let ((was, _), (is, _)) = (self.before, self.wanted);
        let mut out = Vec::new();
        differ(
            &mut out,
            "addresses",
            list(&was.addresses),
            list(&is.addresses),
        );
        differ(&mut out, "source", list(&was.sources), list(&is.sources));
        let (a, b): (&Manner, &Manner) = (&was.manner, &is.manner);
        differ(&mut out, "policy", a.policy.word(), b.policy.word());
        differ(&mut out, "tracking", a.tracking.word(), b.tracking.word());
        differ(&mut out, "affinity", a.affinity, b.affinity);
        differ(&mut out, "on_dead", a.on_dead.word(), b.on_dead.word());
        differ(&mut out, "allow", list(&a.allow), list(&b.allow));
        differ(&mut out, "deny", list(&a.deny), list(&b.deny));
        out
    }

    /// What of a backend differs.
    fn of_backend(&self, was: &Backend, is: &Backend) -> Vec<String> {
        let ((of_was, _), (of_is, _)) = (self.before, self.wanted);
        let mut out = Vec::new();
        let state = |state: Option<State>| state.unwrap_or(State::Ready).word();
        differ(&mut out, "weight", was.weight, is.weight);
        differ(&mut out, "state", state(was.state), state(is.state));
        differ(&mut out, "forward", of_was.forward(was), of_is.forward(is));
        let mac = |backend: &Backend| match backend.mac {
            Some(mac) => mac.to_string(),
            None => "the kernel's".to_owned(),
        };
        differ(&mut out, "mac", mac(was), mac(is));
        out
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
