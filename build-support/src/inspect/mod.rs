//! What the kernel would refuse, or LLVM cannot compile for it, found in the
//! optimized code and reported with the file and the line that it comes from.
//!
//! Before code generation ([`inspect`]), because LLVM ends the process when it
//! has no instruction for something, or names a line of `core` instead of the
//! program's. What is left to LLVM (the size of the stack, of copies, shifts of
//! 128 bits) is translated from its words ([`refused_by_llvm`]).

mod atomics;
mod calls;
mod diagnosis;
mod finding;
mod functions;
mod numbers;
mod position;
mod statics;
mod undefined;

use anyhow::Result;

use crate::Cpu;
use crate::llvm::{AttributeKind, Diagnosis, Module};
use crate::sources::Sources;
use finding::report;
use position::positions;

/// What the checks need to know.
pub struct Rules<'a> {
    /// The program's files.
    pub sources: &'a Sources,
    /// The instruction set that code is generated for.
    pub cpu: Cpu,
    /// The statics that the loader knows: see [`crate::Options::tables`].
    pub tables: &'a [&'a str],
}

/// The attributes that matter here, as the module has them.
struct Marks {
    /// A parameter that is a copy on the stack.
    by_value: AttributeKind,
    /// A function that never returns.
    no_return: AttributeKind,
}

impl Marks {
    fn of(module: &Module) -> Self {
        Self {
            by_value: module.attribute("byval"),
            no_return: module.attribute("noreturn"),
        }
    }
}

/// Checks optimized code. The error names every place.
pub fn inspect(module: &Module, rules: &Rules) -> Result<()> {
    let mut found = Vec::new();
    let marks = Marks::of(module);
    for function in module.functions() {
        if function.is_declaration() {
            let never_returns = function.has(marks.no_return);
            found.extend(undefined::uses(function, never_returns, rules));
            continue;
        }
        found.extend(functions::refused(function, &marks, rules));
        for instruction in function.instructions() {
            let refused = numbers::refused(instruction, rules.cpu)
                .or_else(|| atomics::refused(instruction, rules.cpu))
                .or_else(|| calls::refused(instruction, &marks));
            if let Some(what) = refused {
                found.extend(positions(instruction, rules.sources).at(&what));
            }
        }
    }
    for variable in module.variables() {
        found.extend(statics::refused(variable, rules));
    }
    if found.is_empty() {
        Ok(())
    } else {
        Err(report(rules.sources, found))
    }
}

/// The error that code generation failed with what LLVM said.
pub fn refused_by_llvm(module: &Module, said: &[Diagnosis], rules: &Rules) -> anyhow::Error {
    report(rules.sources, diagnosis::translate(module, said, rules))
}
