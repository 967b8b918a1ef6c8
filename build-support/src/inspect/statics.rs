//! Statics that the loader does not know, or could not fill.

use crate::llvm::code::users_of;
use crate::llvm::handle::{Value, Variable};
use crate::symbol::readable;

use super::Rules;
use super::finding::{Finding, Place};
use super::position::positions;
use super::undefined::missing;

/// What is wrong with a variable.
pub fn refused(variable: Variable<'_>, rules: &Rules) -> Vec<Finding> {
    let name = variable.name();
    // Lists that LLVM keeps for itself.
    if name.starts_with("llvm.") {
        return Vec::new();
    }
    if variable.is_declaration() {
        return used(variable, &missing(&name), rules);
    }
    let section = variable.section();
    let section = section.as_deref().unwrap_or("");
    let name = readable(&name);
    let mut found = Vec::new();
    if is_for_the_loader(section) && !rules.tables.contains(&name.as_str()) {
        let what = format!(
            "the static `{name}` is in the section {section}, but is no table that the loader \
             knows; known are: {}",
            rules.tables.join(", ")
        );
        found.extend(defined(variable, what, rules));
    }
    let initial = variable.initializer();
    if in_family(section, ".bss") && initial.is_some_and(|value| !value.is_zero()) {
        let what = format!("the static `{name}` is in {section}, but does not start as zero");
        found.extend(defined(variable, what, rules));
    }
    // Maps may refer to maps: the loader puts these into each other.
    if section != ".maps" && initial.is_some_and(holds_address) {
        found.extend(address(variable, &name, rules));
    }
    found
}

/// Whether a section holds data that the loader makes maps of by name. Plain
/// `.rodata` is the compiler's constants, too.
fn is_for_the_loader(section: &str) -> bool {
    section == ".maps"
        || in_family(section, ".bss")
        || in_family(section, ".data")
        || section.starts_with(".rodata.")
}

fn in_family(section: &str, family: &str) -> bool {
    section
        .strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether a constant is, or has in it, the address of something.
fn holds_address(constant: Value<'_>) -> bool {
    constant.as_function().is_some()
        || constant.as_variable().is_some()
        || constant.operands().any(holds_address)
}

fn address(variable: Variable<'_>, name: &str, rules: &Rules) -> Vec<Finding> {
    const WHY: &str = "which would be null in the kernel: use indices, or arrays of fixed size";
    if variable.definition().is_some() {
        let what = format!("the static `{name}` holds an address (a reference), {WHY}");
        return defined(variable, what, rules);
    }
    // Nobody wrote it: a table of `&str`, a `dyn`, a `match` on functions.
    let what = format!("a constant with an address in it (a reference, a `dyn`), {WHY}");
    used(variable, &what, rules)
}

fn defined(variable: Variable<'_>, what: String, rules: &Rules) -> Vec<Finding> {
    let place = variable
        .definition()
        .map(|(file, line)| Place::new(rules.sources, &file, line));
    vec![Finding {
        place,
        what,
        context: String::new(),
    }]
}

/// At each instruction that uses the variable, except those that only hand it
/// to a function which is not there: that is reported already. A panic does
/// that with the place where it happened.
fn used(variable: Variable<'_>, what: &str, rules: &Rules) -> Vec<Finding> {
    let (instructions, _) = users_of(variable);
    instructions
        .into_iter()
        .filter(|instruction| {
            instruction
                .called_function()
                .is_none_or(|function| !function.is_declaration())
        })
        .flat_map(|instruction| positions(instruction, rules.sources).at(what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_tables_are_told_from_those_of_programs_and_constants() {
        for section in [
            ".maps",
            ".bss",
            ".bss.flows",
            ".data",
            ".data.x",
            ".rodata.config",
        ] {
            assert!(is_for_the_loader(section), "{section}");
        }
        for section in ["", "xdp", "xdp.frags", "license", ".rodata", ".database"] {
            assert!(!is_for_the_loader(section), "{section}");
        }
    }
}
