//! What of `[run]`, of checks and of who stands in differs, for people.

use super::finding::plain;
use super::quantity::Period;
use crate::model::Word;
use crate::model::check::{Check, Probe};
use crate::model::run::{Care, Run};
use std::fmt::Debug;
use std::time::Duration;

/// Names of keys, with their values as words.
type Pairs = Vec<(&'static str, String)>;

/// What of `[run]` differs.
pub fn of_run(was: &Run, is: &Run) -> Vec<String> {
    differing("", &run(was), &run(is))
}

/// What of a service differs besides forwarding.
pub fn of_service(was: &Care, is: &Care) -> Vec<String> {
    let mut out = differing("", &care(was), &care(is));
    match (&was.check, &is.check) {
        (Some(was), Some(is)) => out.extend(differing("check ", &check(was), &check(is))),
        (Some(was), None) => out.push(format!("check {} to none", was.probe.name())),
        (None, Some(is)) => out.push(format!("check none to {}", is.probe.name())),
        (None, None) => {}
    }
    out
}

/// What differs of keys that both have: checks of two types share some.
fn differing(what: &str, was: &Pairs, is: &Pairs) -> Vec<String> {
    let both = was.iter().filter_map(|(name, was)| {
        let (_, is) = is.iter().find(|(other, _)| other == name)?;
        Some((name, was, is))
    });
    let different = both.filter(|(_, was, is)| was != is);
    different
        .map(|(name, was, is)| plain(&format!("{what}{name} {was} to {is}")))
        .collect()
}

fn time(time: Duration) -> String {
    Period(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).to_string()
}

/// A word, quoted; `none` where there is none.
fn maybe(value: Option<&(impl Debug + ?Sized)>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
}

fn words(words: &[String]) -> String {
    match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(" "),
    }
}

fn run(run: &Run) -> Pairs {
    let listen = run
        .listen
        .map_or("none".to_owned(), |address| address.to_string());
    vec![
        ("listen", listen),
        ("hook", words(&run.hook)),
        ("hook_timeout", time(run.hook_timeout)),
        ("log", run.log.word().to_owned()),
        ("on_exit", run.on_exit.word().to_owned()),
        ("exit_after", time(run.exit_after)),
        ("announce_device", run.announce.device.clone()),
        ("announce_table", run.announce.table.to_string()),
        ("announce_protocol", run.announce.protocol.to_string()),
        ("idle", time(run.idle)),
        ("window", time(run.window)),
    ]
}

fn care(care: &Care) -> Pairs {
    let sorry = care
        .sorry
        .map_or("none".to_owned(), |sorry| sorry.to_string());
    vec![
        ("quorum", care.quorum.to_string()),
        ("sorry", sorry),
        (
            "announce",
            if care.announce { "on" } else { "off" }.to_owned(),
        ),
    ]
}

fn check(check: &Check) -> Pairs {
    let mut pairs = vec![
        ("type", check.probe.name().to_owned()),
        ("port", check.port.to_string()),
        ("path", check.path.word().to_owned()),
        ("every", time(check.every)),
        ("timeout", time(check.timeout)),
        ("rise", check.rise.to_string()),
        ("fall", check.fall.to_string()),
        ("jitter", check.jitter.to_string()),
    ];
    if let Probe::Http(http) | Probe::Https(http, _) = &check.probe {
        let status = http
            .status
            .iter()
            .map(|(first, last)| format!("{first}-{last}"));
        pairs.push(("url", http.url.clone()));
        pairs.push(("host", maybe(http.host.as_ref())));
        pairs.push(("status", status.collect::<Vec<_>>().join(", ")));
        pairs.push(("body", maybe(http.body.as_ref())));
    }
    match &check.probe {
        Probe::Https(_, tls) => {
            pairs.push(("sni", maybe(tls.sni.as_ref())));
            pairs.push(("verify", tls.verify.to_string()));
            pairs.push(("ca", maybe(tls.ca.as_ref())));
        }
        Probe::Udp(udp) => {
            let text = |bytes: &[u8]| format!("\"{}\"", bytes.escape_ascii());
            pairs.push(("send", text(&udp.send)));
            let expect = udp.expect.as_deref();
            pairs.push(("expect", expect.map_or("none".to_owned(), text)));
        }
        Probe::Dns(dns) => {
            pairs.push(("query", dns.name.clone()));
            pairs.push(("record", dns.record.to_string()));
        }
        Probe::Exec(command) => pairs.push(("command", words(command))),
        Probe::Tcp | Probe::Http(_) => {}
    }
    pairs
}
