//! `dsrload drain|ready|maint|down SERVICE/BACKEND`

use super::Output;
use super::change::{Change, backend_of, service_of, tell};
use super::prepare::{Health, Why};
use crate::cli::BackendArgs;
use crate::config::generate::at;
use crate::fault;
use crate::model::{ServiceAddress, State, Word};
use anyhow::Result;
use std::net::IpAddr;

/// Runs the command. Gives an address of the service and that of the backend.
///
/// # Errors
///
/// There is no such service or backend.
pub fn run(
    arguments: &BackendArgs,
    state: State,
    output: &mut Output<'_>,
) -> Result<(ServiceAddress, IpAddr)> {
    let target = &arguments.target;
    let mut change = Change::begin(arguments.interface.as_deref(), Some(&target.service))?;
    change.before.refuse_while_waiting()?;
    let mut wanted = change.before.document.clone();
    let index = service_of(&wanted, &target.service)?;
    let backend = backend_of(&wanted, index, &target.backend, &target.service)?;
    let service = &mut wanted.services[index];
    let before = service.backends[backend].state.replace(at(state));
    let real = service.backends[backend].ip.value;
    let address = service.addresses().next();
    let address = address.ok_or_else(|| fault!(Failed, "the service has no address"))?;
    let service_key = service.addresses().map(|at| at.value).min();
    let before = before.map_or("ready", |at| at.value.word());
    let what = format!("{target}: {} (was {before})", state.word());
    let mut health = Health::default();
    if state == State::Ready
        && let Some(first) = service_key
    {
        // Whoever says so has looked: checks that go on will have their say again.
        health.failing.insert((first, real), false);
    }
    let prepared = change.prepare_with(&wanted, &health)?;
    prepared.carry_out(&mut change, Why::default(), output)?;
    tell(output, &what, address.value, &prepared.placement)?;
    Ok((address.value, real))
}
