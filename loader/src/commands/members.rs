//! `dsrload add|set|del -t VIP:PORT -r REAL`

use super::Output;
use super::change::{Change, backend_of, service_of, tell};
use super::prepare::Why;
use crate::cli::{BackendId, MemberArgs, ServiceId, SetArgs};
use crate::config::document::ServiceTable;
use crate::config::generate::{at, entry, free_name};
use crate::config::{Balancer as Said, Document};
use crate::fault;
use crate::model::config::service_faults;
use crate::model::{Backend, Manner, Service, ServiceAddress};
use anyhow::Result;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Adds backends.
///
/// # Errors
///
/// There is no such service; a backend is there already, or cannot be reached.
pub fn add(arguments: &MemberArgs, output: &mut Output<'_>) -> Result<()> {
    let (mut service, address) = one(&arguments.services)?;
    if arguments.name.is_some() && service.backends.len() != 1 {
        return Err(fault!(Usage, "--name names one backend: add one at a time"));
    }
    let mut edit = Edit::begin(arguments.interface.as_deref(), address)?;
    let loaded = edit.said();
    // What is wrong with a backend is wrong with it at every address.
    service.addresses.clone_from(&loaded.addresses);
    let known: BTreeSet<_> = loaded.backends.iter().map(|b| b.address).collect();
    let mut faults = service_faults(&service);
    for backend in service.backends.iter().map(|b| b.address) {
        if known.contains(&backend) {
            faults.push(format!("service {address} has backend {backend} already"));
        }
    }
    if !faults.is_empty() {
        return Err(fault!(Invalid, "{}", faults.join("; ")));
    }

    let table = edit.table();
    let mut taken: BTreeSet<String> = table
        .backends
        .iter()
        .map(|b| b.name.value.clone())
        .collect();
    for backend in &service.backends {
        let said = Backend {
            forward: Some(service.forward(backend)),
            ..*backend
        };
        let name = match &arguments.name {
            Some(name) => name.clone(),
            None => free_name(&backend.address.to_string(), &mut taken),
        };
        if table.backends.iter().any(|b| b.name.value == name) {
            return Err(fault!(
                Invalid,
                "service {address} has a backend that is called {name}: name this one differently by --name"
            ));
        }
        table.backends.push(entry(&said, loaded.forward, name));
    }
    table
        .backends
        .sort_by(|a, b| a.name.value.cmp(&b.name.value));
    let sources = service.sources.iter();
    let new: Vec<_> = sources.filter(|&s| !loaded.sources.contains(s)).collect();
    table
        .source
        .extend(new.into_iter().map(|&source| at(source)));
    edit.finish("added", &service, output)
}

/// Removes backends.
///
/// # Errors
///
/// There is no such service or backend.
pub fn del(arguments: &MemberArgs, output: &mut Output<'_>) -> Result<()> {
    let (service, address) = one(&arguments.services)?;
    if arguments.name.is_some() {
        return Err(fault!(
            Usage,
            "--name is for add: del goes by the backends' addresses"
        ));
    }
    let mut edit = Edit::begin(arguments.interface.as_deref(), address)?;
    for backend in &service.backends {
        let place = edit.place(backend.address)?;
        edit.table().backends.remove(place);
    }
    if edit.table().backends.is_empty() {
        return Err(fault!(
            Invalid,
            "service {address} would have no backend: `drain` takes them out of rotation, and `apply` of a file without the service removes it"
        ));
    }
    edit.finish("removed", &service, output)
}

/// Changes backends that are there: weight, way, MAC or state, as far as it is
/// said.
///
/// # Errors
///
/// There is no such service or backend, or nothing is said.
pub fn set(arguments: &SetArgs, output: &mut Output<'_>) -> Result<()> {
    let (service, address) = one(&arguments.services)?;
    let words = &arguments.words;
    if words.groups() != 1 {
        return Err(fault!(
            Usage,
            "what is set is the same for all backends of one -r: give one, and separate addresses by commas"
        ));
    }
    let has_mac = service.backends.iter().any(|b| b.mac.is_some());
    let is_said = words.says_weight() || words.says_forward() || has_mac;
    if !is_said && arguments.state.is_none() {
        return Err(fault!(
            Usage,
            "say what to set: -w N, --forward HOW, --state STATE, or -r REAL=MAC"
        ));
    }
    if !service.sources.is_empty() {
        return Err(fault!(
            Usage,
            "--source is its service's: `apply` a file that says another"
        ));
    }
    let mut edit = Edit::begin(arguments.interface.as_deref(), address)?;
    for backend in &service.backends {
        let place = edit.place(backend.address)?;
        let table = &mut edit.table().backends[place];
        if words.says_weight() {
            table.weight = Some(at(backend.weight));
        }
        if words.says_forward() {
            table.forward = Some(at(service.forward(backend)));
        }
        if let Some(mac) = backend.mac {
            table.mac = Some(at(mac));
        }
        if let Some(state) = arguments.state {
            table.state = Some(at(state));
        }
    }
    // As it is written when it is generated: what is at its default is not said.
    let said = edit.said();
    for (entry_, backend) in edit.table().backends.iter_mut().zip(&said.backends) {
        *entry_ = entry(backend, said.forward, entry_.name.value.clone());
    }
    edit.finish("set", &service, output)
}

/// A service while its backends are changed.
struct Edit {
    address: ServiceAddress,
    change: Change,
    wanted: Document,
    /// The service's place in `wanted`.
    index: usize,
}

impl Edit {
    fn begin(interface: Option<&str>, address: ServiceAddress) -> Result<Self> {
        let id = ServiceId::Address(address);
        let change = Change::begin(interface, Some(&id))?;
        change.before.refuse_while_waiting()?;
        let wanted = change.before.document.clone();
        Ok(Self {
            address,
            index: service_of(&wanted, &id)?,
            change,
            wanted,
        })
    }

    fn table(&mut self) -> &mut ServiceTable {
        &mut self.wanted.services[self.index]
    }

    /// What the service's table means.
    fn said(&self) -> Service {
        let mut services = Said::new(&self.wanted).config.services;
        services.swap_remove(self.index)
    }

    /// Where the table has this backend.
    fn place(&self, backend: IpAddr) -> Result<usize> {
        let service = ServiceId::Address(self.address);
        backend_of(
            &self.wanted,
            self.index,
            &BackendId::Address(backend),
            &service,
        )
    }

    /// Puts it in force, and says what was done to these backends.
    fn finish(mut self, verb: &str, service: &Service, output: &mut Output<'_>) -> Result<()> {
        let prepared = self.change.prepare(&self.wanted)?;
        prepared.carry_out(&mut self.change, Why::default(), output)?;
        let backends: Vec<String> = service
            .backends
            .iter()
            .map(|b| b.address.to_string())
            .collect();
        let what = format!("{}: {verb} {}", self.address, backends.join(", "));
        tell(output, &what, self.address, &prepared.placement)
    }
}

/// The one service that is meant, and its address.
fn one(services: &[Service]) -> Result<(Service, ServiceAddress)> {
    let [service] = services else {
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
