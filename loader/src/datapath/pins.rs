//! Names in bpffs for what is loaded: an addition, never a necessity.
//!
//! `/sys/fs/bpf/dsrload/<netns inode>/<interface>/` holds the program and its
//! maps. With them a process finds everything that may not look programs up by
//! id (that takes CAP_SYS_ADMIN). They keep objects alive that nothing else
//! uses any more, so those of interfaces that are gone are swept.

use super::tables::{Tables, map_name};
use crate::sys::bpf::{
    MapFd, ProgramFd, is_bpffs, map_lookup, open_pinned_map, open_pinned_program, pin,
};
use crate::sys::namespace::netns_inode;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use xdp_prog::abi::{self, Settings, section};

/// Where bpffs is mounted by custom.
const BPFFS: &str = "/sys/fs/bpf";

/// Where our pins are.
pub const ROOT: &str = "/sys/fs/bpf/dsrload";

/// The name of the pinned program.
const PROGRAM: &str = "program";

/// The directory of an interface's pins, whether it exists or not. `None`
/// without bpffs or without `/proc`, which tells the namespace.
#[must_use]
pub fn directory(interface: &str) -> Option<PathBuf> {
    if !is_bpffs(Path::new(BPFFS)) {
        return None;
    }
    let netns = netns_inode()?;
    Some(
        Path::new(ROOT)
            .join(netns.to_string())
            .join(encode(interface)),
    )
}

/// An interface's name as bpffs takes it: without dots, as in `eth0.100`.
fn encode(interface: &str) -> String {
    interface.replace('%', "%25").replace('.', "%2e")
}

/// The pinned program of an interface.
#[must_use]
pub fn program(interface: &str) -> Option<ProgramFd> {
    open_pinned_program(&directory(interface)?.join(PROGRAM)).ok()?
}

/// One pinned map of an interface, by its name in the object.
#[must_use]
pub fn map(interface: &str, table: &str) -> Option<MapFd> {
    open_pinned_map(&directory(interface)?.join(map_name(table))).ok()?
}

/// The pinned maps of an interface, by their names in the object.
#[must_use]
pub fn maps(interface: &str) -> BTreeMap<&'static str, MapFd> {
    let tables = abi::TABLES.iter().map(|&(_, table)| table);
    tables
        .chain([abi::CONFIG])
        .filter_map(|table| Some((table, map(interface, table)?)))
        .collect()
}

/// Pins what is loaded on an interface, over what was pinned there before.
///
/// The first two pins are those that [`sweep`] needs, so that a loader that
/// was killed in between leaves nothing that cannot be swept.
///
/// # Errors
///
/// What the file system says. What is loaded works without pins.
pub fn store(
    directory: &Path,
    program: &ProgramFd,
    settings: &MapFd,
    tables: &Tables,
) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    replace(settings, directory, &map_name(section::SETTINGS))?;
    if let Ok(devices) = tables.devices() {
        replace(devices, directory, &map_name(abi::DEVICES))?;
    }
    for (name, map) in tables.maps().filter(|&(name, _)| name != abi::DEVICES) {
        replace(map, directory, &map_name(name))?;
    }
    replace(program, directory, PROGRAM)
}

/// Pins under a new name, then renames over the old: readers find one of both.
fn replace(object: impl std::os::fd::AsFd, directory: &Path, name: &str) -> io::Result<()> {
    let new = directory.join(format!("{name}~"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    pin(object, &new)?;
    fs::rename(&new, directory.join(name))
}

/// Removes an interface's pins, those that [`sweep`] needs last.
///
/// # Errors
///
/// What the file system says.
pub fn remove(directory: &Path) -> io::Result<()> {
    let last = [map_name(abi::DEVICES), map_name(section::SETTINGS)];
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut names: Vec<_> = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort_by_key(|name| last.iter().position(|l| name.to_str() == Some(l)));
    for name in names {
        fs::remove_file(directory.join(name))?;
    }
    fs::remove_dir(directory)?;
    // The namespace's directory, and ours, go with their last interface.
    for parent in directory.ancestors().skip(1).take(2) {
        if fs::remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(())
}

/// Removes the pins of interfaces that are gone, in whatever namespace they
/// were: the kernel has cleared their entry of the device map.
pub fn sweep() {
    let directories = |path: &Path| -> Vec<PathBuf> {
        fs::read_dir(path)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()
    };
    if !is_bpffs(Path::new(BPFFS)) {
        return;
    }
    for namespace in directories(Path::new(ROOT)) {
        for interface in directories(&namespace) {
            if is_stale(&interface) {
                // What cannot be removed now is for the next run to sweep.
                let _ = remove(&interface);
            }
        }
    }
}

/// Whether the interface of these pins is gone. What cannot be told stays.
fn is_stale(directory: &Path) -> bool {
    let open = |table| open_pinned_map(&directory.join(map_name(table))).ok()?;
    let is_gone = || {
        let settings: MapFd = open(section::SETTINGS)?;
        let devices: MapFd = open(abi::DEVICES)?;
        let mut bytes = vec![0; settings.info().value_size as usize];
        map_lookup(&settings, &0u32.to_ne_bytes(), &mut bytes).ok()?;
        let port = Settings::from_bytes(&bytes)?.port.get();
        let mut interface = [0; 4];
        let found = map_lookup(&devices, &port.to_ne_bytes(), &mut interface).ok()?;
        Some(!found)
    };
    is_gone().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_interface_has_a_name_without_dots() {
        assert_eq!(encode("eth0.100"), "eth0%2e100");
        assert_ne!(encode("a%2e"), encode("a."));
    }
}
