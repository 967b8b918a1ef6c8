//! One service: loading, replacing, unloading and looking, against `ip` and
//! `xdp-loader`.
//!
//! They load the same program with the same settings and the same tables; they
//! enter nothing in the tables, so no packet would be forwarded. `xdp-loader` puts
//! a dispatcher before the program where the kernel lets it, so that several may
//! share an interface: it loads two programs then. `dsrload` asks the kernel for its
//! interfaces, addresses and neighbours, fills the tables, looks whether the
//! program is on, and pins everything.

use super::process::{Line, line};
use super::report::Row;
use super::rounds::{Contest, Entrant, hold};
use super::stand::{Stand, equal, services, shipped};
use std::io;

const OURS: &str = "dsrload";
const IP: &str = "ip";

/// A mode, as all three write it: theirs, `ip`'s, `xdp-loader`'s.
const MODES: [[&str; 3]; 2] = [["skb", "xdpgeneric", "skb"], ["drv", "xdpdrv", "native"]];

/// All contests.
///
/// # Errors
///
/// A command failed.
pub fn contests(stand: &Stand) -> io::Result<Vec<Row>> {
    let mut rows = start(stand)?;
    for mode in MODES {
        rows.extend(load(stand, mode)?);
        rows.extend(unload(stand, mode)?);
        rows.extend(replace(stand, mode)?);
    }
    rows.extend(status(stand)?);
    Ok(rows)
}

fn ip(mode: &str, object: &str) -> Line {
    line(
        "ip",
        &format!("link set dev v0 {mode} obj {object} program dsrload"),
    )
}

fn loader(mode: &str, object: &str) -> Line {
    line(
        "xdp-loader",
        &format!("load -m {mode} -n dsrload v0 {object}"),
    )
}

fn entrant(program: &str, before: Vec<Line>, timed: Line, after: Vec<Line>) -> Entrant {
    Entrant {
        program: program.to_owned(),
        before,
        timed,
        after,
    }
}

/// `xdp-loader`, where it is installed.
fn loader_does(stand: &Stand, before: Vec<Line>, timed: Line, after: Vec<Line>) -> Option<Entrant> {
    let program = stand.xdp_loader?;
    Some(entrant(program, before, timed, after))
}

fn ours(stand: &Stand, mode: &str) -> Line {
    stand.load(mode, services(1, 2))
}

/// Start and end of a process that does nothing.
fn start(stand: &Stand) -> io::Result<Vec<Row>> {
    let contest = Contest {
        group: "start",
        name: "say the version",
        reference: "ip -V",
    };
    let nothing = Vec::new;
    hold(
        contest,
        &[
            entrant(
                "dsrload --version",
                nothing(),
                stand.dsrload("--version"),
                nothing(),
            ),
            entrant("ip -V", nothing(), line("ip", "-V"), nothing()),
            entrant("true", nothing(), line("/bin/true", ""), nothing()),
        ],
    )
}

fn load(stand: &Stand, [mode, of_ip, of_loader]: [&str; 3]) -> io::Result<Vec<Row>> {
    let off = || vec![line("ip", &format!("link set dev v0 {of_ip} off"))];
    let unload = || vec![line("xdp-loader", "unload -a v0")];
    let mut entrants = vec![
        entrant(
            OURS,
            Vec::new(),
            ours(stand, mode),
            vec![stand.dsrload("--unload v0")],
        ),
        entrant(IP, Vec::new(), ip(of_ip, equal()), off()),
    ];
    entrants.extend(loader_does(
        stand,
        Vec::new(),
        loader(of_loader, equal()),
        unload(),
    ));
    entrants.push(entrant(
        "ip, object as shipped",
        Vec::new(),
        ip(of_ip, shipped()),
        off(),
    ));
    let name = format!("load and attach, {mode}");
    hold(contest(&name), &entrants)
}

fn unload(stand: &Stand, [mode, of_ip, of_loader]: [&str; 3]) -> io::Result<Vec<Row>> {
    let mut entrants = vec![
        entrant(
            OURS,
            vec![ours(stand, mode)],
            stand.dsrload("--unload v0"),
            Vec::new(),
        ),
        entrant(
            IP,
            vec![ip(of_ip, equal())],
            line("ip", &format!("link set dev v0 {of_ip} off")),
            Vec::new(),
        ),
    ];
    entrants.extend(loader_does(
        stand,
        vec![loader(of_loader, equal())],
        line("xdp-loader", "unload -a v0"),
        Vec::new(),
    ));
    let name = format!("unload, {mode}");
    hold(contest(&name), &entrants)
}

/// `xdp-loader` cannot replace a program: it takes one off, and puts another on.
fn replace(stand: &Stand, [mode, of_ip, _]: [&str; 3]) -> io::Result<Vec<Row>> {
    let mut forced = ip(of_ip, equal());
    forced.insert(1, "-force".to_owned());
    let off = line("ip", &format!("link set dev v0 {of_ip} off"));
    let entrants = [
        entrant(
            OURS,
            vec![ours(stand, mode)],
            ours(stand, mode),
            vec![stand.dsrload("--unload v0")],
        ),
        entrant(IP, vec![ip(of_ip, equal())], forced, vec![off]),
    ];
    let name = format!("replace, {mode}");
    hold(contest(&name), &entrants)
}

fn status(stand: &Stand) -> io::Result<Vec<Row>> {
    let before = || vec![ours(stand, "skb")];
    let after = || vec![stand.dsrload("--unload v0")];
    let mut entrants = vec![
        entrant(OURS, before(), stand.dsrload("status"), after()),
        entrant(IP, before(), line("ip", "link show dev v0"), after()),
    ];
    let theirs = line("xdp-loader", "status v0");
    entrants.extend(loader_does(stand, before(), theirs, after()));
    hold(contest("status"), &entrants)
}

fn contest(name: &str) -> Contest<'_> {
    Contest {
        group: "one service",
        name,
        reference: IP,
    }
}
