//! The second look, with `object`: sections, symbols and relocations as
//! `aya-obj` will see them.
//!
//! `aya-obj` cuts sections by what symbols say, multiplies sizes it was told
//! and allocates as much as `.bss` declares. What it relies on is checked here,
//! through the same reader, so that both see the same file.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::FileHeader64;
use object::read::elf::{ElfFile64, ElfSection};
use object::{
    LittleEndian, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget,
    SectionFlags, SectionIndex, SectionKind, SymbolKind,
};

use super::btf::{self, Types};
use super::error::ObjectError;

/// Size of an instruction in bytes.
pub(super) const INSTRUCTION: u64 = 8;
/// How much zeroed memory an object may ask for, in bytes. `aya-obj` allocates
/// it while it parses; pages that nobody touches cost nothing, but a number
/// that is nonsense would end the process.
const MAX_ZEROED: u64 = 1 << 30;

/// An ELF file as `object` reads it.
pub(super) type File<'a> = ElfFile64<'a, LittleEndian>;
type Section<'data, 'file> = ElfSection<'data, 'file, FileHeader64<LittleEndian>>;

/// A position in the object: section index and offset in bytes.
pub(super) type Place = (usize, u64);

/// One entry of a relocation section.
#[derive(Clone, Debug)]
pub(super) struct Relocation {
    /// ELF relocation type.
    pub(super) kind: u32,
    /// Name of the symbol, or of the section which it stands for.
    pub(super) symbol: String,
    /// Where the symbol is defined; nowhere, if it is only declared.
    pub(super) target: Option<Place>,
}

/// What the survey found.
#[derive(Debug)]
pub(super) struct Survey {
    /// The relocations of all code, by the place of their instruction.
    pub(super) relocations: BTreeMap<Place, Relocation>,
    /// The types, if the object has type information.
    pub(super) types: Option<Types>,
}

/// What a section is for. The names are those that `aya-obj` goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Code,
    Data,
    Zeroed,
    Tables,
    Types,
    License,
    /// Nothing that is loaded.
    Other,
}

/// Checks everything that `aya-obj` takes on trust, and collects relocations.
///
/// # Errors
///
/// [`ObjectError::Malformed`] names the section or symbol.
pub(super) fn survey(file: &File<'_>) -> Result<Survey, ObjectError> {
    let mut relocations = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut zeroed = 0u64;
    for section in file.sections() {
        let name = section.name().map_err(|error| malformed("names", &error))?;
        let role = role(&section, name)?;
        if role == Role::Other {
            continue;
        }
        if !seen.insert(name) {
            return Err(wrong(name, "there are two of this name"));
        }
        check_section(&section, name, role)?;
        if role == Role::Zeroed {
            zeroed = zeroed.saturating_add(section.size());
        }
        match role {
            Role::Code => collect(file, &section, name, &mut relocations)?,
            Role::Data | Role::Zeroed | Role::Tables => refuse_addresses(&section, name)?,
            _ => {}
        }
    }
    if zeroed > MAX_ZEROED {
        let reason = format!("{zeroed} bytes of zeroed memory, more than {MAX_ZEROED}");
        return Err(ObjectError::malformed("all .bss sections", reason));
    }
    if !seen.contains("license") {
        let reason = "missing; by it the kernel decides which helpers may be called";
        return Err(wrong("license", reason));
    }
    check_symbols(file)?;
    let types = check_types(file)?;
    Ok(Survey { relocations, types })
}

fn role(section: &Section<'_, '_>, name: &str) -> Result<Role, ObjectError> {
    let is = |prefix: &str| name.starts_with(prefix);
    Ok(if name == "license" {
        Role::License
    } else if is("license") || is("version") {
        Role::Other
    } else if is("maps") {
        // Read as C structs with an enum in them, whatever its number.
        return Err(wrong(name, "tables are defined in .maps, with types"));
    } else if is(".maps") {
        Role::Tables
    } else if is(".text") {
        Role::Code
    } else if is(".bss") {
        Role::Zeroed
    } else if is(".data") || is(".rodata") {
        Role::Data
    } else if name == ".BTF" || name == ".BTF.ext" {
        Role::Types
    } else if section.kind() == SectionKind::Text && section.size() > 0 {
        Role::Code
    } else {
        Role::Other
    })
}

