//! What the tables of `run` and of checks mean.

use super::bytes;
use super::document::{Document, ServiceTable};
use super::values::{self, Values};
use crate::model::check::{Check, Dns, Http, Path, Probe, Tls, Udp};
use crate::model::run::{Announce, Care, Run};
use crate::model::{Protocol, Word};
use std::time::Duration;

/// What `[run]` means.
#[must_use]
pub fn run(document: &Document) -> Run {
    let table = &document.run;
    let default = Run::default();
    let announce = Announce::default();
    Run {
        listen: table.text("listen").and_then(|text| text.parse().ok()),
        hook: table.list("hook").to_vec(),
        hook_timeout: table.time("hook_timeout").unwrap_or(default.hook_timeout),
        log: word(table, "log").unwrap_or_default(),
        on_exit: word(table, "on_exit").unwrap_or_default(),
        exit_after: table.time("exit_after").unwrap_or(default.exit_after),
        announce: Announce {
            device: table
                .text("announce_device")
                .map_or(announce.device, str::to_owned),
            table: table.count("announce_table").unwrap_or(announce.table),
            protocol: table
                .count("announce_protocol")
                .and_then(|number| u8::try_from(number).ok())
                .unwrap_or(announce.protocol),
        },
        idle: table.time("idle").unwrap_or(default.idle),
        window: table.time("window").unwrap_or(default.window),
    }
}

/// What a service is given besides forwarding.
#[must_use]
pub fn care(service: &ServiceTable) -> Care {
    Care {
        check: service
            .check
            .as_ref()
            .and_then(|at| check(service, &at.value)),
        quorum: service.quorum.as_ref().map_or(1, |at| at.value),
        sorry: service.sorry.as_ref().map(|at| at.value),
        announce: service.announce.as_ref().is_some_and(|at| at.value),
    }
}

fn word<T: Word>(table: &Values, name: &str) -> Option<T> {
    T::from_word(table.text(name)?)
}

/// The port that is asked if none is said: the lowest one, of UDP for those that ask
/// by UDP, if there is one. None if only `*` is there.
#[must_use]
pub fn port(service: &ServiceTable, kind: &str) -> Option<u16> {
    let preferred = match kind {
        "udp" | "dns" => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    let ports = service.addresses().map(|at| at.value);
    let ports = ports.filter(|address| address.port != 0);
    ports
        .map(|address| (address.protocol != preferred, address.port))
        .min()
        .map(|(_, port)| port)
}

/// What a check means. None without a port or a type, which the checker tells of.
fn check(service: &ServiceTable, table: &Values) -> Option<Check> {
    let kind = table.text("type")?;
    let said = table.count("port");
    let said = said.and_then(|port| u16::try_from(port).ok());
    let is_program = kind == "exec";
    let port = said.or_else(|| port(service, kind));
    let every = table.time("every").unwrap_or(Duration::from_secs(2));
    let timeout = Duration::from_secs(1).min(every);
    let path = word(table, "path").unwrap_or(match is_program {
        true => Path::Real,
        false => Path::Vip,
    });
    Some(Check {
        probe: probe(kind, table)?,
        port: match is_program {
            true => port.unwrap_or(0),
            false => port?,
        },
        path,
        every,
        timeout: table.time("timeout").unwrap_or(timeout),
        rise: table.count("rise").unwrap_or(2),
        fall: table.count("fall").unwrap_or(3),
        jitter: table.count("jitter").unwrap_or(10),
    })
}

fn probe(kind: &str, table: &Values) -> Option<Probe> {
    Some(match kind {
        "tcp" => Probe::Tcp,
        "http" => Probe::Http(http(table)),
        "https" => Probe::Https(
            http(table),
            Tls {
                sni: table.text("sni").map(str::to_owned),
                verify: table.flag("verify").unwrap_or(true),
                ca: table.text("ca").map(str::to_owned),
            },
        ),
        "udp" => Probe::Udp(Udp {
            send: data(table, "send").unwrap_or_default(),
            expect: data(table, "expect"),
        }),
        "dns" => {
            let name = table.text("query").unwrap_or(".");
            let record = table.text("record");
            let record = record.unwrap_or(if name == "." { "NS" } else { "A" });
            Probe::Dns(Dns {
                name: name.to_owned(),
                record: values::record(record).ok()?,
            })
        }
        "exec" => Probe::Exec(table.list("command").to_vec()),
        _ => return None,
    })
}

fn http(table: &Values) -> Http {
    let status = table.list("status").iter();
    let mut status: Vec<(u16, u16)> = status.filter_map(|s| values::status(s).ok()).collect();
    status.sort_unstable();
    if status.is_empty() {
        status.push((200, 299));
    }
    Http {
        url: table.text("url").unwrap_or("/").to_owned(),
        host: table.text("host").map(str::to_owned),
        status,
        body: table.text("body").map(str::to_owned),
    }
}

fn data(table: &Values, name: &str) -> Option<Vec<u8>> {
    bytes::parse(table.text(name)?).ok()
}

/// The keys that only some types of checks have, and those types.
pub const OF_TYPES: &[(&str, &[&str])] = &[
    ("url", &["http", "https"]),
    ("host", &["http", "https"]),
    ("status", &["http", "https"]),
    ("body", &["http", "https"]),
    ("sni", &["https"]),
    ("verify", &["https"]),
    ("ca", &["https"]),
    ("send", &["udp"]),
    ("expect", &["udp"]),
    ("query", &["dns"]),
    ("record", &["dns"]),
    ("command", &["exec"]),
];
