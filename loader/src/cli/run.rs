//! Arguments of `run`.

use super::Mode;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Interfaces to attach to, all or none.
    #[arg(value_name = "IFACE", required = true)]
    pub interfaces: Vec<String>,
    /// Services, checks and all else. Without it: /etc/dsrload/dsrload.toml, or, if
    /// that is not there, what is loaded.
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where XDP runs, as when loading.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub mode: Mode,
}
