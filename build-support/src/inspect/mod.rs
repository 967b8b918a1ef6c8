//! What the kernel would refuse, or LLVM cannot compile for it, found in the
//! optimized code and reported with the file and the line that it comes from.
//!
//! Before code generation ([`before_code_generation`]), because LLVM aborts the
//! process when it finds no instruction, or reports the position of `core`'s
//! line instead of the program's. What is left to LLVM (the size of the stack,
//! of copies, shifts of 128 bits) is translated from its words
//! ([`refused_by_llvm`]).

mod atomics;
mod calls;
mod diagnosis;
mod finding;
mod functions;
mod numbers;
mod position;
mod statics;
mod undefined;

use anyhow::{Result, anyhow};

use crate::Cpu;
use crate::llvm::{AttributeKind, Diagnosis, Module};
use crate::sources::Sources;
use finding::{Finding, report};
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
pub fn before_code_generation(module: &Module, rules: &Rules) -> Result<()> {
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
    fail(found, rules)
}

/// Checks code that has been compiled: comparisons of memory which LLVM has not
/// been able to expand are still calls.
pub fn after_code_generation(module: &Module, rules: &Rules) -> Result<()> {
    let found = module
        .functions()
        .filter(|function| function.is_declaration())
        .flat_map(|function| undefined::not_expanded(function, rules));
    fail(found.collect(), rules)
}

/// The error that code generation failed with what LLVM said.
pub fn refused_by_llvm(module: &Module, said: &[Diagnosis], rules: &Rules) -> anyhow::Error {
    report(rules.sources, diagnosis::translate(module, said, rules))
}

fn fail(found: Vec<Finding>, rules: &Rules) -> Result<()> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(anyhow!(report(rules.sources, found)))
    }
}
