//! Making the programs that measure and those that are measured, and their
//! tables.

use crate::datapath::program::digest;
use crate::datapath::tables::create;
use crate::fault;
use crate::object::Spec;
use crate::sys::bpf::{
    BPF_F_XDP_HAS_FRAGS, BPF_XDP, MapFd, ProgramFd, ProgramKind, ProgramSpec, log_text,
    program_load,
};
use anyhow::{Context, Result, anyhow};
use std::os::fd::{AsFd, AsRawFd};

/// Room for the verifier's log. It is written in a last try only.
const LOG: usize = 16 << 20;

/// Makes a table of the object, of the size that it has there.
///
/// # Errors
///
/// It is not there; what the kernel says.
pub fn table(spec: &Spec, name: &str) -> Result<MapFd> {
    let table = spec.tables().find(|table| table.name == name);
    let table = table.with_context(|| format!("the object has no table {name}"))?;
    create(table, table.value_size)
}

/// Loads a program of the object with these tables, by their names in the
/// object.
///
/// As ours is, for frames in several buffers where the kernel has them (Linux
/// 5.18): a program can only be followed by one that is like it in this.
///
/// # Errors
///
/// What the kernel says.
pub fn load<'a>(
    spec: &Spec,
    name: &str,
    tables: impl IntoIterator<Item = &'a (&'a str, &'a MapFd)>,
) -> Result<ProgramFd> {
    let descriptors = tables
        .into_iter()
        .map(|(name, map)| ((*name).to_owned(), map.as_fd().as_raw_fd()))
        .collect();
    let linked = spec
        .link(name, &descriptors)
        .map_err(|error| anyhow!("link {name}: {error}"))?;
    let program = |flags| ProgramSpec {
        kind: ProgramKind::XDP,
        name,
        license: spec.license(),
        instructions: &linked.instructions,
        expected_attach_type: BPF_XDP,
        flags,
        btf: None,
    };
    if let Ok(program) = program_load(&program(BPF_F_XDP_HAS_FRAGS), None) {
        return Ok(program);
    }
    let mut log = vec![0; LOG];
    program_load(&program(0), Some(&mut log)).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => fault!(
            Permission,
            "BPF_PROG_LOAD of {name}: {error}; loading takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, in the first user namespace"
        ),
        _ => fault!(
            Refused,
            "BPF_PROG_LOAD: the kernel refuses {name}: {error}: {}",
            digest(&log_text(&log))
        ),
    })
}
