//! Our relocation of the embedded object against aya-obj's, and the same
//! object damaged in every way that one byte allows.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::collections::{BTreeMap, HashSet};

use aya_obj::generated::bpf_insn;
use dsrload::EMBEDDED;
use dsrload::object::{LinkError, Linked, ObjectError, Spec};
use object::elf::{R_BPF_64_64, SHN_UNDEF, SHT_REL};
use object::read::elf::{ElfFile64, SectionHeader as _};
use object::{LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, SectionKind};

/// Which bytes are changed, and how: the same on every run.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const CHANGES: usize = 3000;

/// The readers want structures at multiples of eight.
fn words(bytes: &[u8]) -> Vec<u64> {
    let word = |part: &[u8]| {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        u64::from_ne_bytes(word)
    };
    bytes.chunks(8).map(word).collect()
}

fn spec() -> Spec {
    Spec::parse(EMBEDDED).expect("the embedded object is sound")
}

/// Some descriptor for every table, a different one for each.
fn descriptors(spec: &Spec) -> BTreeMap<String, i32> {
    let names = spec.tables().map(|table| table.name.clone());
    names.zip(100..).collect()
}

/// What aya-obj makes of every program, with the same descriptors.
fn linked_by_aya(descriptors: &BTreeMap<String, i32>) -> BTreeMap<String, Linked> {
    let aligned = words(EMBEDDED);
    let elf = &object::bytes_of_slice(&aligned)[..EMBEDDED.len()];
    // Parsed twice, not cloned: a clone would touch every page of .bss.
    let definitions = aya_obj::Object::parse(elf).expect("aya-obj takes it");
    let mut object = aya_obj::Object::parse(elf).expect("aya-obj takes it");
    let text: HashSet<usize> = object
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    let maps = definitions.maps.iter();
    let maps = maps.filter_map(|(name, map)| Some((&**name, *descriptors.get(name)?, map)));
    object.relocate_maps(maps, &text).expect("maps");
    object.relocate_calls(&text).expect("calls");
    let programs = object.programs.iter().map(|(name, program)| {
        let function = &object.functions[&program.function_key()];
        let linked = Linked {
            instructions: function.instructions.iter().flat_map(bytes).collect(),
            func_info: (function.func_info.func_info.iter())
                .map(|info| [info.insn_off, info.type_id])
                .collect(),
            line_info: (function.line_info.line_info.iter())
                .map(|line| {
                    [
                        line.insn_off,
                        line.file_name_off,
                        line.line_off,
                        line.line_col,
                    ]
                })
                .collect(),
        };
        (name.clone(), linked)
    });
    programs.collect()
}

fn bytes(code: &bpf_insn) -> [u8; 8] {
    let registers = code.dst_reg() | code.src_reg() << 4;
    let [o0, o1] = code.off.to_le_bytes();
    let [i0, i1, i2, i3] = code.imm.to_le_bytes();
    [code.code, registers, o0, o1, i0, i1, i2, i3]
}

#[test]
fn every_program_is_relocated_as_aya_obj_does_it() {
    let spec = spec();
    let descriptors = descriptors(&spec);
    let theirs = linked_by_aya(&descriptors);
    let names: Vec<&str> = theirs.keys().map(String::as_str).collect();
    assert_eq!(spec.programs().collect::<Vec<_>>(), names);
    assert!(!names.is_empty());
    for (name, theirs) in theirs {
        let ours = spec.link(&name, &descriptors).expect("it links");
        assert!(!ours.instructions.is_empty(), "{name} has no code");
        assert!(!ours.line_info.is_empty(), "{name} has no lines");
        assert_eq!(ours.instructions, theirs.instructions, "code of {name}");
        assert_eq!(ours.func_info, theirs.func_info, "functions of {name}");
        assert_eq!(ours.line_info, theirs.line_info, "lines of {name}");
    }
}

