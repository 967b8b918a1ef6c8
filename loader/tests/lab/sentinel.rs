//! What a balancer can leave behind, as seen by others than itself: `bpftool`
//! for programs and maps, `ip` for interfaces, the directory for pins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::deadline::wait_until;
use super::host::Host;
use super::mounts::BPFFS;

/// What `ip` says about XDP on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// `drv`, `skb`, `hw`, or `multi` for several at once.
    pub mode: &'static str,
    /// The program's id.
    pub id: u32,
    /// The program's name.
    pub name: String,
}

/// The XDP program on an interface, if there is one.
pub fn attached(host: &Host, interface: &str) -> Option<Attached> {
    let links = json(&host.run(&format!("ip -details -json link show dev {interface}")));
    let xdp = links[0].get("xdp")?;
    let modes = ["none", "drv", "skb", "hw", "multi"];
    let mode = modes[number(&xdp["mode"]) as usize];
    Some(Attached {
        mode,
        id: number(&xdp["prog"]["id"]),
        name: xdp["prog"]["name"].as_str().unwrap_or_default().to_owned(),
    })
}

/// What existed when the test began, to be compared with what is left.
///
/// The lists of programs and maps are the machine's: only for a lab that is
/// alone on it.
#[derive(Debug)]
pub struct Sentinel {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
}

impl Sentinel {
    /// Looks at the programs named `dsrload`, and at all maps.
    pub fn posted(host: &Host) -> Self {
        Self {
            programs: programs(host, "dsrload"),
            maps: maps(host),
        }
    }

    /// Waits until nothing of `dsrload` is left: no program, no map, no pin in
    /// this host's view, no XDP on its interfaces. The kernel frees programs
    /// and maps a little later than it forgets their owners.
    pub fn sees_nothing_left(&self, host: &Host) {
        assert_eq!(pins(host), Vec::<PathBuf>::new(), "pins are left");
        assert_eq!(
            pinned_namespaces(host),
            Vec::<String>::new(),
            "directories are left"
        );
        for interface in interfaces(host) {
            assert_eq!(
                attached(host, &interface),
                None,
                "XDP is left on {interface}"
            );
        }
        // Only what is there now has to go: another user of this machine may
        // come with new ones at any time.
        let new: BTreeSet<u32> = &programs(host, "dsrload") - &self.programs;
        wait_until("the programs to go", || {
            programs(host, "dsrload").is_disjoint(&new)
        });
        let new: BTreeSet<u32> = &maps(host) - &self.maps;
        wait_until("the maps to go", || maps(host).is_disjoint(&new));
    }
}

/// All files under `dsrload` in the host's BPF file system.
pub fn pins(host: &Host) -> Vec<PathBuf> {
    let directory = Path::new(BPFFS).join("dsrload");
    let mut found = Vec::new();
    host.inside(|| collect(&directory, &mut found));
    found.sort();
    found
}

/// The names of the network namespaces that have a directory of pins.
pub fn pinned_namespaces(host: &Host) -> Vec<String> {
    let directory = Path::new(BPFFS).join("dsrload");
    let entries = host.inside(|| fs::read_dir(&directory).map(Iterator::collect::<Vec<_>>));
    let names = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    // No such directory, no such file system: no pins.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn interfaces(host: &Host) -> Vec<String> {
    let links = json(&host.run("ip -json link show"));
    let links = links.as_array().into_iter().flatten();
    links
        .filter_map(|link| link["ifname"].as_str().map(str::to_owned))
        .collect()
}

/// The machine's BPF programs of this name.
pub fn programs(host: &Host, name: &str) -> BTreeSet<u32> {
    let programs = json(&host.run("bpftool --json prog list"));
    let programs = programs.as_array().into_iter().flatten();
    programs
        .filter(|program| program["name"] == name)
        .map(|program| number(&program["id"]))
        .collect()
}

/// The machine's BPF maps.
pub fn maps(host: &Host) -> BTreeSet<u32> {
    let maps = json(&host.run("bpftool --json map list"));
    maps.as_array()
        .into_iter()
        .flatten()
        .map(|map| number(&map["id"]))
        .collect()
}

/// How many bytes the kernel holds for each of these maps.
pub fn memory(host: &Host, maps: &BTreeSet<u64>) -> BTreeMap<u64, u64> {
    let all = json(&host.run("bpftool --json map list"));
    let all = all.as_array().into_iter().flatten();
    let figure = |map: &Value, name: &str| map[name].as_u64().expect("a number");
    all.map(|map| (figure(map, "id"), map))
        .filter(|(id, _)| maps.contains(id))
        .map(|(id, map)| (id, figure(map, "bytes_memlock")))
        .collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
}

fn number(value: &Value) -> u32 {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{value} is not a small number"))
}
