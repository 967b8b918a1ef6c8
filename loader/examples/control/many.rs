//! Many services: loading them, changing one thing of them, and what memory they
//! take.

use super::process::{Line, answer};
use super::report::{Row, rows};
use super::rounds::{Contest, Entrant, hold, repeat};
use super::stand::{Stand, backend, services, vip};
use dsrload::EMBEDDED;
use dsrload::datapath::program::Maker;
use dsrload::datapath::tables::Capacity;
use dsrload::datapath::{Tables, find};
use dsrload::model::placement::{Loaded, place};
use dsrload::netlink::Netlink;
use dsrload::object::Spec;
use dsrload::sys::bpf::map_by_id;
use serde_json::Value;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

/// Services, and backends of each; the last is as many as there is room for.
const SIZES: [[u32; 2]; 3] = [[1, 2], [100, 2], [1024, 4]];

/// All contests.
///
/// # Errors
///
/// A command failed.
pub fn contests(stand: &Stand) -> io::Result<Vec<Row>> {
    let mut rows = load(stand)?;
    for size in [SIZES[0], SIZES[2]] {
        rows.extend(change(stand, size)?);
    }
    rows.extend(parts(stand)?);
    rows.extend(maps(stand)?);
    Ok(rows)
}

fn called([count, backends]: [u32; 2]) -> String {
    format!("{count} x {backends}")
}

fn load(stand: &Stand) -> io::Result<Vec<Row>> {
    let entrants = SIZES.map(|[count, backends]| Entrant {
        program: format!("dsrload, {}", called([count, backends])),
        timed: stand.load("skb", services(count, backends)),
        after: vec![stand.dsrload("--unload v0")],
        before: Vec::new(),
    });
    let contest = Contest {
        group: "many services",
        name: "load and attach, skb",
        reference: "dsrload, 1 x 2",
    };
    hold(contest, &entrants)
}

/// Verbs on what is loaded, against loading it all again.
fn change(stand: &Stand, size: [u32; 2]) -> io::Result<Vec<Row>> {
    let [count, backends] = size;
    let same = stand.load("skb", services(count, backends));
    let other = with_another_backend(&same, count * backends);
    let last = format!("{}:80", vip(count - 1));
    let own = format!("{last}/{}", backend(count * backends - 1));
    let new = backend(count * backends);
    let member = |verb: &str| stand.dsrload(&format!("{verb} -t {last} -r {new}"));
    let state = |verb: &str| stand.dsrload(&format!("{verb} {own}"));
    let entrant = |program: &str, before: &[&Line], timed: Line, after: &[&Line]| Entrant {
        program: program.to_owned(),
        before: before.iter().map(|&line| line.clone()).collect(),
        timed,
        after: after.iter().map(|&line| line.clone()).collect(),
    };
    let entrants = [
        entrant("load the same", &[], same.clone(), &[]),
        entrant("load with one backend changed", &[], other, &[&same]),
        entrant("drain", &[], state("drain"), &[&state("ready")]),
        entrant("add", &[], member("add"), &[&member("del")]),
        entrant("del", &[&member("add")], member("del"), &[]),
        entrant("status", &[], stand.dsrload("status"), &[]),
        entrant("stats", &[], stand.dsrload("stats"), &[]),
    ];
    super::process::run(&same)?;
    let name = called(size);
    let contest = Contest {
        group: "change what is loaded",
        name: &name,
        reference: "load the same",
    };
    let rows = hold(contest, &entrants)?;
    super::process::run(&stand.dsrload("--unload v0"))?;
    Ok(rows)
}

/// The same command with another address for the last backend.
fn with_another_backend(load: &Line, number: u32) -> Line {
    let mut other = load.clone();
    if let Some(backends) = other.last_mut() {
        let kept = backends.rfind(',').map_or(0, |comma| comma + 1);
        backends.truncate(kept);
        backends.push_str(&backend(number));
    }
    other
}

