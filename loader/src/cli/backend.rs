//! `dsrload backend ...`, as typed.

use clap::{Args, Subcommand};
use std::net::IpAddr;

/// Verbs for the host of a backend.
#[derive(Debug, Subcommand)]
pub enum OnBackend {
    /// Puts VIPs on lo, each alone, and keeps this host silent about them. Doing
    /// so again changes nothing.
    #[command(after_help = "\
Example:
  dsrload backend setup 192.0.2.10 2001:db8::10
  dsrload backend setup 192.0.2.10 --print | ssh backend-a sh")]
    Setup(SetupArgs),
    /// Says what is wrong with this host, why it hurts, and what mends it.
    #[command(after_help = "Example:\n  dsrload backend check 192.0.2.10 --tunnel eth0")]
    Check(CheckArgs),
    /// Takes VIPs off lo that setup has put there and, with the last of them,
    /// restores what else it has changed.
    #[command(after_help = "Example:\n  dsrload backend undo 192.0.2.10")]
    Undo(UndoArgs),
}

/// Arguments of `backend setup`.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Virtual addresses.
    #[arg(value_name = "VIP", required = true, value_parser = vip)]
    pub vips: Vec<IpAddr>,
    /// Packets come out of a tunnel on this interface (`dsrload decap`): none
    /// is to be dropped since its client is reached through another.
    #[arg(long, value_name = "IFACE")]
    pub tunnel: Option<String>,
    /// Shows the commands that would do the same, and changes nothing.
    #[arg(long)]
    pub print: bool,
}

/// Arguments of `backend check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Virtual addresses.
    #[arg(value_name = "VIP", required = true, value_parser = vip)]
    pub vips: Vec<IpAddr>,
    /// Packets come out of a tunnel on this interface.
    #[arg(long, value_name = "IFACE")]
    pub tunnel: Option<String>,
}

/// Arguments of `backend undo`.
#[derive(Args, Debug)]
pub struct UndoArgs {
    /// Virtual addresses.
    #[arg(value_name = "VIP", required = true, value_parser = vip)]
    pub vips: Vec<IpAddr>,
    /// Shows the commands that would do the same, and changes nothing.
    #[arg(long)]
    pub print: bool,
}

/// An address that clients may turn to.
fn vip(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text
        .parse()
        .map_err(|_| format!("'{text}' is no IP address, such as 192.0.2.10 or 2001:db8::10"))?;
    let kind = match address {
        IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
        IpAddr::V4(v4) if v4.is_link_local() => "an address of one link alone",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "an address of one link alone",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "an IPv4 address in the form of IPv6",
        _ if address.is_multicast() => "a multicast address",
        _ if address.is_loopback() => "a loopback address",
        _ if address.is_unspecified() => "no address of a host",
        _ => return Ok(address),
    };
    Err(format!("{text} is {kind}, which cannot be a VIP"))
}
