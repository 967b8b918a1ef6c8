//! Repairs BTF, the kernel's type information, which LLVM makes from Rust's
//! debug info.
//!
//! The format is that of the kernel's `Documentation/bpf/btf.rst`. The section
//! `.BTF` has types, one after the other, and strings, which they name by
//! offset; `.BTF.ext` names strings, too, and says which line each instruction
//! comes from. All strings are written anew: a name that is changed is another
//! string than the line of source that reads like it, and the length of the
//! section does not depend on the length of a path of the build.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

use crate::sources::Sources;

/// The longest name that all kernels take: `KSYM_NAME_LEN` of 128 bytes, with
/// the zero at the end.
const NAME_MAX: usize = 127;

const MAGIC: [u8; 2] = [0x9f, 0xeb];
const HEADER: usize = 24;

/// `BTF_KIND_*`
mod kind {
    pub const INT: usize = 1;
    pub const PTR: usize = 2;
    pub const ARRAY: usize = 3;
    pub const STRUCT: usize = 4;
    pub const UNION: usize = 5;
    pub const ENUM: usize = 6;
    pub const FUNC: usize = 12;
    pub const FUNC_PROTO: usize = 13;
    pub const VAR: usize = 14;
    pub const DATASEC: usize = 15;
    pub const DECL_TAG: usize = 17;
    pub const ENUM64: usize = 19;
}

/// Makes the type information acceptable to the kernel, and independent of the
/// machine it was built on; the answer is the new section `.BTF`.
///
/// Names that are no C identifiers (`Option<u32>`) get underscores, pointers
/// lose theirs; functions become static, unless they are `exported`, because
/// the verifier takes a global function as callable with anything; files get
/// the names that [`Sources`] has for them. In `ext`, the section `.BTF.ext`,
/// the offsets of strings change.
pub fn repair(
    btf: &[u8],
    ext: &mut [u8],
    exported: &[String],
    sources: &Sources,
) -> Result<Vec<u8>> {
    ensure!(
        btf.len() >= HEADER && btf.starts_with(&MAGIC),
        "the section .BTF has no header"
    );
    let header = word(btf, 4)?;
    let types = part(btf, header + word(btf, 8)?, word(btf, 12)?)?;
    let mut strings = Strings {
        old: part(btf, header + word(btf, 16)?, word(btf, 20)?)?,
        new: vec![0],
        offsets: HashMap::from([(Vec::new(), 0)]),
    };
    let types = repair_types(types, &mut strings, exported)?;
    repair_lines(ext, &mut strings, sources)?;

    let mut repaired = part(btf, 0, HEADER)?.to_vec();
    let header = u32::try_from(HEADER)?;
    let lengths = [
        u32::try_from(types.len())?,
        u32::try_from(strings.new.len())?,
    ];
    let fields = [header, 0, lengths[0], lengths[0], lengths[1]];
    for (index, field) in fields.into_iter().enumerate() {
        put(&mut repaired, 4 + 4 * index, field)?;
    }
    repaired.extend(types);
    repaired.extend(strings.new);
    Ok(repaired)
}

/// The strings as LLVM wrote them, and as they will be.
struct Strings<'a> {
    old: &'a [u8],
    new: Vec<u8>,
    offsets: HashMap<Vec<u8>, u32>,
}

impl<'a> Strings<'a> {
    fn old(&self, at: usize) -> Result<&'a [u8]> {
        let tail = self.old.get(at..).unwrap_or_default();
        let end = tail.iter().position(|byte| *byte == 0);
        let end = end.context("the type information names a string that is not there")?;
        Ok(&tail[..end])
    }

    /// Where a string is among the new ones.
    fn add(&mut self, string: Vec<u8>) -> Result<u32> {
        if let Some(offset) = self.offsets.get(&string) {
            return Ok(*offset);
        }
        let offset = u32::try_from(self.new.len())?;
        self.new.extend(&string);
        self.new.push(0);
        self.offsets.insert(string, offset);
        Ok(offset)
    }

    /// Lets the word at `at` name the same string as before, changed by `change`.
    fn renew(
        &mut self,
        bytes: &mut [u8],
        at: usize,
        change: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<()> {
        let string = change(self.old(word(bytes, at)?)?);
        put(bytes, at, self.add(string)?)
    }
}

