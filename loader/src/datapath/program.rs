//! Making the program of one interface: settings, relocation, verifier.

use super::tables::{Tables, map_name};
use crate::fault;
use crate::object::{Spec, TableSpec};
use crate::sys::bpf::{
    BPF_ANY, BPF_F_XDP_HAS_FRAGS, BPF_XDP, BtfFd, MapFd, MapKind, MapSpec, ProgramBtf, ProgramFd,
    ProgramKind, ProgramSpec, btf_load, log_text, map_create, map_freeze, map_update,
    program_bind_map, program_load,
};
use crate::sys::machine::ticks_per_second;
use anyhow::{Context, Result};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use xdp_prog::abi::settings::feature;
use xdp_prog::abi::word::{Word32, Word64};
use xdp_prog::abi::{self, ABI_VERSION, MAGIC, PROGRAM, Port, Settings, decap, section};

/// Room for the verifier's log. It is written in a second try only.
pub(super) const LOG: usize = 16 << 20;

/// An epoch of the flow table lasts at least this long.
const EPOCH_SECONDS: u32 = 2;

/// What an older kernel may lack, richest first: multi-buffer frames (Linux
/// 5.18), the trace pipe (5.16).
const VARIANTS: &[(u32, u32)] = &[
    (BPF_F_XDP_HAS_FRAGS, feature::TRACE | feature::BUFFERS),
    (0, feature::TRACE),
    (0, 0),
];

/// A program that is loaded, with what it cannot exist without.
#[derive(Debug)]
pub struct Loaded {
    /// The program.
    pub program: ProgramFd,
    /// Its settings, read-only.
    pub settings: MapFd,
}

/// What the verifier has been shown, for all programs of one balancer alike.
pub struct Maker<'a> {
    spec: &'a Spec,
    tables: &'a Tables,
    btf: Option<BtfFd>,
    /// An epoch of the flow table lasts `1 << epoch_shift` ticks: 2 to 4
    /// seconds, unless it is set otherwise before programs are made. With 63
    /// time stands still.
    pub epoch_shift: u32,
}

impl<'a> Maker<'a> {
    /// Prepares to make programs for these tables.
    ///
    /// # Errors
    ///
    /// The kernel's clock cannot be asked.
    pub fn new(spec: &'a Spec, tables: &'a Tables) -> Result<Self> {
        let ticks = ticks_per_second().context("ask for the kernel's clock")?;
        Ok(Self {
            spec,
            tables,
            // Without types there are no global functions, and the verifier has
            // too much to look at: what it says then tells more than this.
            btf: spec.btf().and_then(|btf| btf_load(btf, None).ok()),
            epoch_shift: (ticks * EPOCH_SECONDS).next_power_of_two().ilog2(),
        })
    }

