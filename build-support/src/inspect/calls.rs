//! Calls that BPF cannot make.

use crate::llvm::handle::{Instruction, Value};
use crate::llvm::opcode;

use super::Marks;
use super::functions::{ARGUMENTS_MAX, Registers};

/// Why this call cannot be compiled, if it is one and cannot.
pub fn refused(instruction: Instruction<'_>, marks: &Marks) -> Option<String> {
    let callee = instruction.callee()?;
    if let Some(function) = callee.as_function() {
        return intrinsic(&function.name(), instruction);
    }
    if let Some(template) = callee.as_assembly() {
        // An empty one is `black_box`: it keeps the optimizer from looking
        // through it, and is no instruction.
        return (!template.is_empty())
            .then(|| "inline assembly: it is that of the build host".to_owned());
    }
    if is_helper(callee) {
        helper(instruction, marks)
    } else {
        Some(
            "a call of an address that is known at run time only (a function pointer, a `dyn`): \
             BPF has none, use `match` or generics"
                .to_owned(),
        )
    }
}

/// A helper of the kernel is a constant address: its number.
fn is_helper(callee: Value<'_>) -> bool {
    callee.as_expression() == Some(opcode::INT_TO_PTR)
        && callee
            .operands()
            .next()
            .is_some_and(|number| number.as_number().is_some())
}

fn helper(call: Instruction<'_>, marks: &Marks) -> Option<String> {
    let registers = Registers::of(call.called_signature()?);
    if registers.arguments > ARGUMENTS_MAX || registers.results > 1 {
        Some(format!("a call of a helper that {}", registers.excess()))
    } else if (0..)
        .zip(call.arguments())
        .any(|(index, _)| call.argument_has(index, marks.by_value))
    {
        Some("a call of a helper that takes a struct: pass a pointer to it".to_owned())
    } else {
        None
    }
}

/// LLVM's own functions: most are instructions.
fn intrinsic(name: &str, call: Instruction<'_>) -> Option<String> {
    let operation = name.strip_prefix("llvm.")?;
    let stem = operation.split('.').next().unwrap_or(operation);
    match stem {
        "memcpy" | "memmove" | "memset" => {
            let length = call.arguments().get(2)?.as_number();
            length.is_none().then(|| {
                format!(
                    "a {stem} of a length that is known at run time only: BPF has no such \
                     function, copy a constant length or byte by byte in a loop"
                )
            })
        }
        "umul" | "smul" => {
            let bits = call.arguments().first()?.ty()?.integer_bits()?;
            (bits > 32).then(|| {
                "a multiplication of 64 bits that checks for overflow: that takes 128 bits, which \
                 BPF does not have"
                    .to_owned()
            })
        }
        "trap" | "ubsantrap" | "debugtrap" => {
            Some("an abort: BPF programs can only return".to_owned())
        }
        _ => None,
    }
}
