//! The tables of the far end: what is kept from load to load, and the lists of
//! one load.

use super::map_of;
use crate::datapath::tables::create;
use crate::model::Prefix;
use crate::model::prefix::words;
use crate::object::{Spec, TableSpec};
use crate::sys::bpf::{BPF_ANY, MapFd, map_lookup, map_next_key, map_update};
use crate::sys::machine::possible_cpus;
use crate::sys::mapping::Mapping;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use xdp_prog::abi::decap::{ADDRESSES, BALANCERS, Outcome, Row, State, address, family, section};
use xdp_prog::abi::{SourceKey, limits};

/// Bits of a key's list, which stands before the address.
const LIST_BITS: u32 = 32;

fn table<'a>(spec: &'a Spec, name: &str) -> Result<&'a TableSpec> {
    spec.tables()
        .find(|table| table.name == name)
        .with_context(|| format!("the object has no table {name}"))
}

/// State and counters.
#[derive(Debug)]
pub struct Kept {
    maps: [(&'static str, MapFd); 2],
    state: Mapping<State>,
    rows: Mapping<Row>,
}

/// What all CPUs counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets by outcome.
    pub outcomes: Vec<(Outcome, u64)>,
    /// Bytes of IP inside.
    pub bytes: u64,
    /// Segments whose MSS was clamped.
    pub clamped: u64,
}

impl Kept {
    /// New ones.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn create(spec: &Spec) -> Result<Self> {
        let cpus = possible_cpus().context("count the CPUs")?;
        let cpus = cpus.next_power_of_two();
        if cpus > limits::CPUS {
            bail!(
                "this machine has up to {cpus} CPUs, {} are supported",
                limits::CPUS
            );
        }
        let state = table(spec, section::STATE)?;
        let rows = u32::try_from(size_of::<Row>())?.saturating_mul(cpus);
        Self::open(
            create(state, state.value_size)?,
            create(table(spec, section::ROWS)?, rows)?,
            true,
        )
    }

    /// Those of a program that uses the maps with these ids.
    ///
    /// # Errors
    ///
    /// What the kernel says; one is missing.
    pub fn by_ids(ids: &[u32], writable: bool) -> Result<Self> {
        Self::open(
            map_of(ids, section::STATE)?,
            map_of(ids, section::ROWS)?,
            writable,
        )
    }

    fn open(state: MapFd, rows: MapFd, writable: bool) -> Result<Self> {
        let kept = Self {
            state: Mapping::open(&state, writable).context("map the state")?,
            rows: Mapping::open(&rows, writable).context("map the counters")?,
            maps: [(section::STATE, state), (section::ROWS, rows)],
        };
        let sizes = (kept.state.entries().len(), kept.rows.entries().len());
        if sizes.0 != 1 || !sizes.1.is_power_of_two() {
            bail!("the tables have sizes that fit no program: {sizes:?}");
        }
        Ok(kept)
    }

    /// The state.
    #[must_use]
    pub fn state(&self) -> &State {
        // `open` has seen that there is one.
        &self.state.entries()[0]
    }

    /// Rows of counters: a power of two.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.entries().len()
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let sum = |of: &dyn Fn(&Row) -> u64| self.rows.entries().iter().map(of).sum();
        let outcomes = Outcome::ALL.iter();
        Counts {
            outcomes: outcomes
                .map(|&outcome| (outcome, sum(&|row| row.of(outcome).get())))
                .collect(),
            bytes: sum(&|row| row.bytes.get()),
            clamped: sum(&|row| row.clamped.get()),
        }
    }

    /// Descriptors by name, as relocation takes them.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (String, i32)> {
        descriptors(&self.maps)
    }
}

