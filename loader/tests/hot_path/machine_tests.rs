//! That the machine computes, refuses and counts as it should.

use super::arithmetic::{compute, exchange, holds, reorder};
use super::machine::{Machine, Work};
use super::memory::Piece;
use std::collections::BTreeMap;

/// Descriptors of a table that may be written, and of one that may not.
const OPEN: i32 = 7;
const FROZEN: i32 = 8;

/// Code, registers (from, to), offset, immediate.
type Line = (u8, (u8, u8), i16, i32);

const EXIT: Line = (0x95, (0, 0), 0, 0);

fn address_of(table: i32) -> [Line; 2] {
    [(0x18, (2, 1), 0, table), (0, (0, 0), 0, 0)]
}

/// Runs a program on a frame of 20 bytes of ones.
fn run(lines: &[Line]) -> Result<(u64, Work), String> {
    let bytes = lines
        .iter()
        .flat_map(|&(code, (from, to), offset, number)| {
            let head = [code, from << 4 | to];
            let rest = offset.to_le_bytes().into_iter().chain(number.to_le_bytes());
            head.into_iter().chain(rest)
        });
    let tables = BTreeMap::from([
        (OPEN, Piece::new("open", vec![1; 128], true)),
        (FROZEN, Piece::new("frozen", vec![2; 16], false)),
    ]);
    let mut machine = Machine::new(&bytes.collect::<Vec<u8>>(), tables);
    machine.run(&mut vec![1; 20])
}

fn result(lines: &[Line]) -> u64 {
    run(lines).expect("a sound program").0
}

fn refusal(lines: &[Line]) -> String {
    run(lines).expect_err("what the kernel refuses")
}

#[test]
fn operations_are_those_of_the_instruction_set() {
    let minus = |n: i64| -n as u64;
    for (operation, offset, bits, operands, expected) in [
        (0x0, 0, 32, [u64::MAX, 2], 1),
        (0x1, 0, 64, [1, 2], u64::MAX),
        (0x2, 0, 32, [1 << 31, 2], 0),
        (0x3, 0, 64, [7, 0], 0),
        (0x3, 1, 64, [minus(7), 2], minus(3)),
        (0x3, 1, 32, [minus(7), 2], 0xffff_fffd),
        (0x3, 1, 64, [i64::MIN as u64, minus(1)], i64::MIN as u64),
        (0x6, 0, 32, [1, 33], 2),
        (0x7, 0, 32, [u64::MAX, 4], 0x0fff_ffff),
        (0x9, 0, 64, [7, 0], 7),
        (0x9, 0, 32, [1 << 32 | 7, 0], 7),
        (0x9, 1, 64, [minus(7), 3], minus(1)),
        (0xb, 8, 64, [0, 0x80], minus(128)),
        (0xb, 16, 32, [0, 0x8000], 0xffff_8000),
        (0xc, 0, 32, [0x8000_0000, 4], 0xf800_0000),
        (0xc, 0, 64, [0x8000_0000, 4], 0x0800_0000),
    ] {
        let got = compute(operation, offset, bits, operands);
        assert_eq!(got, Some(expected), "{operation:#x} {offset} {operands:x?}");
    }
    assert_eq!(compute(0xe, 0, 64, [0, 0]), None);
    assert_eq!(reorder(0x1122_3344, 16, true), Some(0x4433));
    assert_eq!(reorder(0x1122_3344, 16, false), Some(0x3344));
    assert_eq!(holds(0x6, 32, [0xffff_ffff, 0]), Some(false));
    assert_eq!(holds(0x6, 64, [0xffff_ffff, 0]), Some(true));
    assert_eq!(exchange(0xf1, 5, 9, 5), Some(9));
    assert_eq!(exchange(0xf1, 5, 9, 4), Some(5));
}

