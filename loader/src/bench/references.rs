//! The reference programs, with tables that are filled: what others' balancers
//! do, to be measured beside ours.

mod ring;

use super::programs::load;
use crate::datapath::tables::{create, map_name};
use crate::fault;
use crate::model::prefix::words;
use crate::object::{Spec, TableSpec};
use crate::sys::bpf::{
    BPF_ANY, BPF_NOEXIST, MapFd, MapKind, MapSpec, ProgramFd, map_of_maps_create, map_update,
};
use crate::sys::machine::online_cpus;
use crate::sys::mapping::{Mapping, Shared};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use xdp_prog::abi::bench::reference::{
    CACHE_SUMS, CACHES, Macs, REAL_SUMS, REALS, REALS_MAX, RING, RINGS, SEED_FLOWS, SEED_MACS,
    Seed, VIP_SUMS, VIPS, VIPS_MAX, Vip, program, section, transport,
};
use xdp_prog::abi::word::Word64;

/// A reference program that is loaded, with its tables. All are gone when it is
/// dropped, unless the program is still attached.
#[derive(Debug)]
pub struct Reference {
    /// The program: XDP.
    pub program: ProgramFd,
    /// Its tables, by their names in the object.
    maps: BTreeMap<&'static str, MapFd>,
}

/// Both MACs of a frame to a backend, as
/// [`Destination`](xdp_prog::abi::Destination) has them: the backend's and the
/// first two bytes of ours, then the rest of ours.
pub type MacWords = (u64, u32);

/// The address, port and protocol (6 or 17) of a service.
pub type ServiceAddress = (IpAddr, u16, u8);

impl Reference {
    /// The algorithm of the system that this project began with: TCP to `vip`,
    /// any port.
    ///
    /// # Errors
    ///
    /// `Invalid` for no backend, or more than [`REALS_MAX`]; what the kernel
    /// says.
    pub fn seed(spec: &Spec, vip: Ipv4Addr, backends: &[MacWords]) -> Result<Self> {
        let count = counted(backends)?;
        let mut maps = Maps::new(spec);
        let settings = maps.create(section::SEED, None)?;
        let seed: Mapping<Seed> = Mapping::open(settings, true).context("map the settings")?;
        for seed in seed.entries() {
            seed.vip.set(u32::from_le_bytes(vip.octets()));
            seed.backends.set(count);
        }
        maps.create(SEED_FLOWS, None)?;
        fill(maps.create(SEED_MACS, Some(count))?, backends, set_macs)?;
        maps.load(program::SEED)
    }

    /// Katran's design: every service has the same backends, and a ring of its
    /// own. `cache_flows` is how many flows the cache of each CPU holds:
    /// [`CACHE_FLOWS`](xdp_prog::abi::bench::reference::CACHE_FLOWS), some 130
    /// MB, or fewer. Only CPUs that are online now have one. `flags` are those of
    /// all VIPs ([`vip_flag`](xdp_prog::abi::bench::reference::vip_flag)).
    ///
    /// # Errors
    ///
    /// `Invalid` for no service or more than [`VIPS_MAX`], and for backends as
    /// in [`Reference::seed`]; what the kernel says.
    pub fn katran_like(
        spec: &Spec,
        services: &[ServiceAddress],
        backends: &[MacWords],
        cache_flows: u32,
        flags: u32,
    ) -> Result<Self> {
        let count = counted(backends)?;
        let vips = u32::try_from(services.len()).unwrap_or(u32::MAX);
        if !(1..=VIPS_MAX).contains(&vips) {
            return Err(fault!(
                Invalid,
                "{vips} services for the reference program, which takes 1 to {VIPS_MAX}"
            ));
        }
        let mut maps = Maps::new(spec);
        enter(maps.create(VIPS, None)?, services, flags)?;
        let rings = services.iter().flat_map(|&service| {
            let vip = vip(service);
            ring::ring(vip.address[0] ^ vip.address[1] ^ vip.transport, count)
        });
        let rings: Vec<u32> = rings.collect();
        fill(
            maps.create(RINGS, Some(vips * RING))?,
            &rings,
            |place: &Word64, &real| place.set(real.into()),
        )?;
        fill(maps.create(REALS, Some(count))?, backends, set_macs)?;
        for name in [VIP_SUMS, REAL_SUMS, CACHE_SUMS] {
            maps.create(name, None)?;
        }
        maps.create_caches(cache_flows)?;
        maps.load(program::KATRAN_LIKE)
    }

    /// One of its tables.
    ///
    /// # Errors
    ///
    /// It has none of this name.
    pub fn map(&self, name: &str) -> Result<&MapFd> {
        self.maps
            .get(name)
            .with_context(|| format!("the reference program has no table {name}"))
    }
}