#[test]
fn every_data_section_is_a_table_of_its_size() {
    let aligned = words(EMBEDDED);
    let elf = &object::bytes_of_slice(&aligned)[..EMBEDDED.len()];
    let file = ElfFile64::<LittleEndian>::parse(elf).expect("an ELF file");
    let spec = spec();
    let (mut compared, mut typed) = (0, 0);
    for table in spec.tables().filter(|table| table.name.starts_with('.')) {
        let section = file.section_by_name(&table.name).expect("a section");
        assert_eq!(
            u64::from(table.value_size),
            section.size(),
            "{}",
            table.name
        );
        assert_eq!(
            (table.key_size, table.max_entries),
            (4, 1),
            "{}",
            table.name
        );
        assert_eq!(table.readonly, table.name.starts_with(".rodata"));
        let data = section.data().expect("readable");
        match &table.contents {
            Some(contents) => assert_eq!(contents, data, "{}", table.name),
            None => assert!(table.name.starts_with(".bss"), "{}", table.name),
        }
        // Constants that the compiler made up have no types.
        typed += usize::from(table.value_type != 0);
        compared += 1;
    }
    assert!(compared > 0 && typed > 0);
    assert!(!spec.license().is_empty());
    assert!(spec.btf().is_some());
}

#[test]
fn bytes_at_any_address_give_the_same() {
    let spec = spec();
    let descriptors = descriptors(&spec);
    let name = spec.programs().next().expect("a program");
    let mut moved = vec![0; 8];
    for shift in 1..8 {
        moved.truncate(shift);
        moved.extend(EMBEDDED);
        let other = Spec::parse(&moved[shift..]).expect("the same object");
        assert_eq!(
            other.link(name, &descriptors),
            spec.link(name, &descriptors)
        );
    }
}

/// Parses and, if that succeeds, links everything.
fn use_all(elf: &[u8]) -> Result<(), ObjectError> {
    let spec = Spec::parse(elf)?;
    let descriptors = descriptors(&spec);
    for program in spec.programs() {
        spec.link(program, &descriptors)?;
    }
    Ok(())
}

#[test]
fn an_object_cut_off_anywhere_is_refused() {
    for length in 0..EMBEDDED.len() {
        let result = Spec::parse(&EMBEDDED[..length]);
        let sentence = result.expect_err("something is missing").to_string();
        let expected = if length == 0 {
            "is empty"
        } else {
            "is cut off: "
        };
        assert!(sentence.contains(expected), "{length} bytes: {sentence}");
    }
}

#[test]
fn no_changed_byte_makes_the_loader_panic() {
    let mut state = SEED;
    let mut next = || {
        // xorshift64, by Marsaglia
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 8).expect("64 bits")
    };
    let (mut accepted, mut refused) = (0, 0);
    let mut elf = EMBEDDED.to_vec();
    for _ in 0..CHANGES {
        let at = next() % elf.len();
        let flip = [0x01, 0x80, 0xff, 0x7f, 0x10][next() % 5];
        elf[at] ^= flip;
        match use_all(&elf) {
            Ok(()) => accepted += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
        elf[at] ^= flip;
    }
    assert_eq!(elf, EMBEDDED);
    assert!(
        accepted > 0 && refused > 0,
        "{accepted} accepted, {refused} refused"
    );
}

/// A 64-bit load of an address in data: where things lie in the file.
struct Reference {
    /// The entry in the relocation section.
    relocation: usize,
    /// The instruction.
    instruction: usize,
    /// The entry in the table of symbols.
    symbol: usize,
}

