//! A document becomes text: canonical, so that two files that say the same
//! give the same text.

use super::document::{At, BackendTable, BalancerTable, Document, ServiceTable};
use super::keys::Place;
use super::values::Values;
use crate::model::Word;
use std::fmt::{self, Display, Write};

/// The document as a config file. What is at its default is written only if the
/// document says so.
#[must_use]
pub fn write(document: &Document) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = tables(&mut out, document);
    out
}

fn tables(out: &mut String, document: &Document) -> fmt::Result {
    let balancer = pairs(Place::Balancer, |key| of_balancer(&document.balancer, key));
    if !balancer.is_empty() {
        writeln!(out, "[balancer]")?;
        lines(out, &balancer)?;
    }
    if !document.run.is_empty() {
        if !out.is_empty() {
            writeln!(out)?;
        }
        writeln!(out, "[run]")?;
        for (key, value) in document.run.in_order(Place::Run) {
            writeln!(out, "{} = {}", key.name, value.value)?;
        }
    }
    for service in &document.services {
        if !out.is_empty() {
            writeln!(out)?;
        }
        let name = key_text(&service.name.value);
        writeln!(out, "[service.{name}]")?;
        lines(out, &pairs(Place::Service, |key| of_service(service, key)))?;
        writeln!(out, "\n[service.{name}.backends]")?;
        for backend in &service.backends {
            writeln!(
                out,
                "{} = {}",
                key_text(&backend.name.value),
                entry(backend)
            )?;
        }
    }
    Ok(())
}

/// Keys with their values, those that are said, in the order of the key table.
fn pairs(place: Place, value: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    place
        .keys()
        .filter_map(|key| Some((key.name, value(key.name)?)))
        .collect()
}

fn lines(out: &mut String, pairs: &[(&str, String)]) -> fmt::Result {
    pairs
        .iter()
        .try_for_each(|(key, value)| writeln!(out, "{key} = {value}"))
}

fn of_balancer(table: &BalancerTable, key: &str) -> Option<String> {
    match key {
        "seed" => table.seed.as_ref().map(quoted),
        "flows" => table.flows.as_ref().map(plain),
        "slots" => table.slots.as_ref().map(plain),
        "mode" => table.mode.as_ref().map(word),
        "echo" => table.echo.as_ref().map(plain),
        _ => None,
    }
}

fn of_service(table: &ServiceTable, key: &str) -> Option<String> {
    match key {
        "vip" => list(&table.vip),
        "ports" => list(&table.ports),
        "also" => list(&table.also),
        "policy" => table.policy.as_ref().map(word),
        "tracking" => table.tracking.as_ref().map(word),
        "affinity" => table.affinity.as_ref().map(quoted),
        "on_dead" => table.on_dead.as_ref().map(word),
        "forward" => table.forward.as_ref().map(quoted),
        "source" => list(&table.source),
        "allow" => list(&table.allow),
        "deny" => list(&table.deny),
        "check" => table.check.as_ref().map(|at| check(&at.value)),
        "quorum" => table.quorum.as_ref().map(plain),
        "sorry" => table.sorry.as_ref().map(quoted),
        "announce" => table.announce.as_ref().map(plain),
        _ => None,
    }
}

/// An inline table.
fn check(check: &Values) -> String {
    let pairs: Vec<String> = check
        .in_order(Place::Check)
        .map(|(key, value)| format!("{} = {}", key.name, value.value))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn of_backend(table: &BackendTable, key: &str) -> Option<String> {
    match key {
        "ip" => Some(quoted(&table.ip)),
        "weight" => table.weight.as_ref().map(plain),
        "forward" => table.forward.as_ref().map(quoted),
        "mac" => table.mac.as_ref().map(quoted),
        "state" => table.state.as_ref().map(word),
        _ => None,
    }
}

/// A backend: its address, if nothing else is said of it.
fn entry(backend: &BackendTable) -> String {
    match pairs(Place::Backend, |key| of_backend(backend, key)).as_slice() {
        [(_, ip)] => ip.clone(),
        pairs => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn plain(at: &At<impl Display>) -> String {
    at.value.to_string()
}

fn word(at: &At<impl Word>) -> String {
    text(at.value.word())
}

fn quoted(at: &At<impl Display>) -> String {
    text(&at.value.to_string())
}

/// One text, or a list of several; nothing for none.
fn list(list: &[At<impl Display>]) -> Option<String> {
    match list {
        [] => None,
        [one] => Some(quoted(one)),
        several => {
            let several: Vec<String> = several.iter().map(quoted).collect();
            Some(format!("[{}]", several.join(", ")))
        }
    }
}

/// A basic string.
pub fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key: bare if it can be.
fn key_text(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        text(name)
    }
}