fn repair_types(types: &[u8], strings: &mut Strings, exported: &[String]) -> Result<Vec<u8>> {
    let mut repaired = types.to_vec();
    let mut at = 0;
    while at < types.len() {
        let info = word(types, at + 4)?;
        let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
        // What follows the three words that all types have: this many records
        // of this size, and whether each starts with a name.
        let (records, size, named) = match kind {
            kind::INT | kind::VAR | kind::DECL_TAG => (1, 4, false),
            kind::ARRAY => (1, 12, false),
            kind::DATASEC => (count, 12, false),
            kind::STRUCT | kind::UNION | kind::ENUM64 => (count, 12, true),
            kind::ENUM | kind::FUNC_PROTO => (count, 8, true),
            _ => (0, 0, false),
        };
        match kind {
            kind::PTR => put(&mut repaired, at, 0)?,
            // Its name is that of a section: `.maps`.
            kind::DATASEC => strings.renew(&mut repaired, at, <[u8]>::to_vec)?,
            _ => {
                let name = strings.old(word(types, at)?)?;
                let is_exported = exported.iter().any(|symbol| symbol.as_bytes() == name);
                if kind == kind::FUNC && !is_exported {
                    // The linkage, in the place of a count: BTF_FUNC_STATIC.
                    put(&mut repaired, at + 4, u32::try_from(info & !0xffff)?)?;
                }
                strings.renew(&mut repaired, at, identifier)?;
            }
        }
        at += 12;
        for _ in 0..records {
            if named {
                strings.renew(&mut repaired, at, identifier)?;
            }
            at += size;
        }
    }
    ensure!(at == types.len(), "the section .BTF ends within a type");
    Ok(repaired)
}

/// The tables of `.BTF.ext`.
#[derive(Clone, Copy)]
enum Table {
    /// Where functions start, and their types.
    Functions,
    /// Where instructions come from: after the instruction, a file and the text
    /// of a line.
    Lines,
    /// Accesses to fields of the kernel's types: after the instruction and the
    /// type, the fields.
    Relocations,
}

/// A table is the size of its records, and for each section of code the name,
/// a count, and as many records.
fn repair_lines(ext: &mut [u8], strings: &mut Strings, sources: &Sources) -> Result<()> {
    ensure!(
        ext.starts_with(&MAGIC),
        "the section .BTF.ext has no header"
    );
    let header = word(ext, 4)?;
    // Where a table starts and its length are fields of the header; older
    // headers are shorter.
    let tables = [
        (8, Table::Functions),
        (16, Table::Lines),
        (24, Table::Relocations),
    ];
    for (field, table) in tables {
        if field + 8 > header {
            break;
        }
        let mut at = header + word(ext, field)?;
        let end = at + word(ext, field + 4)?;
        ensure!(end <= ext.len(), "the section .BTF.ext is cut off");
        if at == end {
            continue;
        }
        let size = word(ext, at)?;
        at += 4;
        while at < end {
            strings.renew(ext, at, <[u8]>::to_vec)?;
            let count = word(ext, at + 4)?;
            at += 8;
            for _ in 0..count {
                match table {
                    Table::Functions => {}
                    Table::Lines => {
                        strings.renew(ext, at + 4, |path| file(path, sources))?;
                        strings.renew(ext, at + 8, <[u8]>::to_vec)?;
                    }
                    Table::Relocations => strings.renew(ext, at + 8, <[u8]>::to_vec)?,
                }
                at += size;
            }
        }
        ensure!(at == end, "the section .BTF.ext ends within a record");
    }
    Ok(())
}

/// A name that the kernel takes; no name stays none.
fn identifier(name: &[u8]) -> Vec<u8> {
    let fine = |index, byte: u8| {
        byte == b'_' || byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit())
    };
    let name = name.iter().take(NAME_MAX).enumerate();
    name.map(|(index, byte)| if fine(index, *byte) { *byte } else { b'_' })
        .collect()
}

/// The name of a file. One from elsewhere, as a build script may make, loses the
/// path that is of this machine.
fn file(path: &[u8], sources: &Sources) -> Vec<u8> {
    let Ok(path) = std::str::from_utf8(path) else {
        return path.to_vec();
    };
    let name = sources.name(path);
    let name = match name.rsplit_once('/') {
        Some((_, last)) if name.starts_with('/') => last,
        _ => name,
    };
    name.as_bytes().to_vec()
}

fn part(bytes: &[u8], start: usize, length: usize) -> Result<&[u8]> {
    let part = bytes.get(start..).and_then(|tail| tail.get(..length));
    part.context("the section .BTF is shorter than its header says")
}

fn word(bytes: &[u8], at: usize) -> Result<usize> {
    let word = bytes.get(at..).and_then(|tail| tail.first_chunk::<4>());
    let word = word.context("the type information is cut off")?;
    Ok(usize::try_from(u32::from_le_bytes(*word))?)
}

fn put(bytes: &mut [u8], at: usize, value: u32) -> Result<()> {
    let word = bytes
        .get_mut(at..)
        .and_then(|tail| tail.first_chunk_mut::<4>());
    let word = word.context("the type information is cut off")?;
    *word = value.to_le_bytes();
    Ok(())
}

#[cfg(test)]
mod tests;
