//! What packets out of a tunnel need besides.
//!
//! What clients send is wrapped up by the balancer, and so is longer on its way
//! to the backend than on its way to the balancer. What the backend sends goes
//! straight, so nothing on the way tells it: unless there is room, it must ask
//! the clients for shorter segments.

use super::check::Finding;
use super::setting::RP_FILTER;
use super::{Facts, Wanted};
use std::net::IpAddr;

/// What most clients send at most.
const CLIENT_MTU: u32 = 1500;

/// What a tunnel adds: IPv4 alone at the least, IPv6 and UDP at the most.
const OVERHEAD_MIN: u32 = 20;
const OVERHEAD_MAX: u32 = 48;

/// The interface that packets come out of tunnels on.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Its name.
    pub interface: String,
    /// Its longest packet.
    pub mtu: u32,
    /// Whether a program ends tunnels there; none if this may not be seen.
    pub decap: Option<bool>,
    /// Whether a program has clients send shorter segments.
    pub clamp: bool,
    /// The default routes.
    pub routes: Vec<DefaultRoute>,
}

/// The way to everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Of IPv4, else of IPv6.
    pub is_v4: bool,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub interface: String,
    /// What tells it from other default routes.
    pub metric: Option<u32>,
    /// The longest TCP segment that clients are asked to send.
    pub advmss: Option<u32>,
}

impl DefaultRoute {
    /// The command that makes clients send segments of this length.
    fn command(&self, advmss: u32) -> String {
        let family = if self.is_v4 { "" } else { " -6" };
        let via = self
            .gateway
            .map_or_else(String::new, |gateway| format!(" via {gateway}"));
        let metric = self
            .metric
            .map_or_else(String::new, |metric| format!(" metric {metric}"));
        format!(
            "ip{family} route change default{via} dev {}{metric} advmss {advmss}",
            self.interface
        )
    }
}

/// Bytes of IP and TCP before a segment.
fn headers(is_v4: bool) -> u32 {
    if is_v4 { 40 } else { 60 }
}

/// What is wrong with the far end of a tunnel.
pub(super) fn check(facts: &Facts, seen: &Sight, wanted: &Wanted) -> Vec<Finding> {
    let name = &seen.interface;
    let mut findings = Vec::new();
    match seen.decap {
        Some(true) => {}
        Some(false) => findings.push(Finding::fault(
            format_args!(
                "{name}: no decapsulator is attached, so packets in tunnels are lost here"
            ),
            decap(name),
        )),
        None => findings.push(Finding::warning(format_args!(
            "{name}: whether a decapsulator is attached cannot be told: that takes CAP_SYS_ADMIN"
        ))),
    }
    if wanted.has_v4()
        && let Some(step) = RP_FILTER.on(facts, name)
    {
        findings.push(Finding::fault(
            format_args!(
                "{name}: drops packets of clients that this host reaches through another interface (rp_filter is 1)"
            ),
            step.command(),
        ));
    }
    findings.extend(room(seen, wanted));
    findings
}

fn decap(interface: &str) -> String {
    format!("dsrload decap {interface} --allow BALANCER")
}

/// Whether what clients send fits when it is wrapped up.
fn room(seen: &Sight, wanted: &Wanted) -> Option<Finding> {
    let Sight { interface, mtu, .. } = seen;
    if seen.clamp || *mtu >= CLIENT_MTU + OVERHEAD_MAX {
        return None;
    }
    let is_short = |is_v4: bool| {
        let longest = mtu.saturating_sub(OVERHEAD_MIN + headers(is_v4));
        let mut routes = seen.routes.iter().filter(|r| r.is_v4 == is_v4).peekable();
        routes.peek().is_some() && routes.all(|r| r.advmss.is_some_and(|mss| mss <= longest))
    };
    let families = [true, false].map(|v4| wanted.vips.iter().any(|vip| vip.is_ipv4() == v4));
    let long: Vec<bool> = [true, false]
        .into_iter()
        .zip(families)
        .filter(|&(is_v4, is_used)| is_used && !is_short(is_v4))
        .map(|(is_v4, _)| is_v4)
        .collect();
    if long.is_empty() {
        return None;
    }
    if *mtu >= CLIENT_MTU + OVERHEAD_MIN {
        return Some(Finding::warning(format_args!(
            "{interface}: an MTU of {mtu} is enough for packets of {CLIENT_MTU} bytes in IP in IP over IPv4 alone; for all tunnels: {}",
            larger(interface)
        )));
    }
    Some(Finding::fault(
        format_args!(
            "{interface}: clients send packets of up to {CLIENT_MTU} bytes, which in a tunnel are longer than the MTU of {mtu}, so uploads hang"
        ),
        fixes(seen, &long),
    ))
}

fn larger(interface: &str) -> String {
    format!(
        "ip link set {interface} mtu {} (and so on the whole way from the balancer)",
        CLIENT_MTU + OVERHEAD_MAX
    )
}

/// Each of them mends it.
fn fixes(seen: &Sight, long: &[bool]) -> String {
    let advmss = |is_v4: bool| seen.mtu.saturating_sub(OVERHEAD_MAX + headers(is_v4));
    let routes: Vec<String> = seen
        .routes
        .iter()
        .filter(|route| long.contains(&route.is_v4))
        .map(|route| route.command(advmss(route.is_v4)))
        .collect();
    let routes = if routes.is_empty() {
        // The way to clients is none by default; which one, only its maker knows.
        let mss = advmss(long.contains(&true));
        format!("advmss {mss} on the routes to clients")
    } else {
        routes.join(" && ")
    };
    format!(
        "{}, or: {routes}, or: {}",
        decap(&seen.interface),
        larger(&seen.interface)
    )
}
