//! `dsrload drain|ready|maint|down SERVICE/BACKEND`

use super::Output;
use super::change::{Change, tell};
use crate::cli::BackendArgs;
use crate::fault;
use crate::model::State;
use anyhow::Result;

/// The word for a state.
#[must_use]
pub fn name(state: State) -> &'static str {
    match state {
        State::Ready => "ready",
        State::Drain => "drain",
        State::Maint => "maint",
        State::Down => "down",
    }
}

/// Runs the command.
///
/// # Errors
///
/// There is no such service or backend.
pub fn run(arguments: &BackendArgs, state: State, output: &mut Output<'_>) -> Result<()> {
    let target = arguments.target;
    let mut change = Change::begin(arguments.interface.as_deref(), Some(target.service))?;
    let service = change.service(target.service)?;
    let backend = service
        .backends
        .iter_mut()
        .find(|b| b.route.address == target.backend)
        .ok_or_else(|| {
            fault!(
                Failed,
                "service {} has no backend {}; `dsrload status` shows those that it has",
                target.service,
                target.backend
            )
        })?;
    let before = backend.state.replace(state);
    let (_, placement) = change.apply()?;
    let before = before.map_or("ready", name);
    let what = format!(
        "{}/{}: {} (was {before})",
        target.service,
        target.backend,
        name(state)
    );
    tell(output, &what, target.service, &placement)
}
