//! Settings of this host by which checks fail that go to a VIP, whatever the
//! backend does. They are told as what they are, or a sound backend would be called
//! down for them.
//!
//! A check's packets are for the VIP, and so its answers come from the VIP. Two
//! things can keep this host from that. It may have the VIP itself: then the packets
//! never leave (local addresses are looked for before any other rule), and answers
//! from its own address are refused. Or its filter of source addresses (`rp_filter`,
//! IPv4 alone) refuses the answers, since by its routes the VIP is elsewhere: 1 wants
//! the route to the source to lead out of the interface that the packet came in by,
//! 2 wants any route, and of the values of `all` and of the interface the higher
//! holds (`Documentation/networking/ip-sysctl.rst`).
//!
//! The kernel itself is asked whether it takes the answers, so a route or rule that
//! we know nothing of is not missed. `accept_local` is no way out for a host with
//! the VIP: the packets still do not leave. `src_valid_mark` changes nothing: answers
//! come without a mark.

use crate::netlink::{Link, Netlink, RouteKind};
use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::net::IpAddr;

/// Why checks of a VIP cannot succeed on this host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The VIP is this host's own address.
    Local {
        /// The VIP.
        vip: IpAddr,
    },
    /// The source filter refuses the backends' answers.
    Filter {
        /// The VIP.
        vip: IpAddr,
        /// The interface that they come in by.
        interface: String,
        /// The filter's setting there: 1 or 2.
        rp_filter: u8,
        /// What the kernel's routes say of the VIP.
        route: Towards,
    },
}

/// Where the kernel's routes send packets for a VIP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Towards {
    /// Out of this interface.
    Interface(String),
    /// There is no route.
    Nowhere,
    /// There is one that throws them away, as those for a routing daemon may.
    Refused,
}

impl Obstacle {
    /// Commands, one a line, that remove it; none where it takes a decision.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        let Self::Filter {
            vip,
            interface,
            route,
            ..
        } = self
        else {
            return None;
        };
        let setting = |name, value| format!("sysctl -w net.ipv4.conf.{name}.rp_filter={value}");
        // A dot stands between the parts of a setting's name.
        let escaped = interface.replace('.', "/");
        Some(match route {
            Towards::Interface(_) => setting(escaped.as_str(), 2),
            Towards::Nowhere => format!("ip route add {vip}/32 dev {interface}"),
            Towards::Refused => format!("{}\n{}", setting("all", 0), setting(&escaped, 0)),
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { vip } => write!(
                out,
                "{vip} is an address of this host, so checks for it cannot leave: backends are \
                 checked at their own addresses (path \"real\"); remove {vip} from this host, \
                 or say path = \"real\""
            ),
            Self::Filter {
                vip,
                interface,
                rp_filter,
                route,
            } => {
                write!(
                    out,
                    "rp_filter is {rp_filter} on {interface}, and the route to {vip} "
                )?;
                match route {
                    Towards::Interface(other) => write!(out, "leads out of {other}")?,
                    Towards::Nowhere => write!(out, "is missing")?,
                    Towards::Refused => write!(out, "throws packets away")?,
                }
                write!(out, ": the answers of backends to checks are refused")?;
                if let Some(remedy) = self.remedy() {
                    write!(out, "; do: {}", remedy.replace('\n', " && "))?;
                }
                Ok(())
            }
        }
    }
}

/// What keeps this host from checks of a backend of this VIP. `answers` is the
/// interface that the backend's packets come in by: for a backend on the segment
/// its own, for one in a tunnel that of the route to it.
///
/// # Errors
///
/// What the kernel says.
pub fn obstacle(
    netlink: &mut Netlink,
    vip: IpAddr,
    backend: IpAddr,
    answers: &Link,
) -> Result<Option<Obstacle>> {
    let to_vip = netlink.route(vip, None);
    if matches!(&to_vip, Ok(route) if route.kind == RouteKind::Local) {
        return Ok(Some(Obstacle::Local { vip }));
    }
    let IpAddr::V4(_) = vip else {
        return Ok(None);
    };
    let Some(source) = source(netlink, backend, answers)? else {
        return Ok(None);
    };
    let takes = netlink.takes(vip, source, answers.index);
    if takes.with_context(|| format!("ask whether {} takes {vip}", answers.name))? {
        return Ok(None);
    }
    let rp_filter = rp_filter(&answers.name)?;
    if rp_filter == 0 {
        // Not by this filter, then, and we know of no other.
        return Ok(None);
    }
    let route = match netlink.route(vip, Some(source)) {
        Ok(route) => match netlink.link_by_index(route.interface)? {
            Some(link) => Towards::Interface(link.name),
            None => Towards::Nowhere,
        },
        Err(error) if error.errno() == Some(libc::ENETUNREACH) => Towards::Nowhere,
        Err(_) => Towards::Refused,
    };
    Ok(Some(Obstacle::Filter {
        vip,
        interface: answers.name.clone(),
        rp_filter,
        route,
    }))
}

/// The address of IPv4 that checks come from.
fn source(netlink: &mut Netlink, backend: IpAddr, answers: &Link) -> Result<Option<IpAddr>> {
    if backend.is_ipv4()
        && let Ok(route) = netlink.route(backend, None)
    {
        return Ok(route.source);
    }
    let own = netlink.addresses(answers.index);
    let own = own.with_context(|| format!("list addresses of {}", answers.name))?;
    Ok(own.iter().map(|own| own.address).find(IpAddr::is_ipv4))
}

/// The setting that holds for an interface: the higher of two.
fn rp_filter(interface: &str) -> Result<u8> {
    let read = |name: &str| -> Result<u8> {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        text.trim()
            .parse()
            .with_context(|| format!("understand {path}"))
    };
    Ok(read("all")?.max(read(interface)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(interface: &str, rp_filter: u8, route: Towards) -> Obstacle {
        Obstacle::Filter {
            vip: [192, 0, 2, 10].into(),
            interface: interface.to_owned(),
            rp_filter,
            route,
        }
    }

    #[test]
    fn an_obstacle_is_told_with_what_to_do_about_it() {
        let told: Vec<String> = [
            Obstacle::Local {
                vip: [192, 0, 2, 10].into(),
            },
            filter("eth0.5", 1, Towards::Interface("eth1".to_owned())),
            filter("eth0", 2, Towards::Nowhere),
            filter("eth0", 1, Towards::Refused),
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        assert_eq!(
            told,
            [
                "192.0.2.10 is an address of this host, so checks for it cannot leave: backends \
                 are checked at their own addresses (path \"real\"); remove 192.0.2.10 from this \
                 host, or say path = \"real\"",
                "rp_filter is 1 on eth0.5, and the route to 192.0.2.10 leads out of eth1: the \
                 answers of backends to checks are refused; do: sysctl -w \
                 net.ipv4.conf.eth0/5.rp_filter=2",
                "rp_filter is 2 on eth0, and the route to 192.0.2.10 is missing: the answers of \
                 backends to checks are refused; do: ip route add 192.0.2.10/32 dev eth0",
                "rp_filter is 1 on eth0, and the route to 192.0.2.10 throws packets away: the \
                 answers of backends to checks are refused; do: sysctl -w \
                 net.ipv4.conf.all.rp_filter=0 && sysctl -w net.ipv4.conf.eth0.rp_filter=0",
            ]
        );
    }
}
