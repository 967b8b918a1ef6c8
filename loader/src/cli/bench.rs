//! Arguments of `bench`.

use clap::Args;

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// Measures with the services that are loaded on this interface.
    #[arg(value_name = "IFACE", conflicts_with = "synthetic")]
    pub interface: Option<String>,
    /// Measures with services that are made up, beside programs to compare with:
    /// the cases of docs/PERFORMANCE.md. The default without an interface.
    #[arg(long)]
    pub synthetic: bool,
    /// Only the cases whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub case: String,
    /// Sends no frames over a wire (veth interfaces in a network namespace of its
    /// own): only what the program takes is measured.
    #[arg(long)]
    pub no_wire: bool,
    /// Rounds: in each, every program of a case is measured once.
    #[arg(long, value_name = "N", default_value_t = 41, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// As JSON.
    #[arg(short, long)]
    pub json: bool,
}
