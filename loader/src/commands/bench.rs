//! `dsrload bench [IFACE]`

use super::Output;
use super::privilege::{self, require};
use crate::bench::cases::{Case, of_service, synthetic};
use crate::bench::driver::Driver;
use crate::bench::original::Original;
use crate::bench::rounds::{Bench, measure};
use crate::bench::wire::Wire;
use crate::cli::BenchArgs;
use crate::datapath::find;
use crate::model::Mac;
use crate::netlink::Netlink;
use crate::object::Spec;
use crate::report::bench::Row;
use crate::{EMBEDDED, fault, report};
use anyhow::{Context, Result};

/// Runs the command.
///
/// # Errors
///
/// There is nothing to measure; what the kernel says.
pub fn run(arguments: &BenchArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::CHANGE)?;
    let spec = Spec::parse(EMBEDDED).context("the object in this binary")?;
    let rows = match &arguments.interface {
        Some(interface) => loaded(arguments, &spec, interface, output)?,
        None => made_up(arguments, &spec, output)?,
    };
    if arguments.json {
        report::json(output.answers, &rows)?;
    } else {
        report::bench::write(output.answers, &rows)?;
    }
    Ok(())
}

/// Measures what is made up, also on a wire.
fn made_up(arguments: &BenchArgs, spec: &Spec, output: &mut Output<'_>) -> Result<Vec<Row>> {
    let cases = chosen(synthetic(), &arguments.case)?;
    let driver = Driver::new(spec)?;
    let wire = if arguments.no_wire {
        None
    } else {
        Some(Wire::open(spec)?)
    };
    let bench = Bench {
        spec,
        driver: &driver,
        wire: wire.as_ref(),
        original: None,
        rounds: arguments.rounds,
    };
    all(&bench, &cases, output)
}

/// Measures a copy of what is loaded on an interface.
fn loaded(
    arguments: &BenchArgs,
    spec: &Spec,
    interface: &str,
    output: &mut Output<'_>,
) -> Result<Vec<Row>> {
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let (balancers, _) = find::balancers(&mut netlink, Some(interface), false)?;
    let found = balancers.iter().find_map(|balancer| {
        let mut attached = balancer.attached.iter();
        let at = attached.find(|a| a.link.name == interface)?;
        Some((&balancer.tables, at))
    });
    let Some((tables, at)) = found else {
        return Err(fault!(
            Failed,
            "{interface} is not loaded: `dsrload {interface}` first, or `dsrload bench --synthetic`"
        ));
    };
    let (Mac(mac), _) = tables.port(at.port).context("the interface has no port")?;
    let services = tables.placed_services()?;
    let addresses = services
        .iter()
        .filter_map(|service| service.addresses.first());
    let cases = addresses.flat_map(|&at| of_service(at, mac)).collect();
    let cases = chosen(cases, &arguments.case)?;
    let driver = Driver::new(spec)?;
    let bench = Bench {
        spec,
        driver: &driver,
        wire: None,
        original: Some(Original {
            tables,
            port: at.port,
        }),
        rounds: arguments.rounds,
    };
    all(&bench, &cases, output)
}

/// The cases whose names contain this.
fn chosen(cases: Vec<Case>, text: &str) -> Result<Vec<Case>> {
    let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
    let cases: Vec<Case> = cases
        .into_iter()
        .filter(|case| case.name.contains(text))
        .collect();
    if cases.is_empty() {
        return Err(fault!(
            Usage,
            "--case {text}: no case has this in its name; there are {}",
            names.join(", ")
        ));
    }
    Ok(cases)
}

/// Measures one case after the other, and says which.
fn all(bench: &Bench<'_>, cases: &[Case], output: &mut Output<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (number, case) in (1..).zip(cases) {
        writeln!(output.talk, "{number} of {}: {}", cases.len(), case.name)?;
        rows.extend(measure(bench, case)?);
    }
    Ok(rows)
}
