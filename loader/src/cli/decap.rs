//! The arguments of `decap`.

use super::Mode;
use crate::model::Prefix;
use clap::Args;
use std::net::IpAddr;
use xdp_prog::abi::decap::GUE_PORT;

/// Arguments of `decap`.
#[derive(Args, Debug)]
pub struct DecapArgs {
    /// The interface that the tunnels come in by.
    #[arg(value_name = "IFACE")]
    pub interface: String,
    /// The balancers, by the addresses that their tunnels come from. Nobody
    /// else's tunnels are ended.
    #[arg(long, value_name = "ADDR|PREFIX", value_delimiter = ',')]
    pub allow: Vec<Prefix>,
    /// What may be inside the tunnels: packets for these addresses. Without it,
    /// the addresses of lo that are /32 or /128.
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub vip: Vec<IpAddr>,
    /// Where XDP runs, as for a balancer.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    pub mode: Mode,
    /// The UDP port of GUE.
    #[arg(long, value_name = "PORT", default_value_t = GUE_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub gue_port: u16,
    /// Bytes of IP that the way from the balancers takes. Without it, the MTU of
    /// the interface.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(576..=65_535))]
    pub mtu: Option<u32>,
}
