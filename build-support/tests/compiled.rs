//! Programs that can run in the kernel become objects that it takes.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::collections::BTreeSet;
use std::fs;

use build_support_driver::Program;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind, SymbolScope};

const BALANCER: &str = include_str!("good/balancer.rs");
const ARITHMETIC: &str = include_str!("good/arithmetic.rs");
const STACK: &str = include_str!("good/stack.rs");
const V4: &str = include_str!("good/v4.rs");

/// Builds a program, which must succeed.
fn object(program: &Program) -> Vec<u8> {
    let outcome = program.build().expect("the driver runs");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    fs::read(program.object()).expect("the object")
}

fn balancer() -> Vec<u8> {
    let program = Program::new("balancer.rs", BALANCER).expect("a directory");
    let tables = ["BACKENDS", "SLOTS", "SETTINGS"];
    object(
        &tables
            .iter()
            .fold(program, |program, table| program.table(table)),
    )
}

fn elf(object: &[u8]) -> ElfFile64<'_> {
    ElfFile64::parse(object).expect("an ELF object")
}

fn section<'a>(elf: &ElfFile64<'a>, name: &str) -> &'a [u8] {
    let section = elf.section_by_name(name);
    section.expect(name).data().expect("its bytes")
}

#[test]
fn an_object_has_the_sections_that_loaders_look_for_and_no_debug_info() {
    let object = balancer();
    let sections: BTreeSet<String> = elf(&object)
        .sections()
        .map(|section| section.name().expect("a name").to_owned())
        .filter(|name| !name.starts_with(".rel"))
        .collect();
    let wanted = [
        ".BTF",
        ".BTF.ext",
        ".bss",
        ".maps",
        ".rodata.settings",
        ".shstrtab",
        ".strtab",
        ".symtab",
        ".text",
        "license",
        "xdp",
    ];
    assert_eq!(sections, wanted.map(str::to_owned).into());
    assert_eq!(section(&elf(&object), "license"), b"GPL\0");
}

#[test]
fn programs_and_tables_are_global_and_everything_else_is_local() {
    let object = balancer();
    let elf = elf(&object);
    let named = |scope: fn(SymbolScope) -> bool| -> BTreeSet<&str> {
        elf.symbols()
            .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Data))
            .filter(|symbol| scope(symbol.scope()))
            .map(|symbol| symbol.name().expect("a name"))
            .collect()
    };
    let global = named(|scope| scope != SymbolScope::Compilation);
    let wanted = [
        "BACKENDS", "LICENSE", "SETTINGS", "SLOTS", "balance", "count",
    ];
    assert_eq!(global, BTreeSet::from(wanted));
    let local = named(|scope| scope == SymbolScope::Compilation);
    assert_eq!(local.len(), 2, "the two subprograms: {local:?}");
}

#[test]
fn nothing_is_undefined() {
    let object = balancer();
    let elf = elf(&object);
    let undefined: Vec<&str> = elf
        .symbols()
        .filter(|symbol| symbol.is_undefined())
        .map(|symbol| symbol.name().expect("a name"))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(undefined.is_empty(), "{undefined:?}");
}

#[test]
fn a_cold_function_is_a_subprogram_like_any_other() {
    let object = balancer();
    let elf = elf(&object);
    let text = elf.section_by_name(".text").expect(".text").index();
    let cold = elf
        .symbols()
        .find(|symbol| symbol.name().is_ok_and(|name| name.contains("take_slot")))
        .expect("it is not inlined");
    assert_eq!(cold.section_index(), Some(text));
}

#[test]
fn everything_that_bpf_has_instructions_for_compiles() {
    let program = Program::new("arithmetic.rs", ARITHMETIC).expect("a directory");
    let tables = ["WORD", "HALF", "BYTE"];
    let program = tables
        .iter()
        .fold(program, |program, table| program.table(table));
    let object = object(&program);
    let programs = elf(&object)
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_global())
        .count();
    assert_eq!(programs, 22);
}

#[test]
fn packets_are_read_by_words_at_any_address_and_the_stack_is_not() {
    let program = Program::new("stack.rs", STACK).expect("a directory");
    let object = object(&program);
    let elf = elf(&object);
    let mut words = 0;
    for access in accesses(section(&elf, "xdp")) {
        if access.on_stack {
            let aligned = i64::from(access.offset) % access.size == 0;
            assert!(aligned, "{access:?}, which the verifier refuses");
        } else if access.offset >= 8 {
            words += i64::from(access.size == 4);
            assert!(access.size > 1, "{access:?}, which is slow");
        }
    }
    assert!(words > 0, "no word of the packet is read at once");
    // The subprogram is given an address on the stack.
    for access in accesses(section(&elf, ".text")) {
        let aligned = i64::from(access.offset) % access.size == 0;
        assert!(aligned, "{access:?}, which the verifier refuses");
    }
}

#[test]
fn v4_compiles_what_v3_has_no_instructions_for() {
    let program = Program::new("v4.rs", V4).expect("a directory");
    object(&program.table("WORD").cpu("v4"));
}

