//! From the bitcode of rustc to what the BPF back end can compile: the changes
//! to the code, and the order of them.

use std::ffi::c_uint;

use anyhow::{Result, anyhow};

use crate::llvm::Module;
use crate::llvm::handle::{Instruction, Value};
use crate::llvm::opcode::{self, ordering};

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
    hide_symbols(module);
}

/// Optimizes, and drops what nobody uses.
pub fn optimize(module: &mut Module) -> Result<()> {
    module
        .optimize(c"default<O3>,globaldce,dce")
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
/// the licence); everything else exists only as far as these use it.
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

/// Lets each access rely on its natural alignment, except on the stack: for an
/// LLVM that cannot be told that BPF does not care. Only to be used after all
/// optimization, which must not take the claim for a fact about addresses.
pub fn claim_alignment(module: &Module) {
    for function in module.functions() {
        for instruction in function.instructions() {
            if let Some((address, bytes)) = access(module, instruction)
                && instruction.alignment().is_some_and(|now| now < bytes)
                && !may_be_on_stack(address)
            {
                instruction.set_alignment(bytes);
            }
        }
    }
}

/// The address of an access, and the alignment in bytes that suits it: its size,
/// or that of a register if it takes two.
fn access<'m>(module: &'m Module, instruction: Instruction<'m>) -> Option<(Value<'m>, c_uint)> {
    let mut operands = instruction.operands();
    let (address, value) = match instruction.opcode() {
        opcode::LOAD => (operands.next()?, instruction.value()),
        opcode::STORE => {
            let value = operands.next()?;
            (operands.next()?, value)
        }
        _ => return None,
    };
    let bytes = c_uint::try_from(module.size_of(value.ty()?)).ok()?;
    matches!(bytes, 1 | 2 | 4 | 8 | 16).then_some((address, bytes.min(8)))
}

/// Whether an address may be that of a local variable.
fn may_be_on_stack(address: Value<'_>) -> bool {
    let (mut seen, mut pending) = (Vec::new(), vec![address]);
    while let Some(value) = pending.pop() {
        let Some(instruction) = value.as_instruction() else {
            continue;
        };
        if seen.contains(&instruction) {
            continue;
        }
        seen.push(instruction);
        match instruction.opcode() {
            opcode::ALLOCA => return true,
            opcode::GET_ELEMENT_PTR => pending.extend(instruction.operands().next()),
            opcode::PHI | opcode::SELECT => pending.extend(instruction.operands()),
            _ => {}
        }
    }
    false
}
