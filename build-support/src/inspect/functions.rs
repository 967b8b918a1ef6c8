//! Functions that do not fit BPF's calling convention: five argument registers,
//! one for the result, nothing on the stack.

use crate::llvm::handle::{Function, Type};
use crate::symbol::readable;

use super::finding::Finding;
use super::position::definition;
use super::{Marks, Rules};

/// Arguments are passed in the registers r1 to r5.
pub const ARGUMENTS_MAX: u64 = 5;

/// The registers that a call takes.
pub struct Registers {
    /// For the arguments.
    pub arguments: u64,
    /// For the result.
    pub results: u64,
}

impl Registers {
    /// Counts for a function type.
    pub fn of(signature: Type<'_>) -> Self {
        Self {
            arguments: signature
                .parameters()
                .into_iter()
                .map(Type::registers)
                .sum(),
            results: signature.result().map_or(0, Type::registers),
        }
    }

    /// What is too much, as the end of a sentence.
    pub fn excess(&self) -> String {
        if self.results > 1 {
            format!("returns a value of {} registers: BPF has one", self.results)
        } else {
            let arguments = self.arguments;
            format!("takes arguments in {arguments} registers: BPF has {ARGUMENTS_MAX}")
        }
    }
}

/// Why a function cannot be compiled, if it cannot.
pub fn refused(function: Function<'_>, marks: &Marks, rules: &Rules) -> Option<Finding> {
    let signature = function.signature()?;
    let registers = Registers::of(signature);
    let what = if registers.arguments > ARGUMENTS_MAX || registers.results > 1 {
        registers.excess()
    } else if (0..)
        .zip(signature.parameters())
        .any(|(index, _)| function.parameter_has(index, marks.by_value))
    {
        "takes a struct on the stack: BPF passes registers only".to_owned()
    } else {
        return None;
    };
    let name = readable(&function.name());
    Some(Finding {
        place: definition(function, rules.sources),
        what: format!(
            "the function `{name}`, which is not inlined, {what}; drop #[inline(never)], or pass \
             a reference"
        ),
        context: String::new(),
    })
}
