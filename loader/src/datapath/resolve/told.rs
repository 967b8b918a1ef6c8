//! Why a backend is not reached, in words.

use super::Hop;
use crate::datapath::neighbours::Look;
use crate::datapath::way::Way;
use crate::fault;
use crate::netlink::{Netlink, NetlinkError, RouteKind};
use std::net::IpAddr;

pub(super) fn own(address: IpAddr) -> anyhow::Error {
    fault!(
        Invalid,
        "backend {address} is this host's own address; a backend is another host"
    )
}

/// A backend that is on no segment of the balancer's: on another one of this
/// host's, or behind a router.
pub(super) fn not_here(netlink: &mut Netlink, address: IpAddr, ways: &[Way]) -> anyhow::Error {
    match netlink.route(address, None) {
        Ok(found)
            if found.kind == RouteKind::Unicast
                && found.gateway.is_none()
                && ways.iter().all(|way| way.link.index != found.interface) =>
        {
            elsewhere(netlink, address, found.interface, ways)
        }
        _ => off_segment(address, ways),
    }
}

pub(super) fn off_segment(address: IpAddr, ways: &[Way]) -> anyhow::Error {
    let subnets: Vec<String> = ways.iter().map(Way::subnets).collect();
    fault!(
        Invalid,
        "backend {address} is in no subnet of {}: l2 reaches it by its MAC alone, so it must be on the same segment; --forward ipip reaches it through routers",
        subnets.join(", ")
    )
}

pub(super) fn no_route(address: IpAddr, error: NetlinkError) -> anyhow::Error {
    let is_an_answer = [
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
        libc::EACCES,
        libc::EINVAL,
    ];
    if error.errno().is_some_and(|n| is_an_answer.contains(&n)) {
        return fault!(
            Invalid,
            "backend {address} has no route from here ({error}); `ip route get {address}` must find one"
        );
    }
    anyhow::Error::new(error).context(format!("ask for the route to backend {address}"))
}

/// A route through an interface that is not the balancer's.
pub(super) fn elsewhere(
    netlink: &mut Netlink,
    address: IpAddr,
    index: u32,
    ways: &[Way],
) -> anyhow::Error {
    let name = match netlink.link_by_index(index) {
        Ok(Some(link)) => link.name,
        _ => format!("interface {index}"),
    };
    let names: Vec<&str> = ways.iter().map(|way| way.link.name.as_str()).collect();
    fault!(
        Invalid,
        "backend {address} is reached through {name}: name it too (dsrload {} {name} ...)",
        names.join(" ")
    )
}

pub(super) fn silent(address: IpAddr, hop: &Hop<'_>, look: Option<&Look>) -> anyhow::Error {
    let (next, name) = (hop.next, &hop.way.link.name);
    let who = if next == address {
        format!("backend {address}")
    } else {
        format!("{next}, the next hop to backend {address},")
    };
    match look {
        Some(Look::Refused(error)) => {
            fault!(Failed, "{who} cannot be asked for on {name}: {error}")
        }
        _ => fault!(
            Failed,
            "{who} did not answer on {name}: is it up, with this address? Or give its MAC: -r {address}=MAC"
        ),
    }
}
