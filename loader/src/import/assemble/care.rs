//! How a service's backends are checked, and who stands in for them.

use super::backends::{self, Backend};
use super::said;
use crate::config::At;
use crate::config::care::port;
use crate::config::document::ServiceTable;
use crate::config::values::Values;
use crate::import::Remarks;
use crate::import::address::number;
use crate::import::scheduler::Scheduler;
use crate::import::service::{Check, Real, Virtual};
use crate::model::{Forward, ServiceAddress};
use std::net::IpAddr;

/// What of it carries over.
#[derive(Default)]
pub struct Care {
    check: Option<Values>,
    quorum: Option<u32>,
    sorry: Option<IpAddr>,
}

/// What of a service's carries over, and remarks about the rest.
pub fn read(
    service: &Virtual,
    addresses: &[ServiceAddress],
    scheduler: Option<Scheduler>,
    backends: &[Backend],
    remarks: &mut Remarks,
) -> Care {
    // Of two that are one, the first.
    let first = |backend: &Backend| {
        let mut reals = service.reals.iter();
        reals.find(|real| real.address == backend.address)
    };
    let reals: Vec<&Real> = backends.iter().filter_map(first).collect();
    Care {
        check: check(addresses, &reals, remarks),
        quorum: quorum(service, &reals, remarks),
        sorry: sorry(service, addresses, scheduler, backends, remarks),
    }
}

impl Care {
    /// Puts it into a table that has all else.
    pub fn put(&self, table: &mut ServiceTable) {
        table.quorum = self.quorum.map(said);
        table.sorry = self.sorry.map(said);
        let Some(check) = &self.check else {
            return;
        };
        let mut check = check.clone();
        let kind = check.text("type").unwrap_or_default();
        let usual = port(table, kind);
        if check.count("port") == usual.map(u32::from) {
            check.0.remove("port");
        }
        table.check = Some(At::new(check, 0..0));
    }
}

/// The check of the first backend that has one: it becomes that of all.
fn check(addresses: &[ServiceAddress], reals: &[&Real], remarks: &mut Remarks) -> Option<Values> {
    let first = reals.iter().find_map(|real| real.check.as_ref())?;
    let Check {
        line,
        keyword,
        values,
    } = first;
    let kind = values.text("type").unwrap_or_default();
    let has_port = values.contains_key("port") || addresses.iter().any(|own| own.port != 0);
    if kind != "exec" && !has_port {
        let text = format!("{keyword} asks at no port: the service takes any");
        remarks.left_out(*line, text);
        return None;
    }
    let whose = match kind {
        "exec" => "",
        _ => " of backends' own addresses, as there (path \"vip\" would find one without the VIP)",
    };
    remarks.note(
        *line,
        format!(
            "{keyword} becomes a check of type {kind}{whose}; one that failed is repeated after `every`"
        ),
    );
    for real in reals {
        match &real.check {
            Some(check) if check.values == *values => {}
            Some(check) => remarks.left_out(
                check.line,
                format!(
                    "{} differs from {keyword} of line {line}, and a service has one check",
                    check.keyword
                ),
            ),
            None => remarks.note(
                real.line,
                format!(
                    "backend {} has no check there, and that of line {line} here",
                    backends::name(real)
                ),
            ),
        }
    }
    Some(values.clone())
}

fn quorum(service: &Virtual, reals: &[&Real], remarks: &mut Remarks) -> Option<u32> {
    let (line, text) = service.quorum.as_ref()?;
    let Some(said) = number::<u32>(text).filter(|&quorum| quorum != 0) else {
        remarks.left_out(*line, format!("quorum '{text}' is no number from 1 on"));
        return None;
    };
    let is_one = |real: &&Real| real.weight.as_ref().is_none_or(|(_, weight)| weight == "1");
    let own = u32::try_from(reals.len()).unwrap_or(u32::MAX);
    let quorum = said.min(own);
    if quorum != said || !reals.iter().all(is_one) {
        remarks.note(
            *line,
            format!("quorum {said} becomes {quorum}: it is of backends, not of their weights"),
        );
    }
    Some(quorum).filter(|&quorum| quorum != 1)
}

fn sorry(
    service: &Virtual,
    addresses: &[ServiceAddress],
    scheduler: Option<Scheduler>,
    backends: &[Backend],
    remarks: &mut Remarks,
) -> Option<IpAddr> {
    let real = service.sorry.as_ref()?;
    let title = backends::name(real);
    let way = backends::common(backends).unwrap_or(Forward::L2);
    let read = backends::backend(real, addresses, scheduler, remarks);
    let sorry = read.and_then(|sorry| {
        if backends.iter().any(|b| b.address == sorry.address) {
            return Err(format!("{title} is a backend of this service already"));
        }
        if sorry.forward != way {
            return Err(format!(
                "{title} is reached by {}, and what is said of the service is {way}",
                sorry.forward
            ));
        }
        Ok(sorry.address)
    });
    sorry
        .map_err(|why| remarks.left_out(real.line, format!("sorry_server {why}")))
        .ok()
}
