//! Repairs BTF, the kernel's type information, which LLVM makes from Rust's
//! debug info: in place and at the same length, so that no offset changes.
//!
//! The format is that of the kernel's `Documentation/bpf/btf.rst`: a header,
//! types one after the other, strings.

use anyhow::{Result, ensure};

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

/// One type, as far as it matters here.
struct TypeRecord {
    /// Where it starts.
    at: usize,
    kind: usize,
    /// Where the names of its members stand.
    members: Vec<usize>,
    /// Where the next type starts.
    next: usize,
}

/// Makes a `.BTF` section acceptable to the kernel, and independent of the
/// machine it was built on.
///
/// Names that are no C identifiers (`Option<u32>`) get underscores, pointers
/// lose theirs; functions become static, unless they are `exported`, because
/// the verifier takes a global function as callable with anything; files get
/// the names that [`Sources`] has for them.
pub fn repair(btf: &mut [u8], exported: &[String], sources: &Sources) -> Result<()> {
    ensure!(
        btf.len() >= HEADER && btf.starts_with(&MAGIC),
        "the section .BTF has no header"
    );
    let field = |at| word(btf, at);
    let header = field(4)?;
    let (types, strings) = (header + field(8)?, header + field(16)?);
    let (types_end, strings_end) = (types + field(12)?, strings + field(20)?);
    ensure!(
        types_end <= btf.len() && strings_end <= btf.len() && strings < strings_end,
        "the section .BTF ends before what its header promises"
    );
    let (head, text) = btf.split_at_mut(strings);
    let text = &mut text[..strings_end - strings];
    ensure!(
        text.last() == Some(&0),
        "the strings of the section .BTF do not end"
    );

    let mut at = types;
    while at < types_end {
        let record = TypeRecord::read(head, at)?;
        repair_type(head, text, &record, exported)?;
        at = record.next;
    }
    rename_files(text, sources);
    Ok(())
}

impl TypeRecord {
    fn read(bytes: &[u8], at: usize) -> Result<Self> {
        let info = word(bytes, at + 4)?;
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
        let first = at + 12;
        let members = (0..if named { records } else { 0 }).map(|index| first + index * size);
        let members = members.collect();
        let next = first + records * size;
        Ok(Self {
            at,
            kind,
            members,
            next,
        })
    }
}

fn repair_type(
    types: &mut [u8],
    strings: &mut [u8],
    record: &TypeRecord,
    exported: &[String],
) -> Result<()> {
    let at = record.at;
    match record.kind {
        kind::PTR => return put(types, at, 0),
        // Its name is that of a section: `.maps`.
        kind::DATASEC => return Ok(()),
        kind::FUNC => {
            let name = string(strings, word(types, at)?)?;
            if !exported.iter().any(|symbol| symbol.as_bytes() == name) {
                // The linkage, in the place of a count: BTF_FUNC_STATIC.
                let info = word(types, at + 4)? & !0xffff;
                put(types, at + 4, u32::try_from(info)?)?;
            }
        }
        _ => {}
    }
    for name in std::iter::once(&at).chain(&record.members) {
        make_identifier(string_mut(strings, word(types, *name)?)?);
    }
    Ok(())
}

/// Changes a name into one that the kernel takes; no name stays none.
fn make_identifier(name: &mut [u8]) {
    for (index, byte) in name.iter_mut().enumerate() {
        let fine = byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit());
        if index >= NAME_MAX {
            *byte = 0;
        } else if !fine {
            *byte = b'_';
        }
    }
}

/// Shortens the paths among the strings; what is left over becomes zero.
fn rename_files(strings: &mut [u8], sources: &Sources) {
    for string in strings.split_mut(|byte| *byte == 0) {
        let Ok(path) = std::str::from_utf8(string) else {
            continue;
        };
        let name = sources.name(path);
        if name.len() < path.len() {
            let name = name.as_bytes().to_vec();
            string.fill(0);
            string[..name.len()].copy_from_slice(&name);
        }
    }
}

/// The string at an offset, without its end.
fn string(strings: &[u8], at: usize) -> Result<&[u8]> {
    let length = length(strings, at)?;
    Ok(&strings[at..at + length])
}

fn string_mut(strings: &mut [u8], at: usize) -> Result<&mut [u8]> {
    let length = length(strings, at)?;
    Ok(&mut strings[at..at + length])
}

fn length(strings: &[u8], at: usize) -> Result<usize> {
    let tail = strings.get(at..).unwrap_or_default();
    let length = tail.iter().position(|byte| *byte == 0);
    length.ok_or_else(|| anyhow::anyhow!("a type in the section .BTF names no string"))
}

