//! Programs small enough to be written as bytes.

use dsrload::sys::bpf::{self, MapFd, ProgramFd, ProgramKind, ProgramSpec};
use std::os::fd::{AsFd, AsRawFd};

/// `enum xdp_action`.
pub const XDP_PASS: u8 = 2;

/// `r0 = verdict; exit`
pub fn answering(verdict: u8) -> Vec<u8> {
    let mut code = vec![0xb7, 0, 0, 0, verdict, 0, 0, 0];
    code.extend([0x95, 0, 0, 0, 0, 0, 0, 0]);
    code
}

/// `r1 = map`, then pass.
pub fn naming(map: &MapFd) -> Vec<u8> {
    let mut code = vec![0x18, 0x11, 0, 0];
    code.extend(map.as_fd().as_raw_fd().to_ne_bytes());
    code.extend([0; 8]);
    code.extend(answering(XDP_PASS));
    code
}

/// An XDP program of these instructions.
pub fn spec<'a>(name: &'a str, instructions: &'a [u8]) -> ProgramSpec<'a> {
    ProgramSpec {
        kind: ProgramKind::XDP,
        name,
        license: c"Dual MIT/GPL",
        instructions,
        expected_attach_type: bpf::BPF_XDP,
        flags: 0,
        btf: None,
    }
}

/// A program that passes everything.
pub fn passing(name: &str) -> ProgramFd {
    bpf::program_load(&spec(name, &answering(XDP_PASS)), None).unwrap()
}

/// The identifier of a program.
pub fn id(program: &ProgramFd) -> u32 {
    bpf::program_info(program).unwrap().id
}
