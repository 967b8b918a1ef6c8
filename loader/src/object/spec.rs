//! The description of an object, the same on every machine.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};

use aya_obj::EbpfSectionKind;
use aya_obj::btf::BtfFeatures;

use super::code::{Code, Function, Referents};
use super::error::ObjectError;
use super::inspect;
use super::link::Linked;
use super::survey::{self, File, INSTRUCTION, Place, Survey};
use super::table::TableSpec;

/// What an object holds, checked, and not yet bound to any kernel.
#[derive(Clone, Debug)]
pub struct Spec {
    tables: BTreeMap<String, TableSpec>,
    /// Where each program begins.
    programs: BTreeMap<String, Place>,
    license: CString,
    btf: Option<Vec<u8>>,
    code: Code,
}

impl Spec {
    /// Reads and checks an object.
    ///
    /// Asks for as much zeroed memory as its `.bss` sections declare (at most
    /// 1 GiB), touches none of it, and gives it back.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the bytes, as [`ObjectError`] lists it. No
    /// input may make this panic: a release build would abort.
    pub fn parse(elf: &[u8]) -> Result<Self, ObjectError> {
        inspect::inspect(elf)?;
        // The structures in the file are read in place, so they have to lie at
        // multiples of eight. Embedded bytes may begin anywhere.
        let words: Vec<u64> = elf.chunks(8).map(word).collect();
        let elf = &object::bytes_of_slice(&words)[..elf.len()];

        let file =
            File::parse(elf).map_err(|error| ObjectError::malformed("ELF", error.to_string()))?;
        let survey = survey::survey(&file)?;
        let parsed = aya_obj::Object::parse(elf).map_err(|error| ObjectError::refused(&error))?;
        Self::collect(&file, survey, parsed)
    }

    fn collect(
        file: &File<'_>,
        survey: Survey,
        mut parsed: aya_obj::Object,
    ) -> Result<Self, ObjectError> {
        let mut referents = Referents::default();
        let mut tables = BTreeMap::new();
        for (name, map) in &mut parsed.maps {
            referents.add(file, name, map)?;
            let mut table = TableSpec::new(name, map, parsed.btf.as_ref(), survey.types.as_ref());
            if table.value_size == 0 && map.symbol_index().is_none() {
                // The kernel creates no table for an empty section.
                continue;
            }
            let has_contents = [EbpfSectionKind::Data, EbpfSectionKind::Rodata];
            if has_contents.contains(&map.section_kind()) {
                table.contents = Some(std::mem::take(map.data_mut()));
            }
            tables.insert(name.clone(), table);
        }
        let features = BtfFeatures::new(true, true, true, true, true, true, true, true);
        let btf = parsed
            .fixup_and_sanitize_btf(&features)
            .map_err(|error| ObjectError::refused(&error))?
            .map(aya_obj::btf::Btf::to_bytes);
        let programs: BTreeMap<String, Place> = parsed
            .programs
            .iter()
            .map(|(name, program)| (name.clone(), program.function_key()))
            .collect();
        // aya-obj counts the lines of a program from its start, those of other
        // functions from the start of their section.
        let starts: BTreeSet<Place> = programs.values().copied().collect();
        let functions = parsed.functions.iter().map(|(&place, function)| {
            let base = match starts.contains(&place) {
                true => 0,
                false => place.1 / INSTRUCTION,
            };
            Ok((place, Function::new(place, function, base)?))
        });
        let functions = functions.collect::<Result<_, ObjectError>>()?;
        Ok(Self {
            tables,
            programs,
            license: parsed.license,
            btf,
            code: Code {
                functions,
                relocations: survey.relocations,
                referents,
            },
        })
    }

    /// The tables, ordered by name.
    pub fn tables(&self) -> impl Iterator<Item = &TableSpec> {
        self.tables.values()
    }

    /// The names of the programs, in order.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }

    /// The license, by which the kernel decides what helpers may be called.
    pub fn license(&self) -> &CStr {
        &self.license
    }

    /// Type information for `BPF_BTF_LOAD`, with everything that kernel 6.0
    /// knows (`ENUM64` is the youngest).
    pub fn btf(&self) -> Option<&[u8]> {
        self.btf.as_deref()
    }

    /// Instructions of `program` with everything it calls behind it, and
    /// tables replaced by `descriptors`, which are given by table name.
    ///
    /// # Errors
    ///
    /// [`ObjectError::NoProgram`], or [`ObjectError::Link`] with function,
    /// instruction and cause.
    pub fn link(
        &self,
        program: &str,
        descriptors: &BTreeMap<String, i32>,
    ) -> Result<Linked, ObjectError> {
        self.link_within(program, descriptors, &BTreeMap::new())
    }

    /// [`link`](Self::link), where tables with an offset are parts of others: they
    /// begin so many bytes behind the start of what their descriptor names.
    ///
    /// # Errors
    ///
    /// As for [`link`](Self::link).
    pub fn link_within(
        &self,
        program: &str,
        descriptors: &BTreeMap<String, i32>,
        offsets: &BTreeMap<String, i32>,
    ) -> Result<Linked, ObjectError> {
        let function = self
            .programs
            .get(program)
            .and_then(|place| self.code.functions.get(place));
        match function {
            Some(function) => self.code.link(function, descriptors, offsets),
            None => Err(ObjectError::NoProgram {
                program: program.to_owned(),
                known: self.programs().map(str::to_owned).collect(),
            }),
        }
    }
}

/// Up to eight bytes in the order in which they lie in memory.
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_ne_bytes(word)
}
