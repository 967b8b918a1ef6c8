//! What can be linked: functions, their relocations, and what they refer to.

use std::collections::BTreeMap;

use aya_obj::Map;
use aya_obj::generated::bpf_insn;
use object::{Object, ObjectSection, ObjectSymbol, SectionIndex, SymbolIndex};

use super::error::ObjectError;
use super::survey::{File, Place, Relocation};

/// One instruction as the kernel reads it: operation, registers, offset,
/// immediate; little-endian.
pub(super) type Instruction = [u8; 8];

/// All code of an object, as the compiler left it.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    /// Everything callable, programs among it, by where it begins.
    pub(super) functions: BTreeMap<Place, Function>,
    /// By the place of the instruction.
    pub(super) relocations: BTreeMap<Place, Relocation>,
    /// What instructions may refer to besides functions.
    pub(super) referents: Referents,
}

/// A function, as the compiler made it.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) code: Vec<Instruction>,
    /// Its `FUNC` type, if the object has type information.
    pub(super) type_id: Option<u32>,
    /// Instruction, counted from the start of the function; file name; line
    /// text; line and column.
    pub(super) lines: Vec<[u32; 4]>,
}

/// The tables by where instructions refer to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Referents {
    /// By section index: name and size in bytes. Any place in it may be meant.
    pub(super) data: BTreeMap<usize, (String, u64)>,
    /// Tables of `.maps`. Only the start of one can be meant.
    pub(super) tables: BTreeMap<Place, String>,
    /// The `.maps` sections by index, with name and size in bytes.
    pub(super) definitions: BTreeMap<usize, (String, u64)>,
}

impl Function {
    /// Takes over what `aya-obj` parsed. `base` is the instruction from which
    /// it counts the lines.
    pub(super) fn new(
        place: Place,
        parsed: &aya_obj::Function,
        base: u64,
    ) -> Result<Self, ObjectError> {
        let lines = parsed.line_info.line_info.iter().map(|line| {
            let at = u64::from(line.insn_off).checked_sub(base)?;
            let at = u32::try_from(at).ok()?;
            Some([at, line.file_name_off, line.line_off, line.line_col])
        });
        Ok(Self {
            name: parsed.name.clone(),
            place,
            code: parsed.instructions.iter().map(instruction).collect(),
            type_id: parsed.func_info.func_info.first().map(|info| info.type_id),
            lines: lines.collect::<Option<_>>().ok_or_else(|| {
                ObjectError::malformed(&parsed.name, "line information for other code")
            })?,
        })
    }
}

impl Referents {
    /// Notes where instructions refer to `map`.
    pub(super) fn add(
        &mut self,
        file: &File<'_>,
        name: &str,
        map: &Map,
    ) -> Result<(), ObjectError> {
        let failed = |error: object::Error| ObjectError::malformed(name, error.to_string());
        let index = map.section_index();
        let section = file.section_by_index(SectionIndex(index)).map_err(failed)?;
        let Some(symbol) = map.symbol_index() else {
            self.data.insert(index, (name.to_owned(), section.size()));
            return Ok(());
        };
        let symbol = file.symbol_by_index(SymbolIndex(symbol)).map_err(failed)?;
        self.tables
            .insert((index, symbol.address()), name.to_owned());
        let title = section.name().map_err(failed)?.to_owned();
        self.definitions.insert(index, (title, section.size()));
        Ok(())
    }
}

fn instruction(parsed: &bpf_insn) -> Instruction {
    let [o0, o1] = parsed.off.to_le_bytes();
    let [i0, i1, i2, i3] = parsed.imm.to_le_bytes();
    let registers = parsed.dst_reg() | parsed.src_reg() << 4;
    [parsed.code, registers, o0, o1, i0, i1, i2, i3]
}
