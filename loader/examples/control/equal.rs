//! An object of which other loaders make the program that `dsrload` makes.
//!
//! `dsrload` fills in the settings, by which the verifier knows what code is dead,
//! and makes the tables as large as they are wanted. The object itself has
//! settings of zeros, and tables of the largest size, 436 MB of them: who loads it
//! as it is checks less and allocates more. So here both are written into a copy
//! of it, as they are found on an interface that `dsrload` has loaded.

use dsrload::EMBEDDED;
use dsrload::datapath::pins;
use dsrload::netlink::{Mode, Netlink};
use dsrload::sys::bpf::{map_lookup, program_by_id, program_info};
use goblin::elf::Elf;
use goblin::elf::section_header::SHT_NOBITS;
use std::io;
use xdp_prog::abi::section;

/// Offset of `sh_size` in a section's header (ELF-64), and that header's size.
const SH_SIZE: usize = 32;
const SH_LEN: usize = 64;

/// Kinds of BTF (`include/uapi/linux/btf.h`) that are looked for.
const INT: u32 = 1;
const VAR: u32 = 14;
const DATASEC: u32 = 15;

/// The object for what is loaded on this interface, which is found by its pins.
///
/// # Errors
///
/// It is not loaded, or the object is not the one that we know.
pub fn object(interface: &str) -> io::Result<Vec<u8>> {
    let mut object = EMBEDDED.to_vec();
    for (name, map) in pins::maps(interface) {
        let size = map.info().value_size;
        if name == section::SETTINGS {
            let mut settings = vec![0; size as usize];
            map_lookup(&map, &0u32.to_ne_bytes(), &mut settings)?;
            fill(&mut object, name, &settings)?;
        } else if name.starts_with(".bss.") {
            resize(&mut object, name, size)?;
        }
    }
    Ok(object)
}

/// The kernel's hash of the instructions of what is attached in skb mode, tables
/// left out.
///
/// # Errors
///
/// There is none.
pub fn tag(interface: &str) -> io::Result<[u8; 8]> {
    let none = || io::Error::other(format!("{interface} has no XDP program"));
    let mut netlink = Netlink::open().map_err(io::Error::other)?;
    let link = netlink.link_by_name(interface).map_err(io::Error::other)?;
    let id = link.and_then(|link| link.xdp.program(Mode::Skb));
    let program = program_by_id(id.ok_or_else(none)?)?.ok_or_else(none)?;
    Ok(program_info(&program)?.tag)
}

/// Where a section is: its header, its bytes, whether it has any.
struct Section {
    header: usize,
    start: usize,
    length: usize,
    is_empty: bool,
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(format!("the object in this binary: {what}"))
}

fn find(object: &[u8], name: &str) -> io::Result<Section> {
    let elf = Elf::parse(object).map_err(io::Error::other)?;
    let number = |n: u64| usize::try_from(n).map_err(io::Error::other);
    let mut sections = elf.section_headers.iter().enumerate();
    let (index, section) = sections
        .find(|(_, section)| elf.shdr_strtab.get_at(section.sh_name) == Some(name))
        .ok_or_else(|| wrong(&format!("no section {name}")))?;
    Ok(Section {
        header: number(elf.header.e_shoff)? + index * SH_LEN,
        start: number(section.sh_offset)?,
        length: number(section.sh_size)?,
        is_empty: section.sh_type == SHT_NOBITS,
    })
}

fn fill(object: &mut [u8], name: &str, contents: &[u8]) -> io::Result<()> {
    let Section { start, length, .. } = find(object, name)?;
    let bytes = object
        .get_mut(start..start + length)
        .filter(|bytes| bytes.len() == contents.len())
        .ok_or_else(|| wrong(&format!("{name} has another size")))?;
    bytes.copy_from_slice(contents);
    Ok(())
}

/// Gives a table another size, in its section and in its types.
fn resize(object: &mut [u8], name: &str, size: u32) -> io::Result<()> {
    let section = find(object, name)?;
    if !section.is_empty {
        return Err(wrong(&format!("{name} is no empty section")));
    }
    if section.length == size as usize {
        return Ok(());
    }
    let at = section.header + SH_SIZE;
    write(object, at, &u64::from(size).to_le_bytes())?;
    let types = find(object, ".BTF")?;
    let btf = object
        .get_mut(types.start..types.start + types.length)
        .ok_or_else(|| wrong(".BTF is cut off"))?;
    retype(btf, name, size)
}