    /// Makes the program for the interface of this port.
    ///
    /// # Errors
    ///
    /// What the kernel says, with a digest of the verifier's log and the path
    /// of the whole.
    pub fn make(&self, port: u32) -> Result<Loaded> {
        let mut last = None;
        for &(flags, features) in VARIANTS {
            let settings = self.settings(port, features)?;
            match self.load(port, &settings, flags, None) {
                Ok(program) => return Ok(Loaded { program, settings }),
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                    return Err(fault!(
                        Permission,
                        "BPF_PROG_LOAD: {error}; loading takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, in the first user namespace"
                    ));
                }
                Err(_) => last = Some((settings, flags)),
            }
        }
        let (settings, flags) = last.context("there is no program to load")?;
        Err(self.explain(port, &settings, flags))
    }

    fn load(
        &self,
        port: u32,
        settings: &MapFd,
        flags: u32,
        log: Option<&mut [u8]>,
    ) -> std::io::Result<ProgramFd> {
        let mut descriptors = self.tables.descriptors();
        descriptors.insert(section::SETTINGS.to_owned(), settings.as_fd().as_raw_fd());
        let invalid = |error: String| std::io::Error::other(error);
        let constants = self.constants().map_err(|e| invalid(format!("{e:#}")))?;
        for (name, map) in &constants {
            descriptors.insert(name.clone(), map.as_fd().as_raw_fd());
        }
        let ports = descriptors.get(section::PORTS).copied();
        descriptors.extend(ports.map(|ports| (section::OWN_PORT.to_owned(), ports)));
        let own = i32::try_from(port as usize * size_of::<Port>()).unwrap_or(i32::MAX);
        let offsets = [(section::OWN_PORT.to_owned(), own)].into();
        let linked = self
            .spec
            .link_within(PROGRAM, &descriptors, &offsets)
            .map_err(|e| invalid(e.to_string()))?;
        let btf = self.btf.as_ref().map(|fd| ProgramBtf {
            fd,
            func_info: &linked.func_info,
            line_info: &linked.line_info,
        });
        let program = program_load(
            &ProgramSpec {
                kind: ProgramKind::XDP,
                name: PROGRAM,
                license: self.spec.license(),
                instructions: &linked.instructions,
                expected_attach_type: BPF_XDP,
                flags,
                btf,
            },
            log,
        )?;
        let config = self.tables.map(abi::CONFIG);
        program_bind_map(&program, config.map_err(|e| invalid(format!("{e:#}")))?)?;
        Ok(program)
    }

    /// The settings of one program, frozen.
    fn settings(&self, port: u32, features: u32) -> Result<MapFd> {
        let table = self
            .spec
            .tables()
            .find(|t| t.name == section::SETTINGS)
            .with_context(|| format!("the object has no table {}", section::SETTINGS))?;
        let settings = Settings {
            magic: Word64::new(MAGIC),
            abi: Word32::new(ABI_VERSION),
            features: Word32::new(features),
            port: Word32::new(port),
            cpu_mask: mask(self.tables.outcomes.entries().len()),
            slot_mask: mask(self.tables.slots.entries().len()),
            bucket_mask: mask(self.tables.flows.entries().len()),
            epoch_shift: Word32::new(self.epoch_shift),
            ..Settings::default()
        };
        frozen(table, &settings.to_bytes())
    }

    /// Other read-only data of the object: texts.
    fn constants(&self) -> Result<Vec<(String, MapFd)>> {
        self.spec
            .tables()
            .filter(|t| t.readonly && t.name != section::SETTINGS)
            .filter(|t| t.name != decap::section::SETTINGS)
            .map(|table| {
                let contents = table.contents.as_deref().unwrap_or_default();
                Ok((table.name.clone(), frozen(table, contents)?))
            })
            .collect()
    }

    /// Loads once more, to tell what the verifier found.
    fn explain(&self, port: u32, settings: &MapFd, flags: u32) -> anyhow::Error {
        let mut log = vec![0; LOG];
        let error = match self.load(port, settings, flags, Some(&mut log)) {
            Ok(_) => return fault!(Refused, "the kernel refused the program, then took it"),
            Err(error) => error,
        };
        refusal(&error, &log_text(&log))
    }
}

/// What the verifier found, by its log.
pub(super) fn refusal(error: &std::io::Error, log: &str) -> anyhow::Error {
    let whole = match keep(log) {
        Ok(path) => format!("the verifier's log is in {}", path.display()),
        Err(error) => format!("the verifier's log could not be written: {error}"),
    };
    fault!(
        Refused,
        "BPF_PROG_LOAD: the kernel refuses the program: {error}: {}; {whole}",
        digest(log)
    )
}

fn mask(entries: usize) -> Word32 {
    Word32::new(u32::try_from(entries.wrapping_sub(1)).unwrap_or(u32::MAX))
}

/// A map that nobody can write any more: the verifier then knows its values.
pub(super) fn frozen(table: &TableSpec, contents: &[u8]) -> Result<MapFd> {
    let name = map_name(&table.name);
    let map = map_create(&MapSpec {
        kind: MapKind(table.kind),
        key_size: table.key_size,
        value_size: table.value_size,
        max_entries: table.max_entries,
        flags: table.flags,
        name: &name,
        btf: None,
    })
    .with_context(|| format!("BPF_MAP_CREATE of {name} failed"))?;
    map_update(&map, &0u32.to_ne_bytes(), contents, BPF_ANY)
        .with_context(|| format!("BPF_MAP_UPDATE_ELEM of {name} failed"))?;
    map_freeze(&map).with_context(|| format!("BPF_MAP_FREEZE of {name} failed"))?;
    Ok(map)
}

/// The lines of a verifier's log that matter: the last one that is no
/// statistics, and the source line it is about.
#[must_use]
pub fn digest(log: &str) -> String {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with("processed "))
        .collect();
    let Some((&reason, before)) = lines.split_last() else {
        return "it gives no reason".to_owned();
    };
    match before.iter().rev().find(|l| l.contains(" @ ")) {
        Some(source) => format!("{reason} (at {})", source.trim_start_matches(';').trim()),
        None => reason.to_owned(),
    }
}

/// Writes the whole log to a file of its own.
fn keep(text: &str) -> std::io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("dsrload-verifier-{}.log", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_log_is_its_reason_and_the_source_line() {
        let log = "\
func#0 @0
0: R1=ctx() R10=fp0
; let x = frame.read(4); @ balance.rs:12
1: (61) r2 = *(u32 *)(r1 +0)
invalid access to packet, off=12 size=2, R2(id=0,off=12,r=0)
R2 offset is outside of the packet
processed 367 insns (limit 1000000) max_states_per_insn 2

";
        assert_eq!(
            digest(log),
            "R2 offset is outside of the packet (at let x = frame.read(4); @ balance.rs:12)"
        );
        assert_eq!(digest("\n"), "it gives no reason");
    }
}
