//! Finding what is attached, and telling ours from others'.

use super::decap::Decap;
use super::pins;
use super::program::Loaded;
use super::tables::{Tables, map_name};
use crate::fault;
use crate::fault::{Kind, exit_code};
use crate::netlink::{Link, Mode, Netlink};
use crate::sys::bpf::{
    MapFd, ProgramFd, ProgramInfo, map_by_id, map_lookup, program_by_id, program_info,
};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use xdp_prog::abi::{self, ABI_VERSION, PROGRAM, Settings, section, settings};

/// Who holds an interface.
#[derive(Debug)]
pub enum Holder {
    /// No XDP program is attached.
    Nobody,
    /// A program of ours.
    Ours(Attached),
    /// A program of another version of ours, whose tables we cannot read.
    Another(Attached),
    /// Our program that ends tunnels.
    Decap(Decap),
    /// Somebody else's.
    Foreign(Foreign),
}

/// A program of ours on an interface.
#[derive(Debug)]
pub struct Attached {
    /// The interface.
    pub link: Link,
    /// Where it runs.
    pub mode: Mode,
    /// The program.
    pub program: ProgramFd,
    /// What the kernel tells of it.
    pub info: ProgramInfo,
    /// The version of its tables.
    pub abi: u32,
    /// Its port: the interface's number in the tables.
    pub port: u32,
    /// What it was compiled to do, [`settings::feature`].
    pub features: u32,
    /// An epoch of the flow table lasts `1 << epoch_shift` ticks.
    pub epoch_shift: u32,
}

/// Somebody else's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Where it is.
    pub interface: String,
    /// Its id.
    pub id: u32,
    /// Its name; empty if it has none, or if it may not be looked at.
    pub name: String,
}

impl Foreign {
    /// The error of whoever wanted the interface.
    #[must_use]
    pub fn fault(&self) -> anyhow::Error {
        let Self {
            interface,
            id,
            name,
        } = self;
        fault!(
            Busy,
            "{interface} is busy with an XDP program that is not dsrload's: id {id}, name '{name}'; it is left alone"
        )
    }
}

/// A balancer in this network namespace: its tables and all its interfaces.
#[derive(Debug)]
pub struct Balancer {
    /// What its program is attached to.
    pub attached: Vec<Attached>,
    /// Its tables.
    pub tables: Tables,
}

impl Balancer {
    /// The same once more.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left for it.
    pub fn again(&self) -> Result<Self> {
        let attached = self.attached.iter().map(Attached::again);
        Ok(Self {
            attached: attached.collect::<Result<_>>()?,
            tables: self.tables.again()?,
        })
    }
}

/// Where programs are attached to this interface.
fn attached_modes(link: &Link) -> Vec<(Mode, u32)> {
    [Mode::Skb, Mode::Drv, Mode::Hw]
        .into_iter()
        .filter_map(|mode| Some((mode, link.xdp.program(mode)?)))
        .collect()
}

/// Who holds `link`.
///
/// # Errors
///
/// `Permission`: the program may not be looked at. What else the kernel says.
pub fn holder(link: &Link) -> Result<Holder> {
    let mut ours = None;
    for (mode, id) in attached_modes(link) {
        let program = match open(link, id)? {
            Opened::Program(program) => program,
            Opened::Gone => bail!(
                "the XDP program of {} has just been replaced; try again",
                link.name
            ),
            Opened::Unpinned => {
                return Ok(Holder::Foreign(Foreign {
                    interface: link.name.clone(),
                    id,
                    name: String::new(),
                }));
            }
        };
        let info = program_info(&program).with_context(|| format!("ask for program {id}"))?;
        let foreign = Foreign {
            interface: link.name.clone(),
            id,
            name: info.name.clone(),
        };
        if info.name == abi::decap::PROGRAM
            && let Some(bytes) = read_settings(link, &info, abi::decap::section::SETTINGS)?
            && let Some(settings) = abi::decap::Settings::from_bytes(&bytes)
        {
            return Ok(Holder::Decap(Decap {
                link: link.clone(),
                mode,
                program,
                info,
                settings,
            }));
        }
        let settings = if info.name == PROGRAM {
            read_settings(link, &info, section::SETTINGS)?
        } else {
            None
        };
        let Some(bytes) = settings else {
            return Ok(Holder::Foreign(foreign));
        };
        let Some(abi) = settings::abi_of(&bytes) else {
            return Ok(Holder::Foreign(foreign));
        };
        let settings = Settings::from_bytes(&bytes).unwrap_or_default();
        ours = Some(Attached {
            link: link.clone(),
            mode,
            program,
            info,
            abi,
            port: settings.port.get(),
            features: settings.features.get(),
            epoch_shift: settings.epoch_shift.get(),
        });
    }
    Ok(match ours {
        None => Holder::Nobody,
        Some(attached) if attached.abi == ABI_VERSION => Holder::Ours(attached),
        Some(attached) => Holder::Another(attached),
    })
}

/// What came of opening a program.
enum Opened {
    /// Here it is.
    Program(ProgramFd),
    /// There is none of this id any more.
    Gone,
    /// It may not be looked at, and is not the one that we have pinned: it is not
    /// ours, unless a loader is between attaching it and pinning it.
    Unpinned,
}