fn check_section(section: &Section<'_, '_>, name: &str, role: Role) -> Result<(), ObjectError> {
    let on_disk = section.data().map_err(|error| malformed(name, &error))?;
    if section.address() != 0 {
        return Err(wrong(
            name,
            "it has an address; an object file is not placed yet",
        ));
    }
    let compressed = u64::from(object::elf::SHF_COMPRESSED);
    if let SectionFlags::Elf { sh_flags } = section.flags()
        && sh_flags & compressed != 0
    {
        return Err(wrong(name, "it is compressed"));
    }
    let zeroed = on_disk.is_empty() && section.size() > 0;
    match role {
        Role::Zeroed if section.size() > 0 && !zeroed => Err(wrong(
            name,
            "it has contents, which a .bss section cannot have",
        )),
        Role::Zeroed => Ok(()),
        _ if zeroed => Err(wrong(name, "its contents are not in the file")),
        Role::Code if !section.size().is_multiple_of(INSTRUCTION) => {
            Err(wrong(name, "it ends within an instruction"))
        }
        _ => Ok(()),
    }
}

/// Data that holds addresses would be loaded with zeros in their place.
fn refuse_addresses(section: &Section<'_, '_>, name: &str) -> Result<(), ObjectError> {
    match section.relocations().next() {
        None => Ok(()),
        Some((offset, _)) => {
            let reason = format!("offset {offset} holds an address, which no table can");
            Err(wrong(name, reason))
        }
    }
}

fn collect(
    file: &File<'_>,
    section: &Section<'_, '_>,
    name: &str,
    relocations: &mut BTreeMap<Place, Relocation>,
) -> Result<(), ObjectError> {
    for (offset, relocation) in section.relocations() {
        let (RelocationTarget::Symbol(index), RelocationFlags::Elf { r_type }) =
            (relocation.target(), relocation.flags())
        else {
            return Err(wrong(
                name,
                format!("offset {offset} is relocated by no symbol"),
            ));
        };
        if !offset.is_multiple_of(INSTRUCTION) || offset >= section.size() {
            return Err(wrong(
                name,
                format!("no instruction to relocate at offset {offset}"),
            ));
        }
        let symbol = file
            .symbol_by_index(index)
            .map_err(|error| malformed(name, &error))?;
        let target = symbol
            .section_index()
            .map(|index| (index.0, symbol.address()));
        let found = Relocation {
            kind: r_type,
            symbol: readable(file, symbol.name(), symbol.section_index()),
            target,
        };
        if relocations
            .insert((section.index().0, offset), found)
            .is_some()
        {
            return Err(wrong(name, format!("offset {offset} is relocated twice")));
        }
    }
    Ok(())
}

/// Section symbols have no name of their own.
fn readable(file: &File<'_>, name: object::Result<&str>, section: Option<SectionIndex>) -> String {
    match (name, section) {
        (Ok(name), _) if !name.is_empty() => name.to_owned(),
        (_, Some(index)) => file
            .section_by_index(index)
            .and_then(|section| section.name())
            .unwrap_or("a symbol without a name")
            .to_owned(),
        _ => "a symbol without a name".to_owned(),
    }
}

fn check_symbols(file: &File<'_>) -> Result<(), ObjectError> {
    for symbol in file.symbols() {
        let name = symbol
            .name()
            .map_err(|error| malformed("a symbol", &error))?;
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let section = file
            .section_by_index(index)
            .map_err(|error| malformed(name, &error))?;
        let (start, size) = (symbol.address(), symbol.size());
        if start.saturating_add(size) > section.size() {
            return Err(wrong(name, "the symbol ends outside of its section"));
        }
        let whole =
            start.is_multiple_of(INSTRUCTION) && size.is_multiple_of(INSTRUCTION) && size > 0;
        if symbol.kind() == SymbolKind::Text && !whole {
            return Err(wrong(
                name,
                "the function is not made of whole instructions",
            ));
        }
    }
    Ok(())
}

fn check_types(file: &File<'_>) -> Result<Option<Types>, ObjectError> {
    let bytes = |name: &str| {
        let section = file.section_by_name(name);
        section
            .map(|section| section.data().map_err(|error| malformed(name, &error)))
            .transpose()
    };
    let Some(types) = bytes(".BTF")? else {
        return Ok(None);
    };
    let types = btf::check(types).map_err(|reason| wrong(".BTF", reason))?;
    if let Some(ext) = bytes(".BTF.ext")? {
        btf::check_ext(ext, types.strings).map_err(|reason| wrong(".BTF.ext", reason))?;
    }
    Ok(Some(types))
}

/// `name` is a section's, a symbol's, or nothing.
fn wrong(name: &str, reason: impl Into<String>) -> ObjectError {
    let place = if name.is_empty() {
        "a symbol without a name"
    } else {
        name
    };
    ObjectError::malformed(place, reason)
}

fn malformed(name: &str, error: &object::Error) -> ObjectError {
    wrong(name, error.to_string())
}
