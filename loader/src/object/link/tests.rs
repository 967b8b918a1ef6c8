//! Relocation of hand-made functions, one shape after the other.

use super::*;
use crate::object::code::Referents;

/// Sections of the hand-made objects.
const TEXT: usize = 1;
const XDP: usize = 2;
const BSS: usize = 3;
const MAPS: usize = 4;

const EXIT: Instruction = [0x95, 0, 0, 0, 0, 0, 0, 0];
const SECOND_HALF: Instruction = [0; 8];

fn code(operation: u8, source: u8, immediate: i32) -> Instruction {
    let [i0, i1, i2, i3] = immediate.to_le_bytes();
    // Destination register 1, as a reminder that it has to stay.
    [operation, source << 4 | 1, 0, 0, i0, i1, i2, i3]
}

fn function(name: &str, place: Place, code: &[Instruction]) -> (Place, Function) {
    let function = Function {
        name: name.to_owned(),
        place,
        code: code.to_vec(),
        type_id: Some(u32::from(name.as_bytes()[0])),
        lines: vec![[0, 11, 12, 13]],
    };
    (place, function)
}

fn relocation(kind: u32, symbol: &str, target: Option<Place>) -> Relocation {
    Relocation {
        kind,
        symbol: symbol.to_owned(),
        target,
    }
}

/// A program `p` at the start of section `xdp`, other functions, relocations
/// of `p`, one `.bss` of 16 bytes, two tables.
fn link(
    p: &[Instruction],
    functions: &[(Place, Function)],
    relocations: &[(u64, Relocation)],
) -> Result<Linked, ObjectError> {
    let mut all: BTreeMap<Place, Function> = functions.iter().cloned().collect();
    all.extend([function("p", (XDP, 0), p)]);
    let relocations = relocations.iter().cloned();
    let referents = Referents {
        data: BTreeMap::from([(BSS, (".bss".to_owned(), 16))]),
        tables: BTreeMap::from([
            ((MAPS, 0), "first".to_owned()),
            ((MAPS, 40), "second".to_owned()),
        ]),
        definitions: BTreeMap::from([(MAPS, (".maps".to_owned(), 80))]),
    };
    let code = Code {
        functions: all,
        relocations: relocations.map(|(at, r)| ((XDP, at), r)).collect(),
        referents,
    };
    let descriptors = [(".bss", 7), ("second", 9)];
    let descriptors = descriptors.map(|(name, fd)| (name.to_owned(), fd));
    code.link(
        &code.functions[&(XDP, 0)],
        &BTreeMap::from(descriptors),
        &BTreeMap::new(),
    )
}