fn descriptors(maps: &[(&'static str, MapFd)]) -> impl Iterator<Item = (String, i32)> {
    maps.iter()
        .map(|(name, map)| ((*name).to_owned(), map.as_fd().as_raw_fd()))
}

/// Who may send through tunnels, and what for.
#[derive(Debug)]
pub struct Lists {
    maps: [(&'static str, MapFd); 2],
}

impl Lists {
    /// New ones: those who are allowed, where their tunnels end, and the VIPs.
    ///
    /// # Errors
    ///
    /// What the kernel says: `E2BIG` or `ENOSPC` for more than fit.
    pub fn create(spec: &Spec, allow: &[Prefix], own: &[IpAddr], vips: &[IpAddr]) -> Result<Self> {
        let make = |name: &'static str| -> Result<_> {
            let table = table(spec, name)?;
            Ok((name, create(table, table.value_size)?))
        };
        let lists = Self {
            maps: [make(BALANCERS)?, make(ADDRESSES)?],
        };
        for prefix in allow {
            let entered = map_update(
                lists.balancers(),
                &key(prefix),
                &1_u32.to_ne_bytes(),
                BPF_ANY,
            );
            entered.with_context(|| format!("enter {prefix} in the list of balancers"))?;
        }
        let mut addresses: BTreeMap<[u64; 2], u32> = BTreeMap::new();
        for (bit, list) in [(address::OWN, own), (address::VIP, vips)] {
            for &address in list {
                *addresses.entry(words(mapped(address))).or_default() |= bit;
            }
        }
        for (address, bits) in addresses {
            let key = address.map(u64::to_ne_bytes).concat();
            map_update(lists.addresses(), &key, &bits.to_ne_bytes(), BPF_ANY)
                .context("enter an address of this host")?;
        }
        Ok(lists)
    }

    pub(super) fn by_ids(ids: &[u32]) -> Result<Self> {
        let of = |name: &'static str| -> Result<_> { Ok((name, map_of(ids, name)?)) };
        Ok(Self {
            maps: [of(BALANCERS)?, of(ADDRESSES)?],
        })
    }

    fn balancers(&self) -> &MapFd {
        &self.maps[0].1
    }

    fn addresses(&self) -> &MapFd {
        &self.maps[1].1
    }

    /// Those who are allowed, in order.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn allowed(&self) -> Result<Vec<Prefix>> {
        let mut prefixes: Vec<Prefix> = entries(self.balancers())?
            .iter()
            .filter_map(|(key, _)| {
                let (length, rest) = key.split_first_chunk::<4>()?;
                let address: [u8; 16] = rest.get(4..)?.try_into().ok()?;
                let length = u32::from_ne_bytes(*length).checked_sub(LIST_BITS)?;
                Some(Prefix::from_mapped(
                    address.into(),
                    u8::try_from(length).ok()?,
                ))
            })
            .collect();
        prefixes.sort();
        Ok(prefixes)
    }

    /// The VIPs, in order.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn vips(&self) -> Result<Vec<IpAddr>> {
        let mut vips: Vec<IpAddr> = entries(self.addresses())?
            .into_iter()
            .filter(|(_, bits)| bits & address::VIP != 0)
            .filter_map(|(key, _)| Some(<[u8; 16]>::try_from(key).ok()?.into()))
            .map(|address: Ipv6Addr| address.to_canonical())
            .collect();
        vips.sort();
        Ok(vips)
    }

    /// Descriptors by name, as relocation takes them.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (String, i32)> {
        descriptors(&self.maps)
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn key(prefix: &Prefix) -> [u8; 24] {
    let (address, length) = prefix.mapped();
    let list = match prefix.address {
        IpAddr::V4(_) => family::V4,
        IpAddr::V6(_) => family::V6,
    };
    SourceKey::new(list, words(address), length).to_bytes()
}

/// All keys of a map, with their values, which are one word each.
fn entries(map: &MapFd) -> Result<Vec<(Vec<u8>, u32)>> {
    let mut entries = Vec::new();
    let mut next = vec![0; map.info().key_size as usize];
    let mut is_there = map_next_key(map, None, &mut next).context("list a table")?;
    while is_there {
        let (key, mut value) = (next.clone(), [0; 4]);
        if map_lookup(map, &key, &mut value).context("read a table")? {
            entries.push((key.clone(), u32::from_ne_bytes(value)));
        }
        is_there = map_next_key(map, Some(&key), &mut next).context("list a table")?;
    }
    Ok(entries)
}
