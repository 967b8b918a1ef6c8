//! The tables of one balancer, as maps and in our memory.

use crate::object::{Spec, TableSpec};
use crate::sys::bpf::{BPF_F_MMAPABLE, MapFd, MapKind, MapSpec, map_by_id, map_create};
use crate::sys::machine::possible_cpus;
use crate::sys::mapping::Mapping;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};
use xdp_prog::abi::word::{Word16, Word32, Word64};
use xdp_prog::abi::{
    self, Bucket, Budget, Control, Counter, Destination, OutcomeRow, Port, Service, Tunnel, limits,
    section,
};

/// The tables that all interfaces of a balancer share.
const SHARED: &[&str] = &[
    section::CONTROL,
    section::PORTS,
    section::SERVICES,
    section::DISPLACEMENTS,
    section::SLOTS,
    section::DESTINATIONS,
    section::TUNNELS,
    section::FLOWS,
    section::COUNTERS,
    section::OUTCOMES,
    section::BUDGETS,
    abi::DEVICES,
    abi::FRAGMENTS,
    abi::SOURCES,
    abi::CONFIG,
];

/// A table's name in the kernel: its section's last part or its symbol, with
/// ours before it. At most 15 bytes, which is all that the kernel keeps.
#[must_use]
pub fn map_name(table: &str) -> String {
    let part = table.rsplit('.').next().unwrap_or(table);
    format!("dsr_{}", part.to_ascii_lowercase())
}

/// What is chosen when tables are made. Powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Slots of all services together.
    pub slots: u32,
    /// Flows that the flow table holds.
    pub flows: u32,
    /// Bytes for each of the config's texts.
    pub text: u32,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            slots: limits::SLOTS_DEFAULT,
            flows: limits::FLOWS_DEFAULT,
            text: limits::TEXT_DEFAULT,
        }
    }
}

/// The tables of one balancer.
#[derive(Debug)]
pub struct Tables {
    maps: BTreeMap<&'static str, MapFd>,
    /// One entry.
    control: Mapping<Control>,
    /// By number.
    pub ports: Mapping<Port>,
    /// Two copies.
    pub services: Mapping<Service>,
    /// Two copies.
    pub displacements: Mapping<Word16>,
    /// All slots.
    pub slots: Mapping<Word32>,
    /// By number.
    pub destinations: Mapping<Destination>,
    /// By number of the destination.
    pub tunnels: Mapping<Tunnel>,
    /// The flow table.
    pub flows: Mapping<Bucket>,
    /// A row for each CPU.
    pub counters: Mapping<Counter>,
    /// A row for each CPU.
    pub outcomes: Mapping<OutcomeRow>,
    /// One for each CPU.
    pub budgets: Mapping<Budget>,
    /// The config's texts, see [`abi::text`].
    pub(super) config: Mapping<Word64>,
}

impl Tables {
    /// Makes new, empty tables as `spec` describes them.
    ///
    /// # Errors
    ///
    /// What the kernel says when it refuses one; the object's tables are not
    /// those of our ABI.
    pub fn create(spec: &Spec, capacity: Capacity) -> Result<Self> {
        let cpus = possible_cpus()
            .context("count the CPUs")?
            .next_power_of_two();
        if cpus > limits::CPUS {
            bail!(
                "this machine has up to {cpus} CPUs, {} are supported",
                limits::CPUS
            );
        }
        let mut maps = BTreeMap::new();
        // No program reads this one, so the object does not describe it.
        maps.insert(abi::CONFIG, config(capacity)?);
        for &name in SHARED.iter().filter(|&&name| name != abi::CONFIG) {
            let table = spec
                .tables()
                .find(|t| t.name == name)
                .with_context(|| format!("the object has no table {name}"))?;
            maps.insert(name, create(table, value_size(table, cpus, capacity))?);
        }
        Self::from_maps(maps, true)
    }

    /// The tables among the maps with these ids, which a program uses.
    ///
    /// # Errors
    ///
    /// What the kernel says: `EPERM` without CAP_SYS_ADMIN. A table is missing.
    pub fn by_ids(ids: &[u32], writable: bool) -> Result<Self> {
        let mut maps = BTreeMap::new();
        for &id in ids {
            let Some(map) = map_by_id(id).with_context(|| format!("open map {id}"))? else {
                bail!("map {id} has just been removed");
            };
            if let Some(&name) = SHARED.iter().find(|&&n| map_name(n) == map.info().name) {
                maps.insert(name, map);
            }
        }
        Self::from_maps(maps, writable)
    }

    /// Maps all of them into our memory. By their names in the object.
    ///
    /// # Errors
    ///
    /// One is missing or is not what its name says.
    pub fn from_maps(maps: BTreeMap<&'static str, MapFd>, writable: bool) -> Result<Self> {
        fn open<T: crate::sys::mapping::Shared>(
            maps: &BTreeMap<&'static str, MapFd>,
            name: &str,
            writable: bool,
        ) -> Result<Mapping<T>> {
            let map = maps
                .get(name)
                .with_context(|| format!("table {} is missing", map_name(name)))?;
            Mapping::open(map, writable).with_context(|| format!("map table {}", map_name(name)))
        }
        let tables = Self {
            control: open(&maps, section::CONTROL, writable)?,
            ports: open(&maps, section::PORTS, writable)?,
            services: open(&maps, section::SERVICES, writable)?,
            displacements: open(&maps, section::DISPLACEMENTS, writable)?,
            slots: open(&maps, section::SLOTS, writable)?,
            destinations: open(&maps, section::DESTINATIONS, writable)?,
            tunnels: open(&maps, section::TUNNELS, writable)?,
            flows: open(&maps, section::FLOWS, writable)?,
            counters: open(&maps, section::COUNTERS, writable)?,
            outcomes: open(&maps, section::OUTCOMES, writable)?,
            budgets: open(&maps, section::BUDGETS, writable)?,
            config: open(&maps, abi::CONFIG, writable)?,
            maps,
        };
        tables.check()?;
        Ok(tables)
    }

