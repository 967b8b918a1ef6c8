//! Where programs go: the interfaces, their numbers, and the modes to try.

use crate::cli::Mode as WantedMode;
use crate::commands::modes::modes;
use crate::datapath::attach::Seat;
use crate::datapath::base::{Base, Found};
use crate::datapath::find;
use crate::datapath::way::Way;
use crate::fault;
use crate::netlink::{Link, Netlink};
use anyhow::Result;
use std::collections::BTreeSet;
use xdp_prog::abi::limits;

/// `ARPHRD_ETHER` (Linux, `include/uapi/linux/if_arp.h`).
const ETHERNET: u16 = 1;

/// The interfaces, each once, each fit to balance on.
pub fn links(netlink: &mut Netlink, names: &[String]) -> Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    for name in names {
        let link = find::link(netlink, name)?;
        if links.iter().any(|l| l.index == link.index) {
            return Err(fault!(Usage, "interface {name} is given twice"));
        }
        if link.hardware != ETHERNET {
            return Err(fault!(
                Failed,
                "{name} is no Ethernet interface: frames are sent on by their MACs, which it does not have"
            ));
        }
        if !link.up {
            return Err(fault!(
                Failed,
                "{name} is down: `ip link set {name} up` first"
            ));
        }
        links.push(link);
    }
    if links.len() > limits::PORTS as usize {
        return Err(fault!(
            Invalid,
            "{} interfaces: one balancer holds {}",
            links.len(),
            limits::PORTS
        ));
    }
    Ok(links)
}

/// Gives each interface its number and the modes to try.
pub fn seats(
    base: &Base,
    links: Vec<Link>,
    found: Vec<Option<Found>>,
    wanted: WantedMode,
) -> Result<Vec<Seat>> {
    let mut taken: BTreeSet<u32> = base.others.iter().map(|a| a.port).collect();
    let mut seats = Vec::new();
    for (link, found) in links.into_iter().zip(found) {
        let (before, port) = match found {
            Some(Found::Readable(attached)) => {
                let port = attached.port;
                (Some(attached), Some(port))
            }
            Some(Found::Unreadable(attached)) => (Some(attached), None),
            None => (None, None),
        };
        let port = port
            .or_else(|| (0..limits::PORTS).find(|port| !taken.contains(port)))
            .ok_or_else(|| fault!(Invalid, "one balancer holds {} interfaces", limits::PORTS))?;
        taken.insert(port);
        let (modes, reason) = modes(&link, before.as_ref().map(|b| b.mode), wanted)?;
        seats.push(Seat {
            link,
            port,
            before,
            modes,
            reason,
        });
    }
    Ok(seats)
}

/// The interfaces that backends can be reached through: those of the command
/// line first, then others of the same balancer.
pub fn ways(netlink: &mut Netlink, base: &Base, seats: &[Seat]) -> Result<Vec<Way>> {
    let named = seats.iter().map(|seat| (&seat.link, seat.port));
    let others = base
        .others
        .iter()
        .filter(|a| seats.iter().all(|seat| seat.port != a.port))
        .map(|a| (&a.link, a.port));
    named
        .chain(others)
        .map(|(link, port)| Way::new(netlink, link, port))
        .collect()
}
