//! The far end of the tunnels, on a backend: two programs of one interface.
//!
//! An XDP program ends the tunnels. A tc filter clamps the MSS of what leaves.
//! Settings and lists belong to the programs of one load; counters go on from
//! load to load. All is found through the attached programs; there are no pins.

pub mod attach;
pub mod clamp;
pub mod program;
pub mod tables;

use super::tables::map_name;
use crate::fault;
use crate::netlink::{Link, Mode};
use crate::sys::bpf::{MapFd, ProgramFd, ProgramInfo, map_by_id};
use anyhow::{Context, Result};
use tables::{Kept, Lists};
use xdp_prog::abi::decap::{ABI_VERSION, Settings};

/// Our program that ends tunnels, on an interface.
#[derive(Debug)]
pub struct Decap {
    /// The interface.
    pub link: Link,
    /// Where it runs.
    pub mode: Mode,
    /// The program.
    pub program: ProgramFd,
    /// What the kernel tells of it.
    pub info: ProgramInfo,
    /// Its settings.
    pub settings: Settings,
}

impl Decap {
    /// The error of a balancer that wanted the interface.
    #[must_use]
    pub fn fault(&self) -> anyhow::Error {
        fault!(
            Busy,
            "{0} ends tunnels (`dsrload decap`, program {1}), and an interface has one XDP program: balance on another one, or `dsrload --unload {0}` first",
            self.link.name,
            self.info.id
        )
    }

    /// Whether this binary knows its tables.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.settings.abi.get() == ABI_VERSION
    }

    /// What it counted, and what it told the loader.
    ///
    /// # Errors
    ///
    /// What the kernel says; a table is missing.
    pub fn kept(&self, writable: bool) -> Result<Kept> {
        Kept::by_ids(&self.info.map_ids, writable)
    }

    /// Whom it lets in, and what for.
    ///
    /// # Errors
    ///
    /// As for [`Self::kept`].
    pub fn lists(&self) -> Result<Lists> {
        Lists::by_ids(&self.info.map_ids)
    }
}

/// The map of this table among those with these ids.
fn map_of(ids: &[u32], table: &str) -> Result<MapFd> {
    let name = map_name(table);
    for &id in ids {
        let map = map_by_id(id).with_context(|| format!("open map {id}"))?;
        if let Some(map) = map.filter(|map| map.info().name == name) {
            return Ok(map);
        }
    }
    anyhow::bail!("table {name} is missing")
}