/// The program with this id: through the id, or, where that is not allowed,
/// through its pin.
fn open(link: &Link, id: u32) -> Result<Opened> {
    match program_by_id(id) {
        Ok(program) => Ok(program.map_or(Opened::Gone, Opened::Program)),
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
            match pins::program(&link.name) {
                Some(program) if program_info(&program).is_ok_and(|info| info.id == id) => {
                    Ok(Opened::Program(program))
                }
                Some(_) => Ok(Opened::Unpinned),
                None => Err(fault!(
                    Permission,
                    "{} has XDP program {id}, which this process may not look at: that takes CAP_SYS_ADMIN, or its pins in {}",
                    link.name,
                    pins::ROOT
                )),
            }
        }
        Err(error) => Err(error).with_context(|| format!("open program {id}")),
    }
}

/// The bytes of the settings among the maps of a program. `None` if it has
/// none, and so is not ours.
fn read_settings(link: &Link, info: &ProgramInfo, table: &str) -> Result<Option<Vec<u8>>> {
    let name = map_name(table);
    for &id in &info.map_ids {
        let map = match map_by_id(id) {
            Ok(map) => map,
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                let pinned = pins::map(&link.name, table);
                return pinned.map(|map| value(&map)).transpose();
            }
            Err(error) => return Err(error).with_context(|| format!("open map {id}")),
        };
        match map {
            Some(map) if map.info().name == name => return value(&map).map(Some),
            _ => {}
        }
    }
    Ok(None)
}

fn value(map: &MapFd) -> Result<Vec<u8>> {
    let mut bytes = vec![0; map.info().value_size as usize];
    map_lookup(map, &0u32.to_ne_bytes(), &mut bytes)
        .with_context(|| format!("read map {}", map.info().name))?;
    Ok(bytes)
}

impl Attached {
    /// A program that has just been attached.
    ///
    /// # Errors
    ///
    /// What the kernel says of it.
    pub fn new(link: Link, mode: Mode, loaded: Loaded) -> Result<Self> {
        let info = program_info(&loaded.program).context("ask for the program")?;
        let settings = Settings::from_bytes(&value(&loaded.settings)?).unwrap_or_default();
        Ok(Self {
            link,
            mode,
            program: loaded.program,
            info,
            abi: ABI_VERSION,
            port: settings.port.get(),
            features: settings.features.get(),
            epoch_shift: settings.epoch_shift.get(),
        })
    }

    fn again(&self) -> Result<Self> {
        Ok(Self {
            link: self.link.clone(),
            mode: self.mode,
            program: self.program.again().context("hold the program once more")?,
            info: self.info.clone(),
            abi: self.abi,
            port: self.port,
            features: self.features,
            epoch_shift: self.epoch_shift,
        })
    }

    /// The tables of this program's balancer.
    ///
    /// # Errors
    ///
    /// What the kernel says; a table is missing.
    pub fn tables(&self, writable: bool) -> Result<Tables> {
        match Tables::by_ids(&self.info.map_ids, writable) {
            Err(error) if is_permission(&error) => {
                Tables::from_maps(pins::maps(&self.link.name), writable)
                    .context("the maps may not be opened by id, and not all are pinned")
            }
            tables => tables,
        }
    }
}

fn is_permission(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.raw_os_error() == Some(libc::EPERM))
}

/// Whether it is that a program may not be looked at. It is somebody else's, most
/// likely, and no reason to do nothing to ours on other interfaces.
#[must_use]
pub fn is_hidden(error: &anyhow::Error) -> bool {
    exit_code(error) == Kind::Permission as u8
}

/// All balancers of this network namespace, or those of one interface.
/// Programs of other versions are given as well.
///
/// # Errors
///
/// The interface does not exist; what the kernel says. `Permission`: none was found
/// that may be looked at, and one may not.
pub fn balancers(
    netlink: &mut Netlink,
    interface: Option<&str>,
    writable: bool,
) -> Result<(Vec<Balancer>, Vec<Attached>)> {
    let wanted = interface.map(|name| link(netlink, name)).transpose()?;
    let mut balancers: BTreeMap<u32, Balancer> = BTreeMap::new();
    let mut others = Vec::new();
    let mut hidden = None;
    for link in netlink.links().context("list interfaces")? {
        let holder = match holder(&link) {
            Err(error) if is_hidden(&error) => {
                if wanted.as_ref().is_none_or(|w| w.index == link.index) {
                    hidden = hidden.or(Some(error));
                }
                continue;
            }
            holder => holder?,
        };
        match holder {
            Holder::Nobody | Holder::Foreign(_) | Holder::Decap(_) => {}
            Holder::Another(attached) => others.push(attached),
            Holder::Ours(attached) => {
                let tables = attached.tables(writable)?;
                balancers
                    .entry(tables.id()?)
                    .or_insert_with(|| Balancer {
                        attached: Vec::new(),
                        tables,
                    })
                    .attached
                    .push(attached);
            }
        }
    }
    let mut balancers: Vec<Balancer> = balancers.into_values().collect();
    if let Some(wanted) = wanted {
        balancers.retain(|b| b.attached.iter().any(|a| a.link.index == wanted.index));
        others.retain(|a| a.link.index == wanted.index);
    }
    match hidden {
        Some(error) if balancers.is_empty() && others.is_empty() => Err(error),
        _ => Ok((balancers, others)),
    }
}

/// The interface of this name.
///
/// # Errors
///
/// There is none; what the kernel says.
pub fn link(netlink: &mut Netlink, name: &str) -> Result<Link> {
    netlink
        .link_by_name(name)
        .with_context(|| format!("ask for interface {name}"))?
        .ok_or_else(|| {
            fault!(
                Failed,
                "there is no interface '{name}' in this network namespace; `ip link` lists them"
            )
        })
}
