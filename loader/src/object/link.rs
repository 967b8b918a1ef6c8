//! Relocation: from functions and descriptors to what `BPF_PROG_LOAD` takes.
//!
//! The kernel wants one run of instructions. The program comes first, behind
//! it each function that it calls, once, in the order in which they are first
//! referred to. Calls count from the instruction after them. References to
//! tables become descriptors.
//!
//! How LLVM leaves instructions behind, and what is made of them:
//!
//! | instruction | relocation | before | after |
//! |---|---|---|---|
//! | 64-bit load | `R_BPF_64_64` to a table in `.maps` | 0 | source 1, descriptor |
//! | 64-bit load | `R_BPF_64_64` to data | offset from the symbol | source 2, descriptor; offset from the section in the second half |
//! | 64-bit load | `R_BPF_64_64` to code | offset from the symbol | source 4, distance |
//! | call | `R_BPF_64_32` | instructions from the symbol, minus 1 | source 1, distance |
//! | call, source 1 | none: same section | distance in the section | distance |
//!
//! The numbers are those of the [LLVM relocation types] and of
//! `BPF_PSEUDO_*` in `linux/bpf.h`.
//!
//! [LLVM relocation types]: https://docs.kernel.org/bpf/llvm_reloc.html

use std::collections::BTreeMap;

use super::code::{Code, Function, Instruction};
use super::error::{LinkError, ObjectError};
use super::survey::{INSTRUCTION, Place, Relocation};

const R_BPF_64_64: u32 = 1;
const R_BPF_64_32: u32 = 10;

/// `BPF_LD | BPF_DW | BPF_IMM`, the only instruction of two halves.
const LOAD_64: u8 = 0x18;
/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;

/// `BPF_PSEUDO_MAP_FD`, `BPF_PSEUDO_MAP_VALUE`, `BPF_PSEUDO_CALL`,
/// `BPF_PSEUDO_FUNC`: the meaning of the immediate, in the source register.
const IS_TABLE: u8 = 1;
const IS_VALUE: u8 = 2;
const IS_CALL: u8 = 1;
const IS_FUNCTION: u8 = 4;

/// How deep functions are followed. The kernel allows eight frames
/// (`MAX_CALL_FRAMES`), so no program that can be loaded comes near.
const MAX_DEPTH: usize = 32;
/// `BPF_COMPLEXITY_LIMIT_INSNS`: longer programs are refused by every kernel.
const MAX_INSTRUCTIONS: usize = 1_000_000;

/// A program ready for `BPF_PROG_LOAD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linked {
    /// Eight bytes for each instruction, little-endian.
    pub instructions: Vec<u8>,
    /// `struct bpf_func_info` for each function: its first instruction, its
    /// type id.
    pub func_info: Vec<[u32; 2]>,
    /// `struct bpf_line_info`: instruction, offset of the file name and of the
    /// line's text in the strings, line times 1024 plus column.
    pub line_info: Vec<[u32; 4]>,
}

impl Code {
    /// Instructions of `program` with everything it calls behind it.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Link`] with function, instruction and cause.
    pub(super) fn link(
        &self,
        program: &Function,
        descriptors: &BTreeMap<String, i32>,
        offsets: &BTreeMap<String, i32>,
    ) -> Result<Linked, ObjectError> {
        let mut linker = Linker {
            object: self,
            descriptors,
            offsets,
            code: Vec::new(),
            placed: BTreeMap::new(),
            func_info: Vec::new(),
            line_info: Vec::new(),
        };
        linker.append(program, 1)?;
        Ok(Linked {
            instructions: linker.code.concat(),
            func_info: linker.func_info,
            line_info: linker.line_info,
        })
    }
}

struct Linker<'a> {
    object: &'a Code,
    descriptors: &'a BTreeMap<String, i32>,
    /// Where tables begin that are parts of others.
    offsets: &'a BTreeMap<String, i32>,
    code: Vec<Instruction>,
    /// Functions that are in `code`, and where each begins.
    placed: BTreeMap<Place, i32>,
    func_info: Vec<[u32; 2]>,
    line_info: Vec<[u32; 4]>,
}

/// One instruction which is being relocated.
#[derive(Clone, Copy)]
struct Site<'a> {
    function: &'a Function,
    /// Position in the function.
    index: usize,
    /// Position in the program.
    at: i32,
    /// How many functions lead here.
    depth: usize,
}

impl<'a> Linker<'a> {
    /// Appends a function and all that it refers to; tells where it begins.
    fn append(&mut self, function: &'a Function, depth: usize) -> Result<i32, ObjectError> {
        let start = self.code.len();
        let too_long = LinkError::TooLong {
            limit: MAX_INSTRUCTIONS,
        };
        let fits = start + function.code.len() <= MAX_INSTRUCTIONS;
        let (Ok(first), Ok(base), true) = (i32::try_from(start), u32::try_from(start), fits) else {
            return Err(error(function, 0, too_long));
        };
        self.placed.insert(function.place, first);
        self.code.extend(&function.code);
        self.func_info
            .extend(function.type_id.map(|type_id| [base, type_id]));
        let lines = function.lines.iter();
        self.line_info
            .extend(lines.map(|&[at, file, text, line]| [base + at, file, text, line]));

        let mut second_half = false;
        for (at, (index, code)) in (first..).zip(function.code.iter().enumerate()) {
            let site = Site {
                function,
                index,
                at,
                depth,
            };
            self.relocate(site, *code, second_half)?;
            second_half = code[0] == LOAD_64 && !second_half;
        }
        Ok(first)
    }

