//! Arguments of `import`.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `import`.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct ImportArgs {
    /// What `ipvsadm -Sn` printed; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub ipvsadm: Option<PathBuf>,
    /// A file of keepalived, of which the virtual_server blocks are taken; - for
    /// standard input.
    #[arg(long, value_name = "FILE")]
    pub keepalived: Option<PathBuf>,
}
