//! `virtual_server` and its `real_server` blocks.

use super::checker;
use super::group::{Groups, mark};
use super::unknown;
use super::untaken;
use super::words::Statement;
use crate::import::Remarks;
use crate::import::address;
use crate::import::scheduler;
use crate::import::service::{self, Method, PERSISTENCE, Persistence, Real, Virtual};
use crate::model::service::parse_address;
use crate::model::{Protocol, ServiceAddress};

/// Reads a `virtual_server`.
///
/// # Errors
///
/// Why it is left out.
pub fn read(server: &Statement, groups: &Groups, remarks: &mut Remarks) -> Result<Virtual, String> {
    let protocol = protocol(server)?;
    let (name, addresses) = match (server.value(1), server.value(2)) {
        ("fwmark", number) => return Err(format!("service of {}", mark(number))),
        ("group", name) => {
            let addresses = groups
                .find(name)
                .ok_or_else(|| format!("there is no group {name}"))?;
            if addresses.is_empty() {
                return Err(format!("service of group {name}, which has no address"));
            }
            (Some(name.to_owned()), addresses.clone())
        }
        (vip, port) => {
            let own = (server.line, parse_address(vip)?, number_of(port)?);
            (None, vec![own])
        }
    };
    let addresses = addresses.into_iter().map(|(line, vip, port)| {
        let address = ServiceAddress {
            vip,
            port,
            protocol,
        };
        (line, address)
    });
    let mut service = Virtual {
        line: server.line,
        name,
        addresses: addresses.collect(),
        ..Virtual::default()
    };
    let way = way(server).unwrap_or(Ok(Method::Nat));
    let weight = value(server, &["weight"]);
    for child in server.children() {
        match child.keyword() {
            "real_server" => match real(child, server, &way, weight, remarks) {
                Ok(real) => service.reals.push(real),
                Err(why) => remarks.left_out(
                    child.line,
                    format!("backend {} {}: {why}", child.value(1), child.value(2)),
                ),
            },
            _ => setting(child, &mut service, remarks),
        }
    }
    service.persistence = persistence(server);
    service.quorum = value(server, &["quorum"]).map(|(line, text)| (line, text.to_owned()));
    if let Some(statement) = last(server, &["sorry_server"]) {
        let way = last(server, &["sorry_server_lvs_method"]).map_or(way, method);
        match sorry(statement, way) {
            Ok(real) => service.sorry = Some(real),
            Err(why) => remarks.left_out(statement.line, format!("sorry_server: {why}")),
        }
    }
    Ok(service)
}

fn number_of(port: &str) -> Result<u16, String> {
    match port {
        "" => Ok(0),
        text => address::port(text),
    }
}

/// The last statement with one of these keywords: it is the one that counts.
pub fn last<'s>(block: &'s Statement, keywords: &[&str]) -> Option<&'s Statement> {
    let mut children = block.children().iter().rev();
    children.find(|child| keywords.contains(&child.keyword()))
}

fn value<'s>(block: &'s Statement, keywords: &[&str]) -> Option<(usize, &'s str)> {
    last(block, keywords).map(|child| (child.line, child.value(1)))
}

fn protocol(server: &Statement) -> Result<Protocol, String> {
    match value(server, &["protocol"]) {
        None => Ok(Protocol::Tcp),
        Some((_, word)) => match word.to_ascii_uppercase().as_str() {
            "TCP" => Ok(Protocol::Tcp),
            "UDP" => Ok(Protocol::Udp),
            _ => Err(format!(
                "service {} {} of protocol {word}: dsrload balances TCP and UDP",
                server.value(1),
                server.value(2)
            )),
        },
    }
}

fn persistence(server: &Statement) -> Option<Persistence> {
    let (line, seconds) = value(server, &["persistence_timeout"])?;
    let seconds = match seconds {
        // What older versions take for none.
        "0" => return None,
        "" => PERSISTENCE,
        seconds => seconds,
    };
    let mask = value(server, &["persistence_granularity"]);
    Some(Persistence {
        line,
        seconds: seconds.to_owned(),
        mask: mask.map(|(line, mask)| (line, mask.to_owned())),
    })
}

/// How packets get to backends, if the block says it.
fn way(block: &Statement) -> Option<Result<Method, String>> {
    last(block, &["lvs_method", "lb_kind"]).map(method)
}

