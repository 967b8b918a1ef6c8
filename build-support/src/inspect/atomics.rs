//! Atomic operations that BPF has no instructions for.

use crate::Cpu;
use crate::llvm::handle::Instruction;
use crate::llvm::opcode::{self, ordering, rmw};

/// Why this instruction cannot be compiled, if it cannot.
pub fn refused(instruction: Instruction<'_>, cpu: Cpu) -> Option<String> {
    match instruction.opcode() {
        opcode::LOAD => access(instruction, cpu, ordering::ACQUIRE, "load"),
        opcode::STORE => access(instruction, cpu, ordering::RELEASE, "store"),
        opcode::FENCE => Some("a fence: BPF has none, order by Relaxed accesses".to_owned()),
        opcode::ATOMIC_CMPXCHG => {
            let bits = instruction.operands().nth(1).and_then(bits);
            width(bits, "compare_exchange")
        }
        opcode::ATOMIC_RMW => {
            let name = match instruction.rmw()? {
                rmw::XCHG => "swap",
                rmw::ADD | rmw::SUB => "fetch_add or fetch_sub",
                rmw::AND | rmw::OR | rmw::XOR => "fetch_and, fetch_or or fetch_xor",
                rmw::NAND => return Some(without_instruction("fetch_nand")),
                _ => return Some(without_instruction("fetch_max, fetch_min or the like")),
            };
            width(bits(instruction.value()), name)
        }
        _ => None,
    }
}

fn access(instruction: Instruction<'_>, cpu: Cpu, from_v4: u32, name: &str) -> Option<String> {
    let order = instruction.ordering()?;
    if order <= ordering::MONOTONIC {
        return None;
    }
    let weaker = if from_v4 == ordering::ACQUIRE {
        "Acquire"
    } else {
        "Release"
    };
    match cpu {
        Cpu::V4 if order == from_v4 => None,
        Cpu::V4 => Some(format!("a {name} with SeqCst: BPF v4 has {weaker} at most")),
        Cpu::V3 => Some(format!(
            "an atomic {name} with {weaker} or SeqCst: BPF v3 has Relaxed only"
        )),
    }
}

fn bits(value: crate::llvm::handle::Value<'_>) -> Option<u32> {
    let ty = value.ty()?;
    if ty.is_pointer() {
        Some(64)
    } else {
        ty.integer_bits()
    }
}

fn width(bits: Option<u32>, name: &str) -> Option<String> {
    match bits? {
        32 | 64 => None,
        bits => Some(format!(
            "an atomic {name} of {bits} bits: BPF has it for 32 and 64 bits"
        )),
    }
}

fn without_instruction(name: &str) -> String {
    format!("an atomic {name}: BPF has no such instruction, use compare_exchange")
}
