//! Checks type information (BTF) before `aya-obj` reads it, and tells the
//! sizes of types.
//!
//! `aya-obj` looks a name up without comparing its offset with the length of
//! the strings, takes the linkage of a variable for one of four enum values
//! whatever the number, and cuts function and line information by counts that
//! it has not compared with the section. All of that is compared here.
//!
//! The format: <https://docs.kernel.org/bpf/btf.html>.

/// `struct btf_header`, without extensions.
const HEADER_SIZE: usize = 24;
const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FWD: u32 = 7;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_FLOAT: u32 = 16;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// `BTF_VAR_GLOBAL_EXTERN`, the last linkage of variables that there is.
const LAST_LINKAGE: u32 = 2;
/// How many types one may refer through to reach a size; `aya-obj` follows as
/// many.
const MAX_DEPTH: usize = 32;
/// `struct bpf_func_info` and `struct bpf_line_info`.
const FUNC_INFO_SIZE: usize = 8;
const LINE_INFO_SIZE: usize = 16;
/// `struct btf_ext_header` without and with CO-RE relocations.
const EXT_HEADER_SIZES: [usize; 2] = [24, 32];

/// What is wrong, in words; the caller knows the section.
type Reason = String;

/// The types of an object, checked.
#[derive(Debug)]
pub(super) struct Types {
    /// By type id; id 0 is `void`.
    types: Vec<Type>,
    /// Length of the strings in bytes: every name offset lies below it.
    pub(super) strings: usize,
}

#[derive(Clone, Copy, Debug)]
enum Type {
    /// Has this many bytes.
    Sized(u32),
    /// Is as large as another type.
    As(u32),
    Array {
        element: u32,
        length: u32,
    },
    /// Has no size: `void`, functions, forward declarations.
    Unsized,
}

impl Types {
    /// Size of a type in bytes, if it has one.
    ///
    /// Counts every dimension of an array, where `aya-obj` counts the last.
    pub(super) fn size(&self, id: u32) -> Option<u64> {
        let (mut id, mut times) = (id, 1u64);
        for _ in 0..MAX_DEPTH {
            match *self.types.get(id as usize)? {
                Type::Sized(size) => return times.checked_mul(u64::from(size)),
                Type::As(other) => id = other,
                Type::Array { element, length } => {
                    times = times.checked_mul(u64::from(length))?;
                    id = element;
                }
                Type::Unsized => return None,
            }
        }
        None
    }
}

/// Checks a `.BTF` section.
pub(super) fn check(btf: &[u8]) -> Result<Types, Reason> {
    let version = (u16_at(btf, 0)?, btf.get(2).copied(), btf.get(3).copied());
    if version != (MAGIC, Some(VERSION), Some(0)) {
        return Err("magic or version is not that of BTF version 1".into());
    }
    let [
        header,
        type_offset,
        type_length,
        strings_offset,
        strings_length,
    ] = [4, 8, 12, 16, 20].map(|at| word(btf, at));
    let (type_length, strings_length) = (type_length?, strings_length?);
    // The kernel takes any order and gap; aya-obj writes types, then strings.
    if (header?, type_offset?, strings_offset?) != (HEADER_SIZE, 0, type_length) {
        return Err("types and strings do not follow each other".into());
    }
    let types = slice(btf, HEADER_SIZE, type_length)?;
    let strings = slice(btf, HEADER_SIZE + type_length, strings_length)?;
    if strings.first() != Some(&0) || strings.last() != Some(&0) {
        return Err("strings do not begin and end with a zero byte".into());
    }
    let types = Types {
        types: read_types(types, strings.len())?,
        strings: strings.len(),
    };
    // aya-obj multiplies in 32 bits.
    for (id, kind) in (0u32..).zip(&types.types) {
        let too_large = types
            .size(id)
            .is_some_and(|size| size > u64::from(u32::MAX));
        if matches!(kind, Type::Array { .. }) && too_large {
            return Err(format!("type {id} is an array of 4 GiB or more"));
        }
    }
    Ok(types)
}

fn read_types(bytes: &[u8], strings: usize) -> Result<Vec<Type>, Reason> {
    let mut types = vec![Type::Unsized];
    let mut at = 0;
    while at < bytes.len() {
        let id = types.len();
        let (kind, length) =
            read_type(&bytes[at..], strings).map_err(|reason| format!("type {id}: {reason}"))?;
        types.push(kind);
        at += length;
    }
    Ok(types)
}

