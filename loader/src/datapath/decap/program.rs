//! Making the two programs of one interface.

use super::tables::{Kept, Lists};
use crate::datapath::program::{LOG, frozen, refusal};
use crate::fault;
use crate::object::Spec;
use crate::sys::bpf::{
    BPF_F_XDP_HAS_FRAGS, BPF_XDP, BtfFd, MapFd, ProgramBtf, ProgramFd, ProgramKind, ProgramSpec,
    btf_load, log_text, program_load,
};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use xdp_prog::abi::decap::{CLAMP, PROGRAM, Settings, section};

/// Programs that are loaded, with what they cannot exist without.
#[derive(Debug)]
pub struct Programs {
    /// Ends tunnels: XDP.
    pub decap: ProgramFd,
    /// Clamps the MSS: tc.
    pub clamp: ProgramFd,
    /// Their settings, read-only.
    pub settings: MapFd,
}

/// A kind of program, where it is attached, and its flags.
type Shape = (ProgramKind, u32, u32);

/// Richest first: multi-buffer frames are of Linux 5.18.
const DECAP: &[Shape] = &[
    (ProgramKind::XDP, BPF_XDP, BPF_F_XDP_HAS_FRAGS),
    (ProgramKind::XDP, BPF_XDP, 0),
];
const CLAMPS: &[Shape] = &[(ProgramKind::SCHED_CLS, 0, 0)];

/// Makes the programs for these tables.
///
/// # Errors
///
/// What the kernel says, with a digest of the verifier's log.
pub fn make(spec: &Spec, kept: &Kept, lists: &Lists, settings: &Settings) -> Result<Programs> {
    settings
        .cpu_mask
        .set(u32::try_from(kept.rows().wrapping_sub(1)).unwrap_or(u32::MAX));
    let table = spec.tables().find(|table| table.name == section::SETTINGS);
    let table = table.with_context(|| format!("the object has no table {}", section::SETTINGS))?;
    let frozen = frozen(table, &settings.to_bytes())?;
    let mut descriptors: BTreeMap<String, i32> =
        kept.descriptors().chain(lists.descriptors()).collect();
    descriptors.insert(section::SETTINGS.to_owned(), frozen.as_fd().as_raw_fd());
    let maker = Maker {
        spec,
        descriptors,
        // Types are for people who look at the program; it works without.
        btf: spec.btf().and_then(|btf| btf_load(btf, None).ok()),
    };
    Ok(Programs {
        decap: maker.make(PROGRAM, DECAP)?,
        clamp: maker.make(CLAMP, CLAMPS)?,
        settings: frozen,
    })
}

struct Maker<'a> {
    spec: &'a Spec,
    descriptors: BTreeMap<String, i32>,
    btf: Option<BtfFd>,
}

impl Maker<'_> {
    /// Makes a program in the first of these shapes that the kernel takes.
    fn make(&self, name: &str, shapes: &[Shape]) -> Result<ProgramFd> {
        let mut last = None;
        for &shape in shapes {
            match self.load(name, shape, None) {
                Ok(program) => return Ok(program),
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                    return Err(fault!(
                        Permission,
                        "BPF_PROG_LOAD: {error}; loading takes CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, in the first user namespace"
                    ));
                }
                Err(_) => last = Some(shape),
            }
        }
        let shape = last.context("there is no program to load")?;
        // Once more, to tell what the verifier found.
        let mut log = vec![0; LOG];
        match self.load(name, shape, Some(&mut log)) {
            Ok(program) => Ok(program),
            Err(error) => Err(refusal(&error, &log_text(&log))),
        }
    }

    fn load(
        &self,
        name: &str,
        (kind, expected_attach_type, flags): Shape,
        log: Option<&mut [u8]>,
    ) -> io::Result<ProgramFd> {
        let linked = self.spec.link(name, &self.descriptors);
        let linked = linked.map_err(|error| io::Error::other(error.to_string()))?;
        let btf = self.btf.as_ref().map(|fd| ProgramBtf {
            fd,
            func_info: &linked.func_info,
            line_info: &linked.line_info,
        });
        let spec = ProgramSpec {
            kind,
            name,
            license: self.spec.license(),
            instructions: &linked.instructions,
            expected_attach_type,
            flags,
            btf,
        };
        program_load(&spec, log)
    }
}
