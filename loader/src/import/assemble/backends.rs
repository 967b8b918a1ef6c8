//! The backends of a service.

use super::{fit, said};
use crate::config::document::BackendTable;
use crate::import::Remarks;
use crate::import::address::number;
use crate::import::scheduler::Scheduler;
use crate::import::service::{Method, Real, Virtual};
use crate::model::{Forward, ServiceAddress, State, TunnelKind};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// A backend that carries over.
pub struct Backend {
    pub address: IpAddr,
    pub forward: Forward,
    /// `None` for 1.
    weight: Option<u16>,
    state: Option<State>,
}

/// The backends that carry over, and remarks about the others.
pub fn read(
    service: &Virtual,
    addresses: &[ServiceAddress],
    scheduler: Option<Scheduler>,
    remarks: &mut Remarks,
) -> Vec<Backend> {
    let mut backends: Vec<Backend> = Vec::new();
    let mut known = BTreeSet::new();
    for real in &service.reals {
        let backend = if known.contains(&real.address) {
            Err(format!(
                "{} is a backend of this service already",
                name(real)
            ))
        } else {
            backend(real, addresses, scheduler, remarks)
        };
        match backend {
            Ok(backend) => {
                known.insert(backend.address);
                backends.push(backend);
            }
            Err(why) => remarks.left_out(real.line, format!("backend {why}")),
        }
    }
    backends
}

/// How it is called in remarks.
pub fn name(real: &Real) -> String {
    match (real.address, real.port) {
        (address, 0) => address.to_string(),
        (IpAddr::V4(address), port) => format!("{address}:{port}"),
        (IpAddr::V6(address), port) => format!("[{address}]:{port}"),
    }
}

/// One that carries over.
///
/// # Errors
///
/// Why it does not.
pub fn backend(
    real: &Real,
    addresses: &[ServiceAddress],
    scheduler: Option<Scheduler>,
    remarks: &mut Remarks,
) -> Result<Backend, String> {
    let (address, title) = (real.address, name(real));
    let forward = forward(real)?;
    if addresses.iter().any(|own| own.vip == address) {
        return Err(format!("{title} is the VIP itself"));
    }
    let mut vips = addresses.iter().map(|own| own.vip);
    let other = vips.find(|vip| vip.is_ipv4() != address.is_ipv4());
    if let Some(vip) = other.filter(|_| forward == Forward::L2) {
        return Err(format!(
            "{title} is of another IP version than VIP {vip}, and gets packets as they are"
        ));
    }
    let (weight, state) = weight(real, &title, scheduler, remarks)?;
    let is_own_port = |own: &ServiceAddress| own.port == real.port || own.port == 0;
    if real.port != 0 && !addresses.iter().any(is_own_port) {
        remarks.note(
            real.line,
            format!(
                "backend {title}: packets keep the service's port, with IPVS too unless it does NAT"
            ),
        );
    }
    if let Forward::Tunnel(TunnelKind::Gue(_)) = forward {
        remarks.note(
            real.line,
            format!(
                "backend {title}: dsrload sends GUE of variant 1, without a header of its own; Linux (`ip fou add ... gue`) and `dsrload decap` take it"
            ),
        );
    }
    Ok(Backend {
        address,
        forward,
        weight,
        state,
    })
}

fn forward(real: &Real) -> Result<Forward, String> {
    match real.method {
        Method::Route => Ok(Forward::L2),
        Method::Ipip => Ok(Forward::Tunnel(TunnelKind::Ipip)),
        Method::Gue(port) => Ok(Forward::Tunnel(TunnelKind::Gue(port))),
        Method::Gre => Err(format!(
            "{} is reached by GRE, which dsrload does not speak: use ipip or gue",
            name(real)
        )),
        Method::Nat => Err(format!(
            "{} is reached by NAT (masquerading), and its answers pass the balancer; with dsrload they go straight to the client, so the backend must hold the VIP: see `dsrload backend setup`",
            name(real)
        )),
    }
}

/// Its weight, unless that is 1, and its state.
fn weight(
    real: &Real,
    title: &str,
    scheduler: Option<Scheduler>,
    remarks: &mut Remarks,
) -> Result<(Option<u16>, Option<State>), String> {
    let Some((line, text)) = &real.weight else {
        return Ok((None, None));
    };
    let weight: u16 = number(text)
        .ok_or_else(|| format!("{title}: weight '{text}' is no number from 0 to 65535"))?;
    if weight == 0 {
        remarks.note(
            *line,
            format!("backend {title}: weight 0 becomes state \"drain\""),
        );
        return Ok((None, Some(State::Drain)));
    }
    if let Some(scheduler) = scheduler.filter(|s| !s.is_weighted && weight != 1) {
        remarks.note(
            *line,
            format!(
                "backend {title}: weight {weight} is not taken, since scheduler {} does not look at it",
                scheduler.name
            ),
        );
        return Ok((None, None));
    }
    Ok((Some(weight).filter(|&weight| weight != 1), None))
}

/// How packets get to all of them, if it is one way.
pub fn common(backends: &[Backend]) -> Option<Forward> {
    let first = backends.first().map(|backend| backend.forward);
    first.filter(|&way| backends.iter().all(|backend| backend.forward == way))
}

/// The same, and their entries.
pub fn tables(backends: &[Backend]) -> (Option<Forward>, Vec<BackendTable>) {
    let common = common(backends);
    let entries = backends.iter().map(|backend| BackendTable {
        name: said(fit(&backend.address.to_string())),
        ip: said(backend.address),
        weight: backend.weight.map(said),
        forward: Some(backend.forward)
            .filter(|&way| common.is_none() && way != Forward::L2)
            .map(said),
        mac: None,
        state: backend.state.map(said),
    });
    (common, entries.collect())
}