    /// The same tables once more.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left for them.
    pub fn again(&self) -> Result<Self> {
        let maps = self
            .maps
            .iter()
            .map(|(&name, map)| Ok((name, map.again()?)));
        let maps = maps.collect::<std::io::Result<_>>();
        Self::from_maps(maps.context("hold the tables once more")?, true)
    }

    /// Sizes that the program masks by must be powers of two.
    fn check(&self) -> Result<()> {
        let sizes = [
            self.control.entries().len(),
            self.ports.entries().len(),
            self.services.entries().len(),
            self.displacements.entries().len(),
            self.slots.entries().len(),
            self.destinations.entries().len(),
            self.flows.entries().len(),
            self.counters.entries().len(),
            self.outcomes.entries().len(),
            self.budgets.entries().len(),
        ];
        if sizes.iter().any(|n| !n.is_power_of_two())
            || self.outcomes.entries().len() * self.destinations.entries().len()
                != self.counters.entries().len()
            || self.budgets.entries().len() != self.outcomes.entries().len()
            || self.tunnels.entries().len() != self.destinations.entries().len()
        {
            bail!("the tables have sizes that fit no program: {sizes:?}");
        }
        Ok(())
    }

    /// The switches.
    #[must_use]
    pub fn control(&self) -> &Control {
        // `check` has seen that there is one.
        &self.control.entries()[0]
    }

    /// The map of devices, by port.
    ///
    /// # Errors
    ///
    /// It is missing.
    pub fn devices(&self) -> Result<&MapFd> {
        self.map(abi::DEVICES)
    }

    /// The map of the table with this name in the object.
    ///
    /// # Errors
    ///
    /// It is missing.
    pub fn map(&self, name: &str) -> Result<&MapFd> {
        self.maps
            .get(name)
            .with_context(|| format!("table {} is missing", map_name(name)))
    }

    /// All maps, by their names in the object.
    pub fn maps(&self) -> impl Iterator<Item = (&'static str, &MapFd)> {
        self.maps.iter().map(|(&name, map)| (name, map))
    }

    /// Descriptors by name, as relocation takes them.
    #[must_use]
    pub fn descriptors(&self) -> BTreeMap<String, i32> {
        self.maps()
            .map(|(name, map)| (name.to_owned(), map.as_fd().as_raw_fd()))
            .collect()
    }

    /// What the map of control's id is: the same for all interfaces of one
    /// balancer, and for no other.
    ///
    /// # Errors
    ///
    /// It is missing.
    pub fn id(&self) -> Result<u32> {
        Ok(self.map(section::CONTROL)?.info().id)
    }
}

/// Size of a table in bytes. The object declares the largest one; rows of
/// counters are made for the CPUs that there can be.
fn value_size(table: &TableSpec, cpus: u32, capacity: Capacity) -> u32 {
    let rows = |row: usize| u32::try_from(row).map_or(u32::MAX, |row| row.saturating_mul(cpus));
    match table.name.as_str() {
        section::COUNTERS => rows(size_of::<Counter>() * limits::DESTINATIONS as usize),
        section::OUTCOMES => rows(size_of::<OutcomeRow>()),
        section::BUDGETS => rows(size_of::<Budget>()),
        section::SLOTS => capacity.slots.saturating_mul(4),
        section::FLOWS => capacity.flows.saturating_mul(8),
        _ => table.value_size,
    }
}

/// Makes the map of the config's texts.
fn config(capacity: Capacity) -> Result<MapFd> {
    let parts = u32::try_from(abi::text::PARTS).unwrap_or(u32::MAX);
    let value_size = capacity.text.saturating_mul(parts);
    map_create(&MapSpec {
        kind: MapKind::ARRAY,
        key_size: 4,
        value_size,
        max_entries: 1,
        flags: BPF_F_MMAPABLE,
        name: &map_name(abi::CONFIG),
        btf: None,
    })
    .with_context(|| format!("BPF_MAP_CREATE of the config ({value_size} bytes) failed"))
}

/// Makes one map. Without types: the kernel would compare the declared size
/// with the real one.
pub(crate) fn create(table: &TableSpec, value_size: u32) -> Result<MapFd> {
    let kind = MapKind(table.kind);
    let name = map_name(&table.name);
    let mappable = if kind == MapKind::ARRAY {
        BPF_F_MMAPABLE
    } else {
        0
    };
    map_create(&MapSpec {
        kind,
        key_size: table.key_size,
        value_size,
        max_entries: table.max_entries,
        flags: table.flags | mappable,
        name: &name,
        btf: None,
    })
    .with_context(|| format!("BPF_MAP_CREATE of {name} ({value_size} bytes) failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_a_name_that_the_kernel_keeps() {
        let tables = abi::TABLES.iter().map(|&(_, name)| name);
        let mut names: Vec<String> = tables.chain([abi::CONFIG]).map(map_name).collect();
        assert!(names.iter().all(|n| n.len() <= 15), "{names:?}");
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
