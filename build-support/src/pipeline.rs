//! From the bitcode of rustc to what the BPF back end can compile: the changes
//! to the code, and the order of them.

use anyhow::{Result, anyhow};

use crate::alignment;
use crate::llvm::Module;
use crate::llvm::opcode::ordering;

/// What the host needs of a function, and BPF does not know.
const HOST_SETTINGS: [&str; 5] = [
    "frame-pointer",
    "probe-stack",
    "target-cpu",
    "target-features",
    "tune-cpu",
];
const HOST_ATTRIBUTES: [&str; 2] = ["nonlazybind", "uwtable"];

/// Changes the host's code into BPF's.
pub fn prepare(module: &Module) {
    drop_host_attributes(module);
    inline_calls(module);
    relax_atomics(module);
    alignment::align_locals(module);
    hide_symbols(module);
}

/// Optimizes, drops what nobody uses, and expands comparisons of memory: what
/// code generation would do too late for [`alignment::claim`].
pub fn optimize(module: &mut Module) -> Result<()> {
    module
        .optimize(c"default<O3>,globaldce,dce,expand-memcmp")
        .map_err(|said| anyhow!("LLVM cannot optimize the program: {said}"))?;
    gather_cold_functions(module);
    Ok(())
}

fn drop_host_attributes(module: &Module) {
    let attributes = HOST_ATTRIBUTES.map(|name| module.attribute(name));
    for function in module.functions() {
        for name in HOST_SETTINGS {
            function.remove_named(name);
        }
        for kind in attributes {
            function.remove(kind);
        }
    }
}

/// A BPF function takes five arguments and returns one register: whatever the
/// source does not keep apart on purpose becomes part of its callers.
fn inline_calls(module: &Module) {
    let always = module.attribute("alwaysinline");
    let apart = ["noinline", "optnone"].map(|name| module.attribute(name));
    for function in module.functions() {
        let kept = function.is_declaration()
            || function.section().is_some()
            || apart.iter().any(|kind| function.has(*kind));
        if !kept {
            module.add_attribute(function, always);
        }
    }
}

/// Aligned accesses of up to eight bytes are atomic in BPF as they are, but the
/// instruction sets before v4 have no pattern for atomic ones. A volatile one
/// is neither torn nor repeated, which is what `Relaxed` promises.
fn relax_atomics(module: &Module) {
    for function in module.functions() {
        for instruction in function.instructions() {
            if instruction
                .ordering()
                .is_some_and(|order| (1..=ordering::MONOTONIC).contains(&order))
            {
                instruction.make_volatile();
            }
        }
    }
}

/// What has a section of its own is for the loader (programs, maps, tables,
/// the licence), or a function that the verifier looks at alone (`.text`);
/// everything else exists only as far as these use it.
fn hide_symbols(module: &Module) {
    for function in module.functions() {
        if !function.is_declaration() && function.section().is_none() {
            function.make_internal();
        }
    }
    for variable in module.variables() {
        let is_llvms = variable.name().starts_with("llvm.");
        if !is_llvms && !variable.is_declaration() && variable.section().is_none() {
            variable.make_internal();
        }
    }
}

/// A cold function would get the section `.text.unlikely.`, where no loader
/// looks for subprograms. The optimizer has already used the mark.
fn gather_cold_functions(module: &Module) {
    let cold = module.attribute("cold");
    for function in module.functions() {
        if !function.is_declaration() {
            function.remove(cold);
        }
    }
}