fn write(object: &mut [u8], at: usize, bytes: &[u8]) -> io::Result<()> {
    object
        .get_mut(at..at + bytes.len())
        .ok_or_else(|| wrong("cut off"))?
        .copy_from_slice(bytes);
    Ok(())
}

fn word(btf: &[u8], at: usize) -> io::Result<u32> {
    btf.get(at..)
        .and_then(|rest| rest.first_chunk())
        .map(|word| u32::from_le_bytes(*word))
        .ok_or_else(|| wrong(".BTF is cut off"))
}

/// Has the variable that fills this section take `size` bytes, and be of a type
/// that is not larger: the kernel compares them.
fn retype(btf: &mut [u8], name: &str, size: u32) -> io::Result<()> {
    let types = types(btf)?;
    let strings = word(btf, 4)? + word(btf, 16)?;
    let is_named = |at: usize| -> io::Result<bool> {
        let name_at = (strings + word(btf, at)?) as usize;
        Ok(btf.get(name_at..).is_some_and(|rest| {
            rest.starts_with(name.as_bytes()) && rest.get(name.len()) == Some(&0)
        }))
    };
    let mut section = None;
    for &(kind, at) in &types {
        if kind == DATASEC && is_named(at)? {
            section = Some(at);
        }
    }
    let section = section.ok_or_else(|| wrong(&format!("no type of {name}")))?;
    let integer = types.iter().position(|&(kind, _)| kind == INT);
    let integer = integer.and_then(|index| u32::try_from(index + 1).ok());
    let integer = integer.ok_or_else(|| wrong("no integer type"))?;
    let variable = types.get((word(btf, section + 12)? as usize).wrapping_sub(1));
    let &(VAR, variable) = variable.ok_or_else(|| wrong("no such variable"))? else {
        return Err(wrong(&format!("{name} holds no variable")));
    };
    write(btf, section + 20, &size.to_le_bytes())?;
    write(btf, variable + 8, &integer.to_le_bytes())
}

/// Kind and place of each type, from number 1 on.
fn types(btf: &[u8]) -> io::Result<Vec<(u32, usize)>> {
    let mut at = (word(btf, 4)? + word(btf, 8)?) as usize;
    let end = at + word(btf, 12)? as usize;
    let mut types = Vec::new();
    while at < end {
        let info = word(btf, at + 4)?;
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        types.push((kind, at));
        at += 12
            + match kind {
                1 | 14 | 17 => 4,
                3 => 12,
                4 | 5 | 15 | 19 => 12 * count,
                6 | 13 => 8 * count,
                2 | 7..=12 | 16 | 18 => 0,
                _ => return Err(wrong("a type of a kind that nobody knows")),
            };
    }
    Ok(types)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dsrload::object::Spec;

    #[test]
    fn a_table_that_is_resized_is_the_only_thing_that_changes() {
        let mut object = EMBEDDED.to_vec();
        resize(&mut object, section::SLOTS, 4096).expect("there is such a table");
        for &(_, name) in xdp_prog::abi::TABLES
            .iter()
            .filter(|(_, n)| n.starts_with('.'))
        {
            let before = find(EMBEDDED, name).expect(name).length;
            let wanted = if name == section::SLOTS { 4096 } else { before };
            assert_eq!(find(&object, name).expect(name).length, wanted, "{name}");
        }
        let differing = EMBEDDED.iter().zip(&object).filter(|(a, b)| a != b);
        assert!(differing.count() <= 8 + 4 + 4);
    }

    #[test]
    fn settings_are_filled_in_whole_or_not_at_all() {
        let mut object = EMBEDDED.to_vec();
        assert!(fill(&mut object, section::SETTINGS, &[1; 3]).is_err());
        let length = find(&object, section::SETTINGS)
            .expect("it is there")
            .length;
        fill(&mut object, section::SETTINGS, &vec![7; length]).expect("they fit");
        let spec = Spec::parse(&object).expect("it is whole");
        let settings = spec.tables().find(|t| t.name == section::SETTINGS);
        let contents = settings.and_then(|table| table.contents.clone());
        assert_eq!(contents, Some(vec![7; length]));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let mut object = EMBEDDED.to_vec();
        assert!(resize(&mut object, ".bss.nothing", 8).is_err());
        assert!(find(&object[..100], section::SLOTS).is_err());
    }
}