fn word(bytes: &[u8], at: usize) -> Result<usize> {
    let word = bytes.get(at..).and_then(|tail| tail.first_chunk::<4>());
    let word = word.ok_or_else(|| anyhow::anyhow!("the section .BTF is cut off"))?;
    Ok(usize::try_from(u32::from_le_bytes(*word))?)
}

fn put(bytes: &mut [u8], at: usize, value: u32) -> Result<()> {
    let word = bytes
        .get_mut(at..)
        .and_then(|tail| tail.first_chunk_mut::<4>());
    let word = word.ok_or_else(|| anyhow::anyhow!("the section .BTF is cut off"))?;
    *word = value.to_le_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with these types, each a list of words, and these strings,
    /// which start at 1, 1 + the length of the first + 1, ...
    fn section(types: &[&[u32]], strings: &[&str]) -> Vec<u8> {
        let types: Vec<u8> = types
            .concat()
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let strings = format!("\0{}\0", strings.join("\0"));
        let length = |bytes: usize| u32::try_from(bytes).expect("a short section").to_le_bytes();
        let mut section = vec![0x9f, 0xeb, 1, 0];
        for part in [24, 0, types.len(), types.len(), strings.len()] {
            section.extend(length(part));
        }
        section.extend(types);
        section.extend(strings.as_bytes());
        section
    }

    fn sources() -> Sources {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        Sources::of(manifest.as_ref()).expect("this crate")
    }

    fn repaired(types: &[&[u32]], strings: &[&str], exported: &[&str]) -> Vec<u8> {
        let mut section = section(types, strings);
        let exported: Vec<String> = exported.iter().map(|name| name.to_string()).collect();
        repair(&mut section, &exported, &sources()).expect("a valid section");
        section
    }

    fn strings_of(section: &[u8]) -> String {
        let start = 24 + word(section, 16).expect("a header");
        String::from_utf8_lossy(&section[start..]).into_owned()
    }

    const STRUCT_OF_ONE: u32 = 4 << 24 | 1;

    #[test]
    fn names_become_c_identifiers_those_of_members_too() {
        let types: &[&[u32]] = &[&[1, STRUCT_OF_ONE, 4, 13, 1, 0]];
        let section = repaired(types, &["Option<u32>", "0", "x"], &[]);
        assert_eq!(strings_of(&section), "\0Option_u32_\0_\0x\0");
    }

    #[test]
    fn a_pointer_loses_its_name_and_keeps_what_it_points_to() {
        let section = repaired(&[&[1, 2 << 24, 7]], &["*const u32"], &[]);
        assert_eq!(word(&section, 24).expect("a type"), 0);
        assert_eq!(word(&section, 32).expect("a type"), 7);
    }

    #[test]
    fn functions_are_static_unless_they_are_exported() {
        let types: &[&[u32]] = &[&[1, 12 << 24 | 1, 9], &[5, 12 << 24 | 1, 9]];
        let section = repaired(types, &["dsr", "inner"], &["dsr"]);
        assert_eq!(word(&section, 28).expect("a type"), 12 << 24 | 1);
        assert_eq!(word(&section, 40).expect("a type"), 12 << 24);
    }

    #[test]
    fn a_long_name_is_cut() {
        let section = repaired(&[&[1, 8 << 24, 1]], &[&"a".repeat(300)], &[]);
        let text = strings_of(&section);
        assert_eq!(text.trim_matches('\0'), "a".repeat(127));
        assert_eq!(text.len(), 302, "the length stays");
    }

    #[test]
    fn files_are_named_without_the_directory_of_the_build() {
        let root = sources().root().join("xdp-prog/src/lib.rs");
        let path = root.to_str().expect("UTF-8");
        let library = "/rustc/5980/library/core/src/cell.rs";
        let section = repaired(&[], &[path, library, "    let x = 1;"], &[]);
        let text = strings_of(&section);
        let strings: Vec<&str> = text.split('\0').filter(|text| !text.is_empty()).collect();
        let wanted = [
            "xdp-prog/src/lib.rs",
            "library/core/src/cell.rs",
            "    let x = 1;",
        ];
        assert_eq!(strings, wanted);
        assert_eq!(
            text.find("library/core"),
            Some(path.len() + 2),
            "no offset moves"
        );
    }

    #[test]
    fn a_section_that_is_cut_off_is_an_error() {
        let whole = section(&[&[1, STRUCT_OF_ONE, 4, 13, 1, 0]], &["Option<u32>", "0"]);
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            assert!(repair(&mut cut, &[], &sources()).is_err(), "{length} bytes");
        }
    }
}
