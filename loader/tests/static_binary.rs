//! The binary is one static file: it runs in an empty container.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use goblin::elf::Elf;
use goblin::elf::program_header::PT_INTERP;

const BINARY: &str = env!("CARGO_BIN_EXE_dsrload");

#[test]
fn the_binary_needs_no_interpreter_and_no_library() {
    let bytes = std::fs::read(BINARY).expect("the binary");
    let elf = Elf::parse(&bytes).expect("an ELF file");
    assert!(!elf.program_headers.iter().any(|h| h.p_type == PT_INTERP));
    assert_eq!(elf.interpreter, None);
    assert_eq!(elf.libraries, Vec::<&str>::new());
}

#[test]
fn the_object_in_it_is_bpf_and_drops_no_hint_of_where_it_was_built() {
    let elf = Elf::parse(dsrload::EMBEDDED).expect("an ELF file");
    assert_eq!(elf.header.e_machine, goblin::elf::header::EM_BPF);
    let here = env!("CARGO_MANIFEST_DIR").as_bytes();
    assert!(!dsrload::EMBEDDED.windows(here.len()).any(|w| w == here));
}

/// The program's licence, as the kernel reads it to allow the helpers.
#[test]
fn the_program_is_licensed_under_mit_and_gpl() {
    let spec = dsrload::object::Spec::parse(dsrload::EMBEDDED).expect("our object");
    assert_eq!(spec.license(), c"Dual MIT/GPL");
}
