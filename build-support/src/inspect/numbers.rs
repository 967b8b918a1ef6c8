//! Arithmetic that BPF has no instructions for. Its registers have 64 bits,
//! and there is no library that could do more.

use crate::Cpu;
use crate::llvm::handle::Instruction;
use crate::llvm::opcode;

/// Why this instruction cannot be compiled, if it cannot.
pub fn refused(instruction: Instruction<'_>, cpu: Cpu) -> Option<String> {
    if is_float(instruction) {
        return Some("floating point arithmetic: BPF has none, use integers".to_owned());
    }
    let bits = instruction.ty().and_then(|ty| ty.integer_bits());
    match (instruction.opcode(), bits?) {
        (opcode::MUL, bits) if bits > 64 => Some(
            "a multiplication of 128 bits: BPF multiplies 64-bit numbers, split the factors into \
             32-bit halves"
                .to_owned(),
        ),
        (opcode::UDIV | opcode::SDIV | opcode::UREM | opcode::SREM, bits) if bits > 64 => {
            Some("a division of 128 bits: BPF divides 64-bit numbers".to_owned())
        }
        (opcode::SDIV | opcode::SREM, bits)
            if cpu < Cpu::V4 && !is_signed_division_expanded(instruction, bits) =>
        {
            Some(format!(
                "a division of signed numbers: BPF {cpu} divides unsigned ones only"
            ))
        }
        _ => None,
    }
}

/// Floats may be moved, but not computed with.
fn is_float(instruction: Instruction<'_>) -> bool {
    match instruction.opcode() {
        opcode::FADD | opcode::FSUB | opcode::FMUL | opcode::FDIV | opcode::FREM => true,
        opcode::FP_TO_UI..=opcode::FP_EXT | opcode::FCMP | opcode::FNEG => true,
        opcode::ATOMIC_RMW => instruction.ty().is_some_and(|ty| ty.is_float()),
        opcode::CALL => {
            let intrinsic = instruction
                .called_function()
                .is_some_and(|function| function.name().starts_with("llvm."));
            let signature = instruction.called_signature();
            intrinsic
                && signature.is_some_and(|signature| {
                    let mut types = signature.parameters();
                    types.extend(signature.result());
                    types.into_iter().any(|ty| ty.is_float())
                })
        }
        _ => false,
    }
}

/// A division by a constant becomes a multiplication if that fits into 64
/// bits, one by a power of two a shift.
fn is_signed_division_expanded(instruction: Instruction<'_>, bits: u32) -> bool {
    let Some(divisor) = instruction.operands().nth(1) else {
        return false;
    };
    let Some(divisor) = divisor.as_number() else {
        return false;
    };
    // `divisor` is the constant's bits without a sign: spread the sign bit.
    let unused = 64 - bits;
    let divisor = (divisor << unused).cast_signed() >> unused;
    bits <= 32 || divisor.unsigned_abs().is_power_of_two()
}
