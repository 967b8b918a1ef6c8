//! `dsrload export`, `dsrload agree FILE...`

use super::change::{choose, mention_waiting};
use super::in_force::{InForce, base_of};
use super::privilege::{self, require};
use super::{Output, file};
use crate::cli::{AgreeArgs, ExportArgs};
use crate::config::digest::{base, digest, first_slots};
use crate::config::plan::steps;
use crate::config::write::write;
use crate::config::{Balancer as Said, Document};
use crate::datapath::{Tables, find};
use crate::fault;
use crate::model::key::keys;
use crate::netlink::Netlink;
use anyhow::{Context, Result};
use std::path::Path;

/// What stands before the base in an export, and before its digest.
const BASE: &str = "# base ";
const DIGEST: &str = "# digest ";

/// Of two that differ so many differences are shown.
const SHOWN: usize = 10;

/// Writes the config in force.
///
/// # Errors
///
/// None is loaded, or several are.
pub fn export(arguments: &ExportArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::LOOK)?;
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let (balancers, _) = find::balancers(&mut netlink, arguments.interface.as_deref(), false)?;
    if balancers.len() > 1 {
        return Err(fault!(
            Failed,
            "there are several balancers here: name one by --interface"
        ));
    }
    let Some(balancer) = balancers.first() else {
        return Err(fault!(Failed, "no balancer is loaded here"));
    };
    mention_waiting([&balancer.tables], output)?;
    let known = Known::loaded(&balancer.tables)?;
    let names: Vec<&str> = balancer
        .attached
        .iter()
        .map(|a| a.link.name.as_str())
        .collect();
    write!(
        output.answers,
        "# What dsrload {} balances on {}: generation {}. `dsrload agree` compares it by these two.\n{DIGEST}{}\n{BASE}{}\n\n{}",
        env!("CARGO_PKG_VERSION"),
        names.join(" "),
        known.generation,
        known.digest(),
        known.base,
        write(&known.document)
    )?;
    Ok(())
}

/// Says whether files, or one and what is loaded, come to the same tables.
///
/// # Errors
///
/// `Failed`: they do not, or it cannot be told.
pub fn agree(arguments: &AgreeArgs, output: &mut Output<'_>) -> Result<()> {
    let mut all = Vec::new();
    for path in &arguments.files {
        all.push((path.display().to_string(), Known::read(path)?));
    }
    if let [_] = all.as_slice() {
        require(privilege::LOOK)?;
        let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
        let balancer = choose(&mut netlink, arguments.interface.as_deref(), None)?;
        all.push((
            "what is loaded".to_owned(),
            Known::loaded(&balancer.tables)?,
        ));
    }
    for (name, known) in &all {
        writeln!(output.answers, "{} {name}", known.digest())?;
    }
    let Some(((first, known), others)) = all.split_first() else {
        return Ok(());
    };
    let mut differ = Vec::new();
    for (name, other) in others {
        if other.digest() == known.digest() {
            continue;
        }
        differ.push(name.as_str());
        tell(first, known, name, other, output)?;
    }
    match differ.is_empty() {
        true => Ok(()),
        false => Err(fault!(
            Failed,
            "{first} does not agree with {}",
            differ.join(", ")
        )),
    }
}

fn tell(
    first: &str,
    one: &Known,
    second: &str,
    other: &Known,
    output: &mut Output<'_>,
) -> Result<()> {
    writeln!(output.answers, "from {first} to {second}:")?;
    let steps = steps(&Said::new(&one.document), &Said::new(&other.document));
    for step in steps.iter().take(SHOWN) {
        let kind = step.kind.name();
        writeln!(output.answers, "  {kind} {}: {}", step.target, step.what)?;
    }
    if steps.len() > SHOWN {
        writeln!(output.answers, "  and {} more", steps.len() - SHOWN)?;
    }
    if one.base != other.base {
        writeln!(
            output.answers,
            "  another hash key (seed), or other numbers of slots"
        )?;
    }
    Ok(())
}

/// A config with all that decides where packets go.
struct Known {
    document: Document,
    base: String,
    generation: u64,
}

impl Known {
    fn digest(&self) -> String {
        digest(&Said::new(&self.document), &self.base)
    }

    fn loaded(tables: &Tables) -> Result<Self> {
        let in_force = InForce::of(tables)?;
        Ok(Self {
            document: in_force.document,
            base: base_of(tables, &tables.placed_services()?),
            generation: in_force.generation,
        })
    }

    /// An export as it was written, or a file that names its seed, as it is when it
    /// is first loaded.
    fn read(path: &Path) -> Result<Self> {
        let (document, text) = file::document(path)?;
        let of = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim().to_owned())
        };
        let said = Said::new(&document);
        if let (Some(base), Some(written)) = (of(BASE), of(DIGEST))
            && digest(&said, &base) == written
        {
            return Ok(Self {
                document,
                base,
                generation: 0,
            });
        }
        let Some(seed) = &said.options.seed else {
            return Err(fault!(
                Failed,
                "{}: nothing tells its hash key: compare what `dsrload export` has written, unchanged, or files that have a seed",
                path.display()
            ));
        };
        let slots = first_slots(&said);
        Ok(Self {
            base: base(&keys(seed), &slots),
            document,
            generation: 0,
        })
    }
}