fn method(statement: &Statement) -> Result<Method, String> {
    let after = |word: &str| {
        let place = statement.words.iter().position(|w| w == word)?;
        statement.words.get(place + 1).map(String::as_str)
    };
    let word = statement.value(1);
    match word.to_ascii_uppercase().as_str() {
        "DR" => Ok(Method::Route),
        "NAT" => Ok(Method::Nat),
        "TUN" => service::tunnel(after("type").unwrap_or("ipip"), after("port")),
        _ => Err(format!("{} '{word}' is not known", statement.keyword())),
    }
}

/// Takes a keyword of a service, or says what becomes of it.
fn setting(statement: &Statement, service: &mut Virtual, remarks: &mut Remarks) {
    let line = statement.line;
    match statement.keyword() {
        "lvs_sched" | "lb_algo" => {
            service.scheduler = Some((line, statement.value(1).to_owned()));
        }
        flag if scheduler::is_by_port(flag) => service.is_by_port = true,
        // Another backend in the place of one that is out is what always happens.
        "flag-1" | "sh-fallback" | "mh-fallback" => {}
        // Read already, or what it is for is.
        "lvs_method" | "lb_kind" | "protocol" | "weight" | "ip_family" => {}
        "persistence_timeout" | "persistence_granularity" => {}
        "ops" => remarks.note(
            line,
            "one-packet scheduling (ops): packets of one flow stay together",
        ),
        "persistence_engine" => remarks.left_out(
            line,
            format!(
                "persistence engine {}: dsrload does not look into packets",
                statement.value(1)
            ),
        ),
        "quorum" | "sorry_server" | "sorry_server_lvs_method" => {}
        _ => later(statement, remarks),
    }
}

/// Keywords of checks, and of what does not carry over.
fn later(statement: &Statement, remarks: &mut Remarks) {
    let (line, keyword) = (statement.line, statement.keyword());
    // They are read where a check is.
    if checker::INHERITED.contains(&keyword) {
        return;
    }
    if let Some((fate, why)) = untaken::fate(keyword) {
        return remarks.add(line, fate, &format!("{keyword}: {why}"));
    }
    let why = match keyword {
        "ha_suspend" => "backends are checked wherever `dsrload run` is",
        "hysteresis" => "a quorum is one number; `rise` and `fall` calm backends",
        "inhibit_on_failure" => "`on_dead` says what becomes of a failed backend's connections",
        "omega" => "`on_exit` of [run] says what is done at the end",
        "notify_down" | "notify_up" | "quorum_down" | "quorum_up" | "smtp_alert" => {
            "`hook` of [run] names a program that is told of all changes"
        }
        "sorry_server_inhibit" => "a sorry backend is there or not",
        "lthreshold" | "uthreshold" => "bounds of connections, which are not counted",
        "nat_mask" | "net_mask" => "it belongs to NAT",
        "snmp_name" => "dsrload does not speak SNMP",
        _ => return unknown(statement, remarks),
    };
    remarks.left_out(line, format!("{keyword}: {why}"));
}

/// Who stands in for the others.
fn sorry(statement: &Statement, way: Result<Method, String>) -> Result<Real, String> {
    Ok(Real {
        line: statement.line,
        address: parse_address(statement.value(1))?,
        port: number_of(statement.value(2))?,
        method: way?,
        weight: None,
        check: None,
    })
}

fn real(
    statement: &Statement,
    server: &Statement,
    way_of_service: &Result<Method, String>,
    weight_of_service: Option<(usize, &str)>,
    remarks: &mut Remarks,
) -> Result<Real, String> {
    let address = parse_address(statement.value(1))?;
    let port = number_of(statement.value(2))?;
    let method = way(statement).unwrap_or_else(|| way_of_service.clone())?;
    for child in statement.children() {
        match child.keyword() {
            "lvs_method" | "lb_kind" | "weight" => {}
            keyword if checker::is_checker(keyword) => {}
            _ => later(child, remarks),
        }
    }
    let weight = value(statement, &["weight"]).or(weight_of_service);
    Ok(Real {
        line: statement.line,
        address,
        port,
        method,
        weight: weight.map(|(line, weight)| (line, weight.to_owned())),
        check: checker::read(server, statement, port, remarks),
    })
}
