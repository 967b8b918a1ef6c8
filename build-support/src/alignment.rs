//! What the code relies on about addresses.
//!
//! A header of a packet starts at any address, and its type promises none, so
//! that LLVM would read it byte by byte. BPF reads words at any address, except
//! on the stack, where the verifier refuses it ("misaligned stack access"). So
//! each access is given the alignment that suits it ([`claim`]), and those that
//! may be on the stack keep the one that is true.
//!
//! LLVM 22 has a feature for it, `allows-misaligned-mem-access`. It is not
//! used, because it makes no exception for the stack.

use std::ffi::c_uint;

use crate::llvm::Module;
use crate::llvm::code::users_of;
use crate::llvm::handle::{Instruction, Value};
use crate::llvm::opcode;

/// The size of a register in bytes: no access needs more alignment.
const REGISTER: c_uint = 8;

/// Puts local variables where words of them can be accessed. To be done before
/// optimization, which makes use of it.
pub fn align_locals(module: &Module) {
    for function in module.functions() {
        for instruction in function.instructions() {
            let Some(ty) = instruction.allocated() else {
                continue;
            };
            let suitable = suitable_alignment(module.size_of(ty));
            if instruction.alignment().is_some_and(|now| now < suitable) {
                instruction.set_alignment(suitable);
            }
        }
    }
}

/// Lets each access rely on an alignment that suits it, unless it may be on the
/// stack. Only to be done after all optimization, which must not take the
/// claim for a fact about addresses.
pub fn claim(module: &Module) {
    for function in module.functions() {
        for instruction in function.instructions() {
            claim_for_access(module, instruction);
            claim_for_copy(instruction);
        }
    }
}

fn claim_for_access(module: &Module, instruction: Instruction<'_>) {
    let mut operands = instruction.operands();
    let (address, value) = match instruction.opcode() {
        opcode::LOAD => (operands.next(), Some(instruction.value())),
        opcode::STORE => {
            let value = operands.next();
            (operands.next(), value)
        }
        _ => return,
    };
    let (Some(address), Some(ty)) = (address, value.and_then(Value::ty)) else {
        return;
    };
    let suitable = suitable_alignment(module.size_of(ty));
    if instruction.alignment().is_some_and(|now| now < suitable) && !may_be_on_stack(address) {
        instruction.set_alignment(suitable);
    }
}

/// For LLVM's own functions for memory, which become accesses.
fn claim_for_copy(instruction: Instruction<'_>) {
    let Some(function) = instruction.called_function() else {
        return;
    };
    let name = function.name();
    let copies = ["llvm.memcpy.", "llvm.memmove.", "llvm.memset."];
    if !copies.iter().any(|copy| name.starts_with(copy)) {
        return;
    }
    for (index, argument) in (0..).zip(instruction.arguments()) {
        let is_address = argument.ty().is_some_and(|ty| ty.is_pointer());
        if is_address && !may_be_on_stack(argument) {
            instruction.set_argument_alignment(index, REGISTER);
        }
    }
}

/// The alignment with which a value of this size is accessed at once, or in as
/// few parts as possible.
fn suitable_alignment(bytes: u64) -> c_uint {
    match bytes {
        0 | 1 => 1,
        2 | 3 => 2,
        4..8 => 4,
        _ => REGISTER,
    }
}

/// Whether an address may be that of a local variable: of this function, or of
/// one that calls it. An address that is read from memory is taken to be no
/// such address, because it is that of a packet almost always.
fn may_be_on_stack(address: Value<'_>) -> bool {
    let (mut seen, mut pending) = (Vec::new(), vec![address]);
    while let Some(value) = pending.pop() {
        if seen.contains(&value) {
            continue;
        }
        seen.push(value);
        if let Some(instruction) = value.as_instruction() {
            match instruction.opcode() {
                opcode::ALLOCA => return true,
                opcode::GET_ELEMENT_PTR | opcode::FREEZE => {
                    pending.extend(instruction.operands().next());
                }
                opcode::PHI | opcode::SELECT => pending.extend(instruction.operands()),
                _ => {}
            }
        } else {
            pending.extend(arguments_for(value));
        }
    }
    false
}

/// What the callers of a function pass for a parameter; nothing for a program,
/// which the kernel calls.
fn arguments_for(parameter: Value<'_>) -> Vec<Value<'_>> {
    let Some(function) = parameter.parameter_of() else {
        return Vec::new();
    };
    let Some(index) = function.parameters().position(|other| other == parameter) else {
        return Vec::new();
    };
    let (callers, _) = users_of(function);
    callers
        .into_iter()
        .filter(|call| call.called_function() == Some(function))
        .filter_map(|call| call.arguments().get(index).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_alignment_is_larger_than_the_value_or_a_register() {
        for bytes in 1..64 {
            let alignment = suitable_alignment(bytes);
            assert!(alignment.is_power_of_two() && alignment <= REGISTER);
            assert!(
                u64::from(alignment) <= bytes,
                "{alignment} for {bytes} bytes"
            );
        }
    }
}