    fn relocate(
        &mut self,
        site: Site<'a>,
        code: Instruction,
        second_half: bool,
    ) -> Result<(), ObjectError> {
        let (section, start) = site.function.place;
        let offset = start + site.index as u64 * INSTRUCTION;
        let Some(relocation) = self.object.relocations.get(&(section, offset)) else {
            if code[0] == CALL && source(code) == IS_CALL && !second_half {
                let callee = at_distance(offset, i64::from(immediate(code)) + 1);
                return self.refer(site, (section, callee), IS_CALL, &site.function.name);
            }
            return Ok(());
        };
        let name = &relocation.symbol;
        let Some((section, symbol)) = relocation.target else {
            return site.fail(LinkError::UndefinedSymbol {
                symbol: name.clone(),
            });
        };
        match (relocation.kind, code[0], second_half) {
            (R_BPF_64_32, CALL, false) => {
                let callee = at_distance(symbol, i64::from(immediate(code)) + 1);
                self.refer(site, (section, callee), IS_CALL, name)
            }
            (R_BPF_64_64, LOAD_64, false) => {
                if site.index + 1 >= site.function.code.len() {
                    return site.fail(LinkError::HalfInstruction);
                }
                let target = signed(symbol).wrapping_add(i64::from(immediate(code)));
                self.load(site, (section, target), relocation)
            }
            (kind, code, _) => site.fail(LinkError::UnknownRelocation {
                kind,
                code,
                symbol: name.clone(),
            }),
        }
    }

    /// Makes a 64-bit load refer to a table, a place in data, or a function.
    fn load(
        &mut self,
        site: Site<'a>,
        (section, offset): (usize, i64),
        relocation: &Relocation,
    ) -> Result<(), ObjectError> {
        let referents = &self.object.referents;
        if let Some((name, size)) = referents.data.get(&section) {
            let inside = u64::try_from(offset).is_ok_and(|offset| offset < *size);
            let (Ok(value), true) = (i32::try_from(offset), inside) else {
                return site.outside(name, offset, *size);
            };
            let descriptor = self.descriptor(site, name)?;
            let start = self.offsets.get(name).copied().unwrap_or_default();
            self.patch(site.at, IS_VALUE, descriptor);
            // The second half has registers of zero; only its number is meant.
            self.patch(site.at + 1, 0, start.saturating_add(value));
            return Ok(());
        }
        if let Some((title, size)) = referents.definitions.get(&section) {
            let table = u64::try_from(offset)
                .ok()
                .and_then(|offset| referents.tables.get(&(section, offset)));
            let Some(table) = table else {
                return site.outside(title, offset, *size);
            };
            let descriptor = self.descriptor(site, table)?;
            self.patch(site.at, IS_TABLE, descriptor);
            return Ok(());
        }
        self.refer(site, (section, offset), IS_FUNCTION, &relocation.symbol)
    }

    /// Makes an instruction refer to a function, which is appended if need be.
    fn refer(
        &mut self,
        site: Site<'a>,
        (section, offset): (usize, i64),
        meaning: u8,
        symbol: &str,
    ) -> Result<(), ObjectError> {
        let callee = u64::try_from(offset)
            .ok()
            .and_then(|offset| self.object.functions.get(&(section, offset)));
        let Some(callee) = callee else {
            return site.fail(LinkError::NoFunction {
                symbol: symbol.to_owned(),
                offset,
            });
        };
        let start = match self.placed.get(&callee.place) {
            Some(&start) => start,
            None if site.depth >= MAX_DEPTH => {
                return site.fail(LinkError::TooDeep { limit: MAX_DEPTH });
            }
            None => self.append(callee, site.depth + 1)?,
        };
        // Both lie below MAX_INSTRUCTIONS.
        self.patch(site.at, meaning, start - site.at - 1);
        Ok(())
    }

    fn descriptor(&self, site: Site<'_>, table: &str) -> Result<i32, ObjectError> {
        match self.descriptors.get(table) {
            Some(&descriptor) => Ok(descriptor),
            None => site.fail(LinkError::NoDescriptor {
                table: table.to_owned(),
            }),
        }
    }

    /// Sets source register and immediate of an instruction of the program.
    fn patch(&mut self, at: i32, source: u8, immediate: i32) {
        let code = usize::try_from(at)
            .ok()
            .and_then(|at| self.code.get_mut(at));
        if let Some(code) = code {
            code[1] = code[1] & 0x0f | source << 4;
            code[4..].copy_from_slice(&immediate.to_le_bytes());
        }
    }
}

impl Site<'_> {
    fn fail<T>(&self, cause: LinkError) -> Result<T, ObjectError> {
        Err(error(self.function, self.index, cause))
    }

    fn outside<T>(&self, section: &str, offset: i64, size: u64) -> Result<T, ObjectError> {
        self.fail(LinkError::OutsideSection {
            section: section.to_owned(),
            offset,
            size,
        })
    }
}

fn error(function: &Function, instruction: usize, cause: LinkError) -> ObjectError {
    ObjectError::Link {
        function: function.name.clone(),
        instruction,
        cause,
    }
}

fn source(code: Instruction) -> u8 {
    code[1] >> 4
}

fn immediate(code: Instruction) -> i32 {
    i32::from_le_bytes([code[4], code[5], code[6], code[7]])
}

/// A place `instructions` after (or before) `offset`, in bytes.
fn at_distance(offset: u64, instructions: i64) -> i64 {
    signed(offset).wrapping_add(instructions * 8)
}

/// Offsets lie within files and within sections of at most 1 GiB.
fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
