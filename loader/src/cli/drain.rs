//! `dsrload drain`, as typed.

use super::BackendArgs;
use super::time::time;
use clap::Args;
use std::time::Duration;

/// Arguments of `drain`.
#[derive(Args, Debug)]
pub struct DrainArgs {
    /// Which backend.
    #[command(flatten)]
    pub backend: BackendArgs,
    /// Waits until no live flow of the backend is left; exit code 1 if there are
    /// some after this time. The backend stays drained either way.
    #[arg(long, value_name = "DURATION", value_parser = time)]
    pub wait: Option<Duration>,
    /// A flow that was silent for this long is idle, not live. [default: 5m, but
    /// at most half of --wait]
    #[arg(long, value_name = "DURATION", value_parser = time, requires = "wait")]
    pub idle: Option<Duration>,
}

/// How long flows are waited for unless `--idle` says.
const IDLE: Duration = Duration::from_secs(300);

impl DrainArgs {
    /// After which time of silence a flow counts no more.
    #[must_use]
    pub fn idle(&self, wait: Duration) -> Duration {
        self.idle.unwrap_or(IDLE.min(wait / 2))
    }
}