/// The first reference to data in the embedded object, and its copy to damage.
fn first_reference() -> (Vec<u8>, Reference) {
    let aligned = words(EMBEDDED);
    let elf = &object::bytes_of_slice(&aligned)[..EMBEDDED.len()];
    let file = ElfFile64::<LittleEndian>::parse(elf).expect("an ELF file");
    let start = |range: Option<(u64, u64)>| usize::try_from(range.expect("in the file").0);
    for section in file.sections() {
        let header = section.elf_section_header();
        if header.sh_type(LittleEndian) != SHT_REL {
            continue;
        }
        let code = file
            .section_by_index(header.info_link(LittleEndian))
            .expect("a section");
        let symbols = file
            .section_by_index(header.link(LittleEndian))
            .expect("symbols");
        if code.kind() != SectionKind::Text {
            continue;
        }
        for (index, (offset, relocation)) in code.relocations().enumerate() {
            let object::RelocationTarget::Symbol(symbol) = relocation.target() else {
                continue;
            };
            let section_of = |symbol| {
                let symbol = file.symbol_by_index(symbol).ok()?;
                let section = file.section_by_index(symbol.section_index()?).ok()?;
                section.name().map(str::to_owned).ok()
            };
            let to_data = section_of(symbol).is_some_and(|name| {
                let data = [".bss", ".data", ".rodata"];
                data.iter().any(|prefix| name.starts_with(prefix))
            });
            if to_data {
                let offset = usize::try_from(offset).expect("small");
                let found = Reference {
                    relocation: start(section.file_range()).expect("small") + index * 16,
                    instruction: start(code.file_range()).expect("small") + offset,
                    symbol: start(symbols.file_range()).expect("small") + symbol.0 * 24,
                };
                return (EMBEDDED.to_vec(), found);
            }
        }
    }
    panic!("the embedded object refers to no data");
}

/// Links all programs; the cause of the first failure.
fn cause(elf: &[u8]) -> LinkError {
    match use_all(elf) {
        Err(ObjectError::Link { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_symbol_that_is_only_declared_is_reported() {
    let (mut elf, at) = first_reference();
    elf[at.symbol + 6..at.symbol + 8].copy_from_slice(&SHN_UNDEF.to_le_bytes());
    assert!(matches!(cause(&elf), LinkError::UndefinedSymbol { .. }));
}

#[test]
fn a_relocation_type_that_is_not_known_is_reported() {
    let (mut elf, at) = first_reference();
    let kind = at.relocation + 8..at.relocation + 12;
    assert_eq!(elf[kind.clone()], R_BPF_64_64.to_le_bytes());
    elf[kind].copy_from_slice(&77u32.to_le_bytes());
    assert!(matches!(
        cause(&elf),
        LinkError::UnknownRelocation {
            kind: 77,
            code: 0x18,
            ..
        }
    ));
}

#[test]
fn an_offset_outside_of_its_section_is_reported() {
    let (mut elf, at) = first_reference();
    for immediate in [i32::MIN, i32::MAX] {
        let field = at.instruction + 4..at.instruction + 8;
        elf[field].copy_from_slice(&immediate.to_le_bytes());
        assert!(matches!(cause(&elf), LinkError::OutsideSection { .. }));
    }
}

#[test]
fn a_table_without_descriptor_is_named() {
    let spec = spec();
    let all = descriptors(&spec);
    let mut named = 0;
    for missing in all.keys() {
        let mut some = all.clone();
        some.remove(missing);
        for program in spec.programs() {
            if let Err(error) = spec.link(program, &some) {
                let sentence = format!("table {missing} has no descriptor");
                assert!(error.to_string().ends_with(&sentence), "{error}");
                named += 1;
            }
        }
    }
    assert!(named > 0, "no program refers to any table");
}

#[test]
fn a_program_that_is_not_there_is_answered_with_those_that_are() {
    let spec = spec();
    let error = spec
        .link("no_such", &BTreeMap::new())
        .expect_err("not there");
    let first = spec.programs().next().expect("a program");
    let sentence = error.to_string();
    assert!(
        sentence.contains("no_such") && sentence.contains(first),
        "{sentence}"
    );
}

#[test]
fn foreign_files_are_refused_by_what_they_are() {
    let sentence = |bytes: &[u8]| Spec::parse(bytes).expect_err("foreign").to_string();
    let path = std::env::current_exe().expect("this test");
    let host = std::fs::read(path).expect("readable");
    let machine = std::env::consts::ARCH.replace('_', "-");
    assert_eq!(
        sentence(&host),
        format!("the object is built for {machine}, not for BPF")
    );
    assert_eq!(sentence(b""), "the BPF object is empty");
    assert_eq!(
        sentence(b"[balancer]\nseed = \"site-a\"\n"),
        "the BPF object is not an ELF file, but text"
    );
}
