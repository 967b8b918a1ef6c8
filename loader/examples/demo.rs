//! `make demo`: the balancer at work in network namespaces of its own, with
//! each command as a user would type it.
//!
//! Needs root, and the path of `dsrload` as its argument. Fails unless both
//! backends have answered.

#[allow(
    dead_code,
    clippy::expect_used,
    reason = "the tests' lab, of which this is a part; a lab that fails ends the demonstration"
)]
#[path = "../tests/lab/mod.rs"]
mod lab;

use std::collections::BTreeSet;
use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lab::product::Product;
use lab::web::curl;
use lab::{BACKENDS, BALANCER, CLIENT, Lab, VIP};

/// How many answers to show.
const ANSWERS: usize = 10;

/// How many to ask for at most: of a random choice among two, so many equal
/// ones do not happen.
const PATIENCE: usize = 60;

fn main() -> ExitCode {
    let Some(binary) = env::args_os()
        .nth(1)
        .and_then(|path| PathBuf::from(path).canonicalize().ok())
    else {
        eprintln!("usage: demo PATH-OF-DSRLOAD");
        return ExitCode::from(2);
    };
    match show(binary, &mut io::stdout().lock()) {
        Ok(seen) if seen.len() == BACKENDS.len() => ExitCode::SUCCESS,
        Ok(seen) => {
            eprintln!("demo: not both backends answered, but {seen:?}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the demonstration; the names that answered.
fn show(binary: PathBuf, out: &mut impl Write) -> io::Result<BTreeSet<String>> {
    let lab = Lab::seed();
    let dsrload = Product::new(&lab.balancer, binary);
    writeln!(
        out,
        "One bridge, four hosts: client {CLIENT}, balancer {BALANCER},"
    )?;
    writeln!(
        out,
        "backends {} with nginx. The backends have {VIP}",
        BACKENDS.join(" and ")
    )?;
    writeln!(
        out,
        "on lo; the client has a route to it through the balancer.\n"
    )?;

    type_in(out, &dsrload, "eth0 --mode skb")?;
    writeln!(
        out,
        "balancer# ip link show eth0\n{}",
        lab.balancer.run("ip link show eth0")
    )?;

    let mut seen = BTreeSet::new();
    for asked in 1..=PATIENCE {
        let fetched = curl(&lab.client, &[&format!("http://{VIP}")]);
        let answer = String::from_utf8_lossy(&fetched.body).trim().to_owned();
        writeln!(
            out,
            "client$ curl http://{VIP}\n{answer}{}",
            fetched.complaint
        )?;
        if fetched.code != 0 {
            return Err(io::Error::other(fetched.complaint));
        }
        seen.insert(answer);
        if asked >= ANSWERS && seen.len() == BACKENDS.len() {
            break;
        }
    }
    writeln!(out)?;

    type_in(out, &dsrload, "stats")?;
    type_in(out, &dsrload, "--unload eth0")?;
    Ok(seen)
}

/// Runs `dsrload` and shows what was typed and what it said.
fn type_in(out: &mut impl Write, dsrload: &Product, arguments: &str) -> io::Result<()> {
    let run = dsrload.run(arguments);
    writeln!(
        out,
        "balancer# dsrload {arguments}\n{}{}",
        run.stderr, run.stdout
    )?;
    if run.code == Some(0) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "dsrload {arguments}: exit code {:?}",
            run.code
        )))
    }
}