#[test]
fn only_what_is_there_can_be_reached() {
    let load = |offset, number| {
        let data = (0x61, (1, 2), 0, 0);
        refusal(&[data, (0x79, (2, 0), offset, number), EXIT])
    };
    let [before, behind] = [load(-1, 0), load(13, 0)];
    assert_eq!(
        before,
        "instruction 1: bytes 255..263 of packet, which has 256..276"
    );
    assert_eq!(
        behind,
        "instruction 1: bytes 269..277 of packet, which has 256..276"
    );
    let [first, second] = address_of(FROZEN);
    let written = refusal(&[first, second, (0x62, (0, 1), 0, 5), EXIT]);
    assert_eq!(written, "instruction 2: frozen may not be written");
    let number = refusal(&[(0xb7, (0, 1), 0, 8), (0x61, (1, 0), 0, 0), EXIT]);
    assert_eq!(number, "instruction 1: 0x8 is no address");
    let context = refusal(&[(0x61, (1, 0), 8, 0), EXIT]);
    assert_eq!(context, "instruction 0: 4 bytes at 8 of the context");
    let helper = refusal(&[(0x85, (0, 0), 0, 5), EXIT]);
    assert_eq!(helper, "instruction 0: helper 5 is not played here");
    let endless = refusal(&[(0x05, (0, 0), -1, 0)]);
    assert_eq!(endless, "instruction 0: the program does not end");
}

#[test]
fn a_function_has_a_stack_and_registers_of_its_own() {
    let store = |number| (0x7a, (0, 10), -8, number);
    let function = [store(2), (0xb7, (0, 6), 0, 9), (0xb7, (0, 0), 0, 0), EXIT];
    let program = [
        store(1),
        (0xb7, (0, 6), 0, 40),
        (0x85, (1, 0), 0, 3),
        (0x79, (10, 0), -8, 0),
        (0x0f, (6, 0), 0, 0),
        EXIT,
    ];
    let (verdict, work) = run(&[&program[..], &function].concat()).expect("a sound program");
    assert_eq!((verdict, work.calls, work.instructions), (41, 1, 10));
    assert_eq!(work.lines["stack"], 2);
}

#[test]
fn each_line_counts_once() {
    let [first, second] = address_of(OPEN);
    let program = |offsets: &[i16]| {
        let loads = offsets.iter().map(|&offset| (0x79, (1, 0), offset, 0));
        let program = [first, second].into_iter().chain(loads).chain([EXIT]);
        let ran = run(&program.collect::<Vec<_>>());
        ran.expect("a sound program").1.lines["open"]
    };
    assert_eq!(program(&[0, 56, 8]), 1);
    assert_eq!(program(&[64, 0]), 2);
    assert_eq!(program(&[60]), 2, "one load from two lines");
}

#[test]
fn memory_is_exchanged_and_what_was_there_is_told() {
    let [first, second] = address_of(OPEN);
    let old = 0x0101_0101;
    let add = (0xc3, (2, 1), 4, 1);
    let two = (0xb7, (0, 2), 0, 2);
    let program = [first, second, two, add, (0xbf, (2, 0), 0, 0), EXIT];
    assert_eq!(result(&program), old, "added with fetching");
    let again = [first, second, two, add, (0x61, (1, 0), 4, 0), EXIT];
    assert_eq!(result(&again), old + 2);
    let compared = (0xb7, (0, 0), 0, 0x0101_0101);
    let exchange = (0xc3, (2, 1), 4, 0xf1);
    let program = [
        first,
        second,
        two,
        compared,
        exchange,
        (0x61, (1, 0), 4, 0),
        EXIT,
    ];
    assert_eq!(result(&program), 2);
}

#[test]
fn a_frame_grows_into_what_is_free_before_it() {
    let adjust = |by| {
        let program = [
            (0xbf, (1, 6), 0, 0),
            (0xb7, (0, 2), 0, by),
            (0x85, (0, 0), 0, 44),
            (0x55, (0, 0), 3, 0),
            (0x61, (6, 1), 4, 0),
            (0x61, (6, 2), 0, 0),
            (0x1f, (2, 1), 0, 0),
            (0x55, (0, 0), 1, 0),
            (0xbf, (1, 0), 0, 0),
            EXIT,
        ];
        result(&program)
    };
    let refused = 0xffff_ffea;
    assert_eq!([-48, -216, 6].map(adjust), [68, 236, 14]);
    assert_eq!([-217, 7].map(adjust), [refused; 2]);
}