/// Where a load spends its time, step by step, in this process.
fn parts(stand: &Stand) -> io::Result<Vec<Row>> {
    let [count, backends] = SIZES[2];
    super::process::run(&stand.load("skb", services(count, backends)))?;
    let names = [
        "parse the object",
        "make the tables",
        "load the program: verifier and JIT",
        "place 1024 x 4",
    ];
    let rows = repeat("parts of a load", names, || {
        let mut clock = Clock(Instant::now());
        let spec = Spec::parse(EMBEDDED).map_err(io::Error::other)?;
        let parse = clock.lap();
        let capacity = Capacity::default();
        let tables = Tables::create(&spec, capacity).map_err(io::Error::other)?;
        let make = clock.lap();
        let maker = Maker::new(&spec, &tables).map_err(io::Error::other)?;
        maker.make(0).map_err(io::Error::other)?;
        let verify = clock.lap();
        let mut netlink = Netlink::open().map_err(io::Error::other)?;
        let (balancers, _) =
            find::balancers(&mut netlink, None, false).map_err(io::Error::other)?;
        let balancer = balancers
            .first()
            .ok_or_else(|| io::Error::other("nothing is loaded"))?;
        let wanted = balancer.tables.wanted().map_err(io::Error::other)?;
        let empty = Loaded {
            slots: capacity.slots,
            ..Loaded::default()
        };
        clock.lap();
        place(&empty, &wanted).map_err(io::Error::other)?;
        Ok([parse, make, verify, clock.lap()])
    })?;
    super::process::run(&stand.dsrload("--unload v0"))?;
    Ok(rows)
}

struct Clock(Instant);

impl Clock {
    /// Milliseconds since the last time.
    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let spent = now.duration_since(self.0);
        self.0 = now;
        spent.as_secs_f64() * 1000.0
    }
}

/// What the kernel accounts for the maps of what is loaded.
fn maps(stand: &Stand) -> io::Result<Vec<Row>> {
    let mut measured = Vec::new();
    for size @ [count, backends] in [SIZES[0], SIZES[2]] {
        super::process::run(&stand.load("skb", services(count, backends)))?;
        let bytes = map_bytes(&answer(&stand.dsrload("status -j"))?)?;
        super::process::run(&stand.dsrload("--unload v0"))?;
        measured.push((format!("dsrload, {}", called(size)), vec![bytes / 1024.0]));
    }
    rows(
        "memory",
        "maps in the kernel (memlock)",
        "KiB",
        "dsrload, 1 x 2",
        &measured,
    )
}

/// The sum of what all maps take that `status -j` names.
fn map_bytes(status: &str) -> io::Result<f64> {
    let status: Value = serde_json::from_str(status)?;
    let ids = &status["balancers"][0]["interfaces"][0]["program"]["map_ids"];
    let ids = ids
        .as_array()
        .filter(|ids| !ids.is_empty())
        .ok_or_else(|| io::Error::other("status -j names no maps"))?;
    let mut sum = 0.0;
    for id in ids.iter().filter_map(Value::as_u64) {
        let id = u32::try_from(id).map_err(io::Error::other)?;
        let map = map_by_id(id)?.ok_or_else(|| io::Error::other("a map has gone"))?;
        let path = format!("/proc/self/fdinfo/{}", map.as_fd().as_raw_fd());
        sum += memlock(&std::fs::read_to_string(path)?)
            .ok_or_else(|| io::Error::other("the kernel does not tell what a map takes"))?;
    }
    Ok(sum)
}

/// Bytes by the line `memlock:` of a descriptor's facts.
fn memlock(facts: &str) -> Option<f64> {
    let line = facts.lines().find_map(|line| line.strip_prefix("memlock:"));
    line?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_backend_changes_and_nothing_else() {
        let load = services(2, 2);
        let other = with_another_backend(&load, 4);
        assert_eq!(load.last().expect("words"), "10.0.1.2,10.0.1.3");
        assert_eq!(other.last().expect("words"), "10.0.1.2,10.0.1.4");
        assert_eq!(other[..other.len() - 1], load[..load.len() - 1]);
    }

    #[test]
    fn what_a_map_takes_stands_in_its_facts() {
        assert_eq!(
            memlock("map_type:\t2\nmemlock:\t4096\nmap_id:\t7\n"),
            Some(4096.0)
        );
        assert_eq!(memlock("map_type:\t2\n"), None);
    }
}
