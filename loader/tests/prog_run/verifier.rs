//! How much the verifier has to look at, and what it may refuse on others'
//! kernels.

use crate::subject::{Kernel, cpus};
use dsrload::EMBEDDED;
use dsrload::object::Spec;
use dsrload::sys::bpf::program_info;
use std::collections::BTreeMap;
use xdp_prog::abi::{PROGRAM, decap};

/// The kernel gives up after a million instructions
/// (`BPF_COMPLEXITY_LIMIT_INSNS`), and each counts them a little differently.
const VISITED_MAX: u32 = 200_000;

/// What the stacks of functions that call each other may take together
/// (`MAX_BPF_STACK`). Kernels that give functions stacks of their own (Linux 6.13
/// on x86-64) do not notice more.
const STACK_MAX: usize = 512;

/// The kernel tells the figure since Linux 5.16.
#[test]
fn the_verifier_is_far_from_giving_up() {
    let kernel = Kernel::load(cpus()[0]);
    let info = program_info(kernel.program()).expect("what the kernel knows of it");
    let visited = info.verified_insns;
    assert!(visited < VISITED_MAX, "{visited} instructions visited");
}

#[test]
fn stacks_fit_the_kernels_that_have_one_for_all_functions() {
    let spec = Spec::parse(EMBEDDED).expect("the embedded object");
    let tables = spec.tables().map(|table| table.name.clone());
    let descriptors: BTreeMap<String, i32> = tables.zip(100..).collect();
    for program in [PROGRAM, decap::PROGRAM, decap::CLAMP] {
        let linked = spec.link(program, &descriptors).expect(program);
        let starts = linked.func_info.iter().map(|&[at, _]| at as usize);
        let deepest = deepest(&linked.instructions, &starts.collect::<Vec<_>>());
        assert!(deepest <= STACK_MAX, "{program}: {deepest} bytes of stack");
    }
}

/// Bytes of the deepest chain of calls from the first function on.
fn deepest(code: &[u8], starts: &[usize]) -> usize {
    let code = code.as_chunks::<8>().0;
    let ends = starts.iter().skip(1).copied().chain([code.len()]);
    let functions: Vec<(usize, usize)> = starts.iter().copied().zip(ends).collect();
    // A function is only called by those before it in the program or behind; none
    // calls itself.
    fn from(function: usize, code: &[[u8; 8]], functions: &[(usize, usize)]) -> usize {
        let (start, end) = functions[function];
        let called = (start..end).filter_map(|at| callee(at, code[at]));
        let called = called.filter_map(|at| functions.iter().position(|f| f.0 == at));
        let below = called.map(|callee| from(callee, code, functions)).max();
        own(&code[start..end]).next_multiple_of(32) + below.unwrap_or(0)
    }
    from(0, code, &functions)
}

/// Where a call of another function leads to (`BPF_PSEUDO_CALL`).
fn callee(at: usize, [opcode, registers, _, _, distance @ ..]: [u8; 8]) -> Option<usize> {
    let distance = i32::from_le_bytes(distance);
    let is_call = opcode == 0x85 && registers >> 4 == 1;
    (is_call).then_some(at.checked_add_signed(distance as isize)? + 1)
}

/// How far below the frame pointer (r10) a function reaches: by loads and stores,
/// and by addresses that it takes.
fn own(code: &[[u8; 8]]) -> usize {
    let mut copies = [false; 16];
    let mut lowest = 1;
    for &[opcode, registers, low, high, immediate @ ..] in code {
        let (to, from) = (usize::from(registers & 15), usize::from(registers >> 4));
        let offset = i16::from_le_bytes([low, high]);
        let (class, adds, moves) = (opcode & 7, opcode == 0x07, opcode == 0xbf);
        let base = if class == 1 { from } else { to };
        if (1..=3).contains(&class) && base == 10 {
            lowest = lowest.max(usize::from(offset.unsigned_abs()));
        }
        if adds && copies[to] {
            let added = i32::from_le_bytes(immediate);
            lowest = lowest.max(added.unsigned_abs() as usize);
        }
        if class == 1 || class == 4 || class == 7 {
            copies[to] = moves && from == 10;
        }
    }
    lowest
}