/// Reads one type; also tells how many bytes it takes.
fn read_type(bytes: &[u8], strings: usize) -> Result<(Type, usize), Reason> {
    let (info, link) = (u32_at(bytes, 4)?, u32_at(bytes, 8)?);
    let (kind, members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
    // Size of one part behind the first twelve bytes, how many, has it a name?
    let (part, count, named) = match kind {
        KIND_INT | KIND_VAR | KIND_DECL_TAG => (4, 1, false),
        KIND_ARRAY => (12, 1, false),
        KIND_STRUCT | KIND_UNION | KIND_ENUM64 => (12, members, true),
        KIND_DATASEC => (12, members, false),
        KIND_ENUM | KIND_FUNC_PROTO => (8, members, true),
        0 | 20.. => return Err(format!("kind {kind} is not known")),
        _ => (0, 0, false),
    };
    let parts = slice(bytes, 12, part * count)?;
    check_name(bytes, 0, strings)?;
    for at in (0..parts.len()).step_by(part.max(1)).filter(|_| named) {
        check_name(parts, at, strings)?;
    }
    let found = match kind {
        KIND_PTR => Type::Sized(8),
        KIND_INT | KIND_FLOAT | KIND_STRUCT | KIND_UNION | KIND_ENUM | KIND_ENUM64
        | KIND_DATASEC => Type::Sized(link),
        KIND_ARRAY => Type::Array {
            element: u32_at(parts, 0)?,
            length: u32_at(parts, 8)?,
        },
        KIND_VAR if u32_at(parts, 0)? > LAST_LINKAGE => {
            return Err("its linkage is not known".into());
        }
        KIND_FWD | KIND_FUNC => Type::Unsized,
        _ => Type::As(link),
    };
    Ok((found, 12 + parts.len()))
}

fn check_name(bytes: &[u8], at: usize, strings: usize) -> Result<(), Reason> {
    if word(bytes, at)? < strings {
        return Ok(());
    }
    Err("a name lies outside of the strings".into())
}

/// Checks a `.BTF.ext` section: function and line information for objects
/// whose names take `strings` bytes.
pub(super) fn check_ext(ext: &[u8], strings: usize) -> Result<(), Reason> {
    let version = (u16_at(ext, 0)?, ext.get(2).copied(), ext.get(3).copied());
    if version != (MAGIC, Some(VERSION), Some(0)) {
        return Err("magic or version is not that of BTF version 1".into());
    }
    let header = word(ext, 4)?;
    if !EXT_HEADER_SIZES.contains(&header) {
        return Err(format!("a header of {header} bytes is not known"));
    }
    let part = |at: usize| {
        slice(
            ext,
            header.saturating_add(word(ext, at)?),
            word(ext, at + 4)?,
        )
    };
    check_info(part(8)?, FUNC_INFO_SIZE, strings)
        .map_err(|reason| format!("function information: {reason}"))?;
    check_info(part(16)?, LINE_INFO_SIZE, strings)
        .map_err(|reason| format!("line information: {reason}"))?;
    if header == EXT_HEADER_SIZES[1] && !part(24)?.is_empty() {
        return Err("it asks for CO-RE relocation, which is not done here".into());
    }
    Ok(())
}

/// One part of `.BTF.ext`: a record size, then for each section its name, a
/// count, and that many records.
fn check_info(info: &[u8], least: usize, strings: usize) -> Result<(), Reason> {
    if info.is_empty() {
        return Ok(());
    }
    let size = word(info, 0)?;
    if size < least || !size.is_multiple_of(4) {
        return Err(format!("records of {size} bytes, not {least}"));
    }
    let mut at = 4;
    while at < info.len() {
        check_name(info, at, strings)?;
        let count = word(info, at + 4)?;
        at += 8 + slice(info, at + 8, count.saturating_mul(size))?.len();
    }
    Ok(())
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], Reason> {
    let end = at.saturating_add(length);
    bytes
        .get(at..end)
        .ok_or_else(|| format!("bytes {at} to {end} of {} are missing", bytes.len()))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Reason> {
    slice(bytes, at, 2).map(|two| u16::from_le_bytes([two[0], two[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Reason> {
    slice(bytes, at, 4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

fn word(bytes: &[u8], at: usize) -> Result<usize, Reason> {
    u32_at(bytes, at).map(|value| value as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[u8] = b"\0int\0row\0";

    fn info(kind: u32, members: u32) -> u32 {
        kind << 24 | members
    }

    /// A `.BTF` section of these words as types, and `NAMES`.
    fn section(types: &[u32]) -> Vec<u8> {
        let length = u32::try_from(types.len() * 4).unwrap();
        let names = u32::try_from(NAMES.len()).unwrap();
        let header = [0x0001_eb9f, 24, 0, length, length, names];
        let words = header.iter().chain(types);
        let bytes = words.flat_map(|word| word.to_le_bytes());
        bytes.chain(NAMES.iter().copied()).collect()
    }

    /// Type 1: `int` of four bytes.
    const INT: [u32; 4] = [1, 0x0100_0000, 4, 32];

    fn array(element: u32, length: u32) -> [u32; 6] {
        [0, info(KIND_ARRAY, 0), 0, element, 1, length]
    }

    #[test]
    fn every_dimension_of_an_array_counts() {
        let types = [&INT[..], &array(1, 8), &array(2, 3)].concat();
        let types = check(&section(&types)).unwrap();
        assert_eq!(types.size(2), Some(32));
        assert_eq!(types.size(3), Some(96));
        assert_eq!(types.size(0), None, "void");
        assert_eq!(types.size(4), None, "there is none");
    }

    #[test]
    fn a_type_that_refers_to_itself_has_no_size() {
        let typedef = [1, info(8, 0), 1];
        let types = check(&section(&typedef)).unwrap();
        assert_eq!(types.size(1), None);
    }

    #[test]
    fn what_aya_obj_takes_on_trust_is_refused() {
        let variable = |linkage| [&INT[..], &[5, info(KIND_VAR, 0), 1, linkage]].concat();
        assert!(check(&section(&variable(2))).is_ok());
        for (types, reason) in [
            (variable(3), "type 2: its linkage is not known"),
            (
                vec![99, info(8, 0), 0],
                "type 1: a name lies outside of the strings",
            ),
            (
                vec![0, info(KIND_STRUCT, 1), 4, 9, 0, 0],
                "type 1: a name lies outside of the strings",
            ),
            (vec![0, info(0, 0), 0], "type 1: kind 0 is not known"),
            (vec![0, info(20, 0), 0], "type 1: kind 20 is not known"),
            (
                vec![0, info(KIND_ENUM, 2), 4, 0, 0],
                "type 1: bytes 12 to 28 of 20 are missing",
            ),
            (
                [&INT[..], &array(1, 1 << 30)].concat(),
                "type 2 is an array of 4 GiB or more",
            ),
        ] {
            assert_eq!(check(&section(&types)).unwrap_err(), reason);
        }
    }

    /// A `.BTF.ext` section with these function and line records.
    fn ext(functions: &[u32], lines: &[u32]) -> Vec<u8> {
        let [middle, end] = [functions, lines].map(|part| u32::try_from(part.len() * 4).unwrap());
        let header = [0x0001_eb9f, 24, 0, middle, middle, end];
        let words = header.iter().chain(functions).chain(lines);
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn records_must_be_as_many_and_as_large_as_they_say() {
        let lines = [16, 1, 1, 0, 0, 0, 0];
        assert_eq!(check_ext(&ext(&[8, 1, 1, 0, 7], &lines), 9), Ok(()));
        for (functions, reason) in [
            (&[0, 1, 1, 0, 7][..], "records of 0 bytes, not 8"),
            (&[8, 1, 2, 0, 7], "bytes 12 to 28 of 20 are missing"),
            (
                &[8, 1, u32::MAX, 0, 7],
                "bytes 12 to 34359738372 of 20 are missing",
            ),
            (&[8, 9, 1, 0, 7], "a name lies outside of the strings"),
            (&[8, 1, 1, 0, 7, 1], "bytes 24 to 28 of 24 are missing"),
        ] {
            let refused = check_ext(&ext(functions, &lines), 9).unwrap_err();
            assert_eq!(refused, format!("function information: {reason}"));
        }
    }
}