#[test]
fn v4_has_no_sequential_consistency_for_loads_and_stores() {
    let text = V4.replace("Release", "SeqCst").replace("Acquire", "SeqCst");
    let program = Program::new("v4.rs", &text).expect("a directory");
    let outcome = program
        .table("WORD")
        .cpu("v4")
        .build()
        .expect("the driver runs");
    assert_eq!(outcome.code, Some(1));
    for wanted in [
        "v4.rs:16: a store with SeqCst: BPF v4 has Release at most",
        "v4.rs:17: a load with SeqCst: BPF v4 has Acquire at most",
    ] {
        assert!(outcome.stderr.contains(wanted), "{}", outcome.stderr);
    }
}

#[test]
fn an_unknown_instruction_set_is_refused_by_name() {
    let program = Program::new("v9.rs", "#![no_std]").expect("a directory");
    let outcome = program.cpu("v9").build().expect("the driver runs");
    let wanted = "Error: there is no BPF instruction set `v9`: take v3 or v4\n";
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), wanted));
}

#[test]
fn the_kernel_accepts_every_name_in_the_type_information() {
    let object = balancer();
    let btf = Btf::of(section(&elf(&object), ".BTF"));
    assert!(btf.types.iter().any(|entry| entry.name == "Option_u32_"));
    for entry in &btf.types {
        match entry.kind {
            // Pointers, arrays, modifiers and prototypes have no names.
            2 | 3 | 9 | 10 | 11 | 13 => assert_eq!(entry.name, "", "kind {}", entry.kind),
            15 => assert!(elf(&object).section_by_name(&entry.name).is_some()),
            _ => assert_identifier(&entry.name),
        }
        entry
            .members
            .iter()
            .for_each(|name| assert_identifier(name));
    }
}

#[test]
fn subprograms_are_static_and_programs_are_global() {
    let object = balancer();
    let btf = Btf::of(section(&elf(&object), ".BTF"));
    let functions: BTreeSet<(&str, usize)> = btf
        .types
        .iter()
        .filter(|entry| entry.kind == 12)
        .map(|entry| (entry.name.as_str(), entry.count))
        .collect();
    let wanted = [("balance", 1), ("count", 1), ("mix", 0), ("take_slot", 0)];
    assert_eq!(functions, BTreeSet::from(wanted));
}

#[test]
fn the_type_information_quotes_the_source() {
    let object = balancer();
    let strings = Btf::of(section(&elf(&object), ".BTF")).strings;
    assert!(strings.contains("balancer.rs"));
    assert!(strings.contains("    if frame.kind != [8, 0] {"));
}

fn assert_identifier(name: &str) {
    let fine = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let starts_well = !name.starts_with(|c: char| c.is_ascii_digit());
    assert!(
        name.len() < 128 && name.chars().all(fine) && starts_well,
        "{name}"
    );
}

/// A load or a store.
#[derive(Debug)]
struct Access {
    /// In bytes.
    size: i64,
    offset: i16,
    /// Whether its address is an offset from the frame pointer itself.
    on_stack: bool,
}

/// The loads and stores of BPF code, as `linux/bpf.h` describes it: the opcode
/// (three bits of mode, two of size, three of class), two registers, an offset.
fn accesses(code: &[u8]) -> impl Iterator<Item = Access> {
    let (instructions, rest) = code.as_chunks::<8>();
    assert!(rest.is_empty(), "half an instruction");
    instructions.iter().filter_map(|instruction| {
        let (opcode, registers) = (instruction[0], instruction[1]);
        let address = match opcode & 7 {
            1 => registers >> 4,
            2 | 3 => registers & 15,
            _ => return None,
        };
        (opcode & 0xe0 == 0x60).then(|| Access {
            size: [4, 2, 1, 8][usize::from(opcode >> 3 & 3)],
            offset: i16::from_le_bytes([instruction[2], instruction[3]]),
            on_stack: address == 10,
        })
    })
}

/// The kernel's type information, read by itself: not with the code that
/// repairs it.
struct Btf {
    types: Vec<Entry>,
    strings: BTreeSet<String>,
}

struct Entry {
    kind: usize,
    count: usize,
    name: String,
    members: Vec<String>,
}

impl Btf {
    fn of(section: &[u8]) -> Self {
        let word = |at: usize| {
            let word = section[at..at + 4].try_into().expect("four bytes");
            u32::from_le_bytes(word) as usize
        };
        let strings = &section[24 + word(16)..];
        let string = |at: usize| {
            let end = strings[at..]
                .iter()
                .position(|byte| *byte == 0)
                .expect("an end");
            String::from_utf8(strings[at..at + end].to_vec()).expect("UTF-8")
        };
        let (mut at, end) = (24, 24 + word(12));
        let mut types = Vec::new();
        while at < end {
            let info = word(at + 4);
            let (kind, count) = (info >> 24 & 31, info & 0xffff);
            // Words that follow for each member, and words that follow once.
            let (each, once) = match kind {
                1 | 14 | 17 => (0, 1),
                3 => (0, 3),
                4 | 5 | 15 | 19 => (3, 0),
                6 | 13 => (2, 0),
                _ => (0, 0),
            };
            let named = if kind != 15 && each > 0 { count } else { 0 };
            types.push(Entry {
                kind,
                count,
                name: string(word(at)),
                members: (0..named)
                    .map(|index| string(word(at + 12 + index * each * 4)))
                    .collect(),
            });
            at += 12 + 4 * (count * each + once);
        }
        assert_eq!(at, end, "the last type ends where the types end");
        let strings = strings.split(|byte| *byte == 0);
        let strings = strings
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        Self { types, strings }
    }
}