/// The tables of one reference program, while they are made.
struct Maps<'a> {
    spec: &'a Spec,
    maps: BTreeMap<&'static str, MapFd>,
}

impl<'a> Maps<'a> {
    fn new(spec: &'a Spec) -> Self {
        Self {
            spec,
            maps: BTreeMap::new(),
        }
    }

    fn table(&self, name: &str) -> Result<&'a TableSpec> {
        let mut tables = self.spec.tables();
        tables
            .find(|table| table.name == name)
            .with_context(|| format!("the object has no table {name}"))
    }

    /// Makes one, of as many entries as the object says or these.
    fn create(&mut self, name: &'static str, entries: Option<u32>) -> Result<&MapFd> {
        let table = self.table(name)?;
        let table = TableSpec {
            max_entries: entries.unwrap_or(table.max_entries),
            ..table.clone()
        };
        let map = create(&table, table.value_size)?;
        Ok(self.maps.entry(name).or_insert(map))
    }

    /// Makes a cache for each CPU.
    fn create_caches(&mut self, flows: u32) -> Result<()> {
        let table = self.table(CACHES)?;
        let Some(inner) = &table.inner else {
            bail!("the object does not say what is in {CACHES}");
        };
        let name = map_name(CACHES);
        let inner = TableSpec {
            max_entries: flows,
            ..TableSpec::clone(inner)
        };
        let cpus = online_cpus().context("count the CPUs")?;
        let caches: Vec<MapFd> = cpus
            .iter()
            .map(|_| create(&inner, inner.value_size))
            .collect::<Result<_>>()?;
        let first = caches.first().context("no CPU is online")?;
        let outer = MapSpec {
            kind: MapKind(table.kind),
            key_size: table.key_size,
            value_size: table.value_size,
            max_entries: table.max_entries,
            flags: table.flags,
            name: &name,
            btf: None,
        };
        let outer = map_of_maps_create(&outer, first)
            .with_context(|| format!("BPF_MAP_CREATE of {name} failed"))?;
        for (cpu, cache) in cpus.iter().zip(&caches) {
            let cache = cache.as_fd().as_raw_fd();
            map_update(&outer, &cpu.to_ne_bytes(), &cache.to_ne_bytes(), BPF_ANY)
                .with_context(|| format!("give CPU {cpu} a cache"))?;
        }
        self.maps.insert(CACHES, outer);
        Ok(())
    }

    /// Loads the program that uses them.
    fn load(self, name: &str) -> Result<Reference> {
        let tables: Vec<_> = self.maps.iter().map(|(&name, map)| (name, map)).collect();
        let program = load(self.spec, name, &tables)?;
        Ok(Reference {
            program,
            maps: self.maps,
        })
    }
}

fn counted(backends: &[MacWords]) -> Result<u32> {
    let count = u32::try_from(backends.len()).unwrap_or(u32::MAX);
    if (1..=REALS_MAX).contains(&count) {
        return Ok(count);
    }
    Err(fault!(
        Invalid,
        "{count} backends for the reference program, which takes 1 to {REALS_MAX}"
    ))
}

/// Writes an array, whose entries are as many as the values.
fn fill<T: Shared, V>(map: &MapFd, values: &[V], set: impl Fn(&T, &V)) -> Result<()> {
    let name = &map.info().name;
    let mapping: Mapping<T> = Mapping::open(map, true).with_context(|| format!("map {name}"))?;
    let entries = mapping.entries();
    if entries.len() != values.len() {
        let entries = entries.len();
        bail!(
            "{} values for the {entries} entries of {name}",
            values.len()
        );
    }
    for (entry, value) in entries.iter().zip(values) {
        set(entry, value);
    }
    Ok(())
}

fn set_macs(macs: &Macs, &(low, high): &MacWords) {
    macs.low.set(low);
    macs.high.set(high);
}

/// Gives the services numbers, in their order.
fn enter(map: &MapFd, services: &[ServiceAddress], flags: u32) -> Result<()> {
    for (number, &service) in (0_u32..).zip(services) {
        // The flags, then the number: `VipValue`.
        let value = [flags.to_ne_bytes(), number.to_ne_bytes()].concat();
        map_update(map, &vip(service).to_bytes(), &value, BPF_NOEXIST)
            .with_context(|| format!("enter the service {} {}", service.0, service.1))?;
    }
    Ok(())
}

/// The key of a service.
#[must_use]
pub fn vip((address, port, protocol): ServiceAddress) -> Vip {
    let address = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into()
        }
        IpAddr::V6(address) => address,
    };
    let ports = u32::from(port.to_be()) << 16;
    Vip::of_destination(words(address), transport(ports, protocol))
}
