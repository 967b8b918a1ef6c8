//! A copy of a balancer that is loaded, with all that its tables hold.

use crate::datapath::Tables;
use crate::datapath::tables::Capacity;
use crate::object::Spec;
use crate::sys::bpf::{BPF_ANY, MapFd, MapKind, map_lookup, map_next_key, map_update};
use anyhow::{Context, Result};
use xdp_prog::abi;

/// A balancer that is loaded, as one of its interfaces sees it.
#[derive(Clone, Copy)]
pub struct Original<'a> {
    /// Its tables.
    pub tables: &'a Tables,
    /// The interface's number in them.
    pub port: u32,
}

/// New tables that hold what these hold now. Nobody else sees them, and nothing
/// is written into these.
///
/// # Errors
///
/// What the kernel says.
pub fn copied(spec: &Spec, original: &Tables) -> Result<Tables> {
    let count = |entries: usize| u32::try_from(entries).unwrap_or(u32::MAX);
    let copy = Tables::create(
        spec,
        Capacity {
            slots: count(original.slots.entries().len()),
            flows: count(original.flows.entries().len()).saturating_mul(8),
            ..Capacity::default()
        },
    )?;
    for (name, from) in original.maps() {
        let to = copy.map(name)?;
        // The text of the config says nothing to the program.
        let is_array = from.info().kind == MapKind::ARRAY && name != abi::CONFIG;
        let is_list = name == abi::SOURCES;
        // Fragments are the program's own matter, and no interface is sent to.
        if is_array {
            copy_value(from, to, &0_u32.to_ne_bytes())?;
        } else if is_list {
            copy_all(from, to)?;
        }
    }
    Ok(copy)
}

fn copy_value(from: &MapFd, to: &MapFd, key: &[u8]) -> Result<()> {
    let name = &from.info().name;
    let mut value = vec![0; usize::try_from(from.info().value_size)?];
    if map_lookup(from, key, &mut value).with_context(|| format!("read {name}"))? {
        map_update(to, key, &value, BPF_ANY).with_context(|| format!("copy {name}"))?;
    }
    Ok(())
}

fn copy_all(from: &MapFd, to: &MapFd) -> Result<()> {
    let mut next = vec![0; usize::try_from(from.info().key_size)?];
    let mut last: Option<Vec<u8>> = None;
    while map_next_key(from, last.as_deref(), &mut next).context("read the lists of clients")? {
        copy_value(from, to, &next)?;
        last = Some(next.clone());
    }
    Ok(())
}