fn cause(result: Result<Linked, ObjectError>) -> LinkError {
    match result {
        Err(ObjectError::Link { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_becomes_a_descriptor_and_an_offset_in_its_section() {
    let linked = link(
        &[code(LOAD_64, 0, 4), SECOND_HALF, EXIT],
        &[],
        &[(0, relocation(R_BPF_64_64, "SEEN", Some((BSS, 8))))],
    );
    let mut second = SECOND_HALF;
    second[4] = 12;
    let expected = [code(LOAD_64, IS_VALUE, 7), second, EXIT].concat();
    assert_eq!(linked.map(|linked| linked.instructions), Ok(expected));
}

#[test]
fn an_offset_before_the_symbol_is_counted_from_the_section() {
    let linked = link(
        &[code(LOAD_64, 0, -8), SECOND_HALF, EXIT],
        &[],
        &[(0, relocation(R_BPF_64_64, "SEEN", Some((BSS, 8))))],
    );
    let expected = [code(LOAD_64, IS_VALUE, 7), SECOND_HALF, EXIT].concat();
    assert_eq!(linked.map(|linked| linked.instructions), Ok(expected));
}

#[test]
fn a_table_is_found_by_its_symbol_and_by_its_section() {
    for (immediate, target) in [(0, 40), (40, 0)] {
        let linked = link(
            &[code(LOAD_64, 0, immediate), SECOND_HALF, EXIT],
            &[],
            &[(0, relocation(R_BPF_64_64, "", Some((MAPS, target))))],
        );
        let expected = [code(LOAD_64, IS_TABLE, 9), SECOND_HALF, EXIT].concat();
        assert_eq!(linked.map(|linked| linked.instructions), Ok(expected));
    }
}

#[test]
fn places_outside_and_between_are_refused() {
    for (section, offset, size) in [(BSS, 16, 16), (BSS, -1, 16), (MAPS, 8, 80)] {
        let result = link(
            &[code(LOAD_64, 0, offset), SECOND_HALF, EXIT],
            &[],
            &[(0, relocation(R_BPF_64_64, "x", Some((section, 0))))],
        );
        let expected = LinkError::OutsideSection {
            section: if section == BSS { ".bss" } else { ".maps" }.to_owned(),
            offset: i64::from(offset),
            size,
        };
        assert_eq!(cause(result), expected);
    }
}

#[test]
fn callees_follow_in_the_order_of_calls_and_only_once() {
    // p calls b by the section of b, then a by its symbol, then b again.
    let b = [code(CALL, IS_CALL, -3), EXIT];
    let linked = link(
        &[
            code(CALL, IS_CALL, 1),
            code(CALL, IS_CALL, -1),
            code(CALL, IS_CALL, 1),
            EXIT,
        ],
        &[
            function("a", (TEXT, 0), &[EXIT, EXIT]),
            function("b", (TEXT, 16), &b),
        ],
        &[
            (0, relocation(R_BPF_64_32, ".text", Some((TEXT, 0)))),
            (8, relocation(R_BPF_64_32, "a", Some((TEXT, 0)))),
            (16, relocation(R_BPF_64_32, ".text", Some((TEXT, 0)))),
        ],
    )
    .unwrap();
    let expected = [
        code(CALL, IS_CALL, 3), // p 0: to 4
        code(CALL, IS_CALL, 4), // p 1: to 6
        code(CALL, IS_CALL, 1), // p 2: to 4
        EXIT,
        code(CALL, IS_CALL, 1), // b 4: to 6, with no relocation of its own
        EXIT,
        EXIT, // a 6
        EXIT,
    ];
    assert_eq!(linked.instructions, expected.concat());
    let [p, a, b] = [b'p', b'a', b'b'].map(u32::from);
    assert_eq!(linked.func_info, [[0, p], [4, b], [6, a]]);
    let starts: Vec<u32> = linked.line_info.iter().map(|line| line[0]).collect();
    assert_eq!(starts, [0, 4, 6]);
}

#[test]
fn the_address_of_a_function_is_a_distance() {
    let linked = link(
        &[code(LOAD_64, 0, 8), SECOND_HALF, EXIT],
        &[function("each", (TEXT, 8), &[EXIT])],
        &[(0, relocation(R_BPF_64_64, ".text", Some((TEXT, 0))))],
    );
    let expected = [code(LOAD_64, IS_FUNCTION, 2), SECOND_HALF, EXIT, EXIT].concat();
    assert_eq!(linked.map(|linked| linked.instructions), Ok(expected));
}

#[test]
fn a_function_that_calls_itself_is_there_once() {
    let linked = link(
        &[code(CALL, IS_CALL, -1), EXIT],
        &[function("a", (TEXT, 0), &[code(CALL, IS_CALL, -1)])],
        &[(0, relocation(R_BPF_64_32, "a", Some((TEXT, 0))))],
    );
    let expected = [code(CALL, IS_CALL, 1), EXIT, code(CALL, IS_CALL, -1)];
    assert_eq!(
        linked.map(|linked| linked.instructions),
        Ok(expected.concat())
    );
}

#[test]
fn what_is_called_must_be_the_start_of_a_function() {
    let callees = [function("a", (TEXT, 0), &[EXIT, EXIT])];
    let into = [(0, relocation(R_BPF_64_32, "a", Some((TEXT, 0))))];
    let result = link(&[code(CALL, IS_CALL, 0), EXIT], &callees, &into);
    let expected = LinkError::NoFunction {
        symbol: "a".to_owned(),
        offset: 8,
    };
    assert_eq!(cause(result), expected);
    let nowhere = link(&[code(CALL, IS_CALL, i32::MIN), EXIT], &callees, &[]);
    assert!(matches!(cause(nowhere), LinkError::NoFunction { .. }));
}

#[test]
fn a_load_without_second_half_is_refused() {
    let result = link(
        &[EXIT, code(LOAD_64, 0, 0)],
        &[],
        &[(8, relocation(R_BPF_64_64, "SEEN", Some((BSS, 0))))],
    );
    assert_eq!(cause(result), LinkError::HalfInstruction);
}

#[test]
fn relocations_of_other_instructions_are_refused() {
    let load = [code(LOAD_64, 0, 0), SECOND_HALF, EXIT];
    for (at, kind, code) in [
        (0, R_BPF_64_32, LOAD_64),
        (8, R_BPF_64_64, 0),
        (16, 2, 0x95),
    ] {
        let result = link(&load, &[], &[(at, relocation(kind, "x", Some((BSS, 0))))]);
        let expected = LinkError::UnknownRelocation {
            kind,
            code,
            symbol: "x".to_owned(),
        };
        assert_eq!(cause(result), expected);
    }
}

#[test]
fn undefined_symbols_and_missing_descriptors_are_named() {
    let load = [code(LOAD_64, 0, 0), SECOND_HALF, EXIT];
    let result = link(&load, &[], &[(0, relocation(R_BPF_64_64, "memcpy", None))]);
    let symbol = "memcpy".to_owned();
    assert_eq!(cause(result), LinkError::UndefinedSymbol { symbol });
    let first = relocation(R_BPF_64_64, "first", Some((MAPS, 0)));
    let table = "first".to_owned();
    assert_eq!(
        cause(link(&load, &[], &[(0, first)])),
        LinkError::NoDescriptor { table }
    );
}

#[test]
fn a_chain_of_calls_ends_somewhere() {
    let functions: Vec<_> = (0..200u64)
        .map(|n| function("f", (TEXT, n * 8), &[code(CALL, IS_CALL, 0)]))
        .collect();
    let start = [(0, relocation(R_BPF_64_32, "f", Some((TEXT, 0))))];
    let result = link(&[code(CALL, IS_CALL, -1), EXIT], &functions, &start);
    assert_eq!(cause(result), LinkError::TooDeep { limit: MAX_DEPTH });
}

#[test]
fn a_program_too_long_for_every_kernel_is_refused() {
    let long = vec![EXIT; MAX_INSTRUCTIONS + 1];
    assert!(link(&long[1..], &[], &[]).is_ok());
    let limit = MAX_INSTRUCTIONS;
    assert_eq!(cause(link(&long, &[], &[])), LinkError::TooLong { limit });
}
