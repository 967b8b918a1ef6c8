//! The first look, with `goblin`: is this an ELF object for BPF, and whole?

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{self, Header};
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::{Elf, header::header64::SIZEOF_EHDR};
use goblin::strtab::Strtab;

use super::error::ObjectError;

/// Size of one entry in the table of sections (ELF-64).
const SECTION_HEADER_SIZE: u16 = 64;
/// Size of one relocation without addend (ELF-64), and its alignment.
const RELOCATION_SIZE: u64 = 16;
const RELOCATION_ALIGN: u64 = 8;
/// Section type of compact relocations, which `goblin` does not know yet.
const SHT_CREL: u32 = 0x4000_0014;

/// What files that are not ELF begin with.
const MAGICS: &[(&[u8], &str)] = &[
    (b"MZ", "a PE file (Windows)"),
    (b"!<arch>\n", "an archive; extract the object from it"),
    (b"!<thin>\n", "a thin archive"),
    (b"#!", "a script"),
    (b"BC\xc0\xde", "LLVM bitcode; it is not compiled to BPF yet"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O file (macOS)"),
    (b"\xca\xfe\xba\xbe", "a Mach-O file (macOS)"),
    (b"\0asm", "WebAssembly"),
    (b"\x1f\x8b", "compressed data"),
    (b"\x28\xb5\x2f\xfd", "compressed data"),
    (b"\x9f\xeb", "bare type information (BTF)"),
];

/// Checks magic, machine, class and kind, and that every section lies within
/// the file.
///
/// # Errors
///
/// Says what the bytes are if they are no BPF object, or what is cut off.
pub(super) fn inspect(elf: &[u8]) -> Result<(), ObjectError> {
    let header = file_header(elf)?;
    let sections = section_headers(elf, &header)?;
    let names = section_names(elf, &header, &sections)?;
    let length = elf.len() as u64;
    for section in &sections {
        let name = name_of(&names, section)?;
        let on_disk = section.sh_type != section_header::SHT_NOBITS
            && section.sh_type != section_header::SHT_NULL;
        if on_disk {
            fits(
                length,
                section.sh_offset,
                section.sh_size,
                format!("section {name}"),
            )?;
        }
        check_relocations(&sections, section, name)?;
    }
    Ok(())
}

fn file_header(elf: &[u8]) -> Result<Header, ObjectError> {
    if elf.is_empty() {
        return Err(ObjectError::Empty);
    }
    let magic = &elf[..elf.len().min(header::SELFMAG)];
    if !header::ELFMAG.starts_with(magic) {
        return Err(ObjectError::NotElf { found: guess(elf) });
    }
    fits(
        elf.len() as u64,
        0,
        SIZEOF_EHDR as u64,
        "the ELF header".into(),
    )?;
    let file = Elf::parse_header(elf)
        .map_err(|error| ObjectError::malformed("ELF header", error.to_string()))?;
    if file.e_machine != header::EM_BPF {
        return Err(ObjectError::Machine {
            machine: machine_name(file.e_machine),
        });
    }
    if file.e_ident[header::EI_DATA] != header::ELFDATA2LSB {
        return Err(ObjectError::BigEndian);
    }
    if file.e_ident[header::EI_CLASS] != header::ELFCLASS64 {
        return Err(ObjectError::Class32);
    }
    match file.e_type {
        header::ET_REL => Ok(file),
        header::ET_EXEC | header::ET_DYN => Err(ObjectError::NotRelocatable {
            kind: "a linked program or library",
        }),
        header::ET_CORE => Err(ObjectError::NotRelocatable {
            kind: "a core dump",
        }),
        _ => Err(ObjectError::NotRelocatable {
            kind: "an ELF file of unknown kind",
        }),
    }
}

fn section_headers(elf: &[u8], file: &Header) -> Result<Vec<SectionHeader>, ObjectError> {
    const PLACE: &str = "table of sections";
    if file.e_shoff == 0 || file.e_shnum == 0 {
        return Err(ObjectError::malformed(PLACE, "there is none"));
    }
    if file.e_shentsize != SECTION_HEADER_SIZE {
        return Err(ObjectError::malformed(
            PLACE,
            format!("entries of {} bytes, not 64", file.e_shentsize),
        ));
    }
    let size = u64::from(file.e_shnum) * u64::from(SECTION_HEADER_SIZE);
    fits(elf.len() as u64, file.e_shoff, size, PLACE.into())?;
    let offset = usize::try_from(file.e_shoff)
        .map_err(|error| ObjectError::malformed(PLACE, error.to_string()))?;
    let context = Ctx::new(Container::Big, Endian::Little);
    SectionHeader::parse(elf, offset, usize::from(file.e_shnum), context)
        .map_err(|error| ObjectError::malformed(PLACE, error.to_string()))
}

fn section_names<'a>(
    elf: &'a [u8],
    file: &Header,
    sections: &[SectionHeader],
) -> Result<Strtab<'a>, ObjectError> {
    const PLACE: &str = "names of sections";
    let section = sections
        .get(usize::from(file.e_shstrndx))
        .filter(|section| section.sh_type == section_header::SHT_STRTAB)
        .ok_or_else(|| ObjectError::malformed(PLACE, "there are none"))?;
    fits(
        elf.len() as u64,
        section.sh_offset,
        section.sh_size,
        PLACE.into(),
    )?;
    // `file_range` saturates, and `fits` has bounded both ends by the length.
    let range = section.file_range().unwrap_or_default();
    Strtab::parse(elf, range.start, range.len(), 0)
        .map_err(|error| ObjectError::malformed(PLACE, error.to_string()))
}

fn name_of<'a>(names: &Strtab<'a>, section: &SectionHeader) -> Result<&'a str, ObjectError> {
    if section.sh_type == section_header::SHT_NULL {
        return Ok("");
    }
    names
        .get_at(section.sh_name)
        .ok_or_else(|| ObjectError::malformed("names of sections", "one lies outside of them"))
}

/// Relocations that are not in a form which `object` reads are left out by it
/// without a word, and the code would be loaded unrelocated.
fn check_relocations(
    sections: &[SectionHeader],
    section: &SectionHeader,
    name: &str,
) -> Result<(), ObjectError> {
    let wrong = |reason: &str| Err(ObjectError::malformed(format!("section {name}"), reason));
    match section.sh_type {
        section_header::SHT_REL => {}
        section_header::SHT_RELA | SHT_CREL => {
            return wrong("relocations with addends, which BPF compilers do not write");
        }
        _ => return Ok(()),
    }
    if !section.sh_size.is_multiple_of(RELOCATION_SIZE)
        || !section.sh_offset.is_multiple_of(RELOCATION_ALIGN)
    {
        return wrong("its size or place does not fit relocations");
    }
    let symbols = sections
        .iter()
        .position(|other| other.sh_type == section_header::SHT_SYMTAB);
    if symbols != Some(section.sh_link as usize) {
        return wrong("it does not use the table of symbols");
    }
    if section.sh_info == 0 || section.sh_info as usize >= sections.len() {
        return wrong("it relocates no section");
    }
    Ok(())
}

/// `size` bytes at `offset` lie within the first `length`.
fn fits(length: u64, offset: u64, size: u64, what: String) -> Result<(), ObjectError> {
    let end = offset.saturating_add(size);
    if end <= length {
        return Ok(());
    }
    Err(ObjectError::Truncated { what, end, length })
}

fn guess(bytes: &[u8]) -> &'static str {
    let known = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic));
    if let Some((_, name)) = known {
        return name;
    }
    let head = &bytes[..bytes.len().min(512)];
    let is_text = match std::str::from_utf8(head) {
        Ok(text) => !text.contains(|c: char| c.is_control() && !c.is_whitespace()),
        // Only the last character is incomplete: the cut was made here.
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    if is_text { "text" } else { "unknown data" }
}

fn machine_name(machine: u16) -> String {
    match machine {
        header::EM_X86_64 => "x86-64".into(),
        header::EM_386 => "32-bit x86".into(),
        header::EM_AARCH64 => "aarch64".into(),
        header::EM_ARM => "32-bit ARM".into(),
        header::EM_RISCV => "RISC-V".into(),
        header::EM_PPC64 => "64-bit PowerPC".into(),
        header::EM_S390 => "s390".into(),
        other => format!("machine {other} ({})", header::machine_to_str(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_elf_is_named() {
        for (bytes, found) in [
            (&b"MZ\x90\0"[..], "a PE file (Windows)"),
            (b"#!/bin/sh\n", "a script"),
            (b"hello, world\n", "text"),
            (
                b"BC\xc0\xde\x35",
                "LLVM bitcode; it is not compiled to BPF yet",
            ),
            (b"\x01\x02\x03\x04", "unknown data"),
        ] {
            assert_eq!(inspect(bytes), Err(ObjectError::NotElf { found }));
        }
        assert_eq!(inspect(b""), Err(ObjectError::Empty));
    }

    #[test]
    fn the_head_of_an_elf_file_is_cut_off_not_foreign() {
        let cut = inspect(b"\x7fEL").unwrap_err();
        assert_eq!(
            cut.to_string(),
            "the BPF object is cut off: the ELF header ends at byte 64, the file at byte 3"
        );
    }

    /// An ELF header of 64 bits with nothing behind it.
    fn header_of(data: u8, class: u8, kind: u16, machine: u16) -> [u8; 64] {
        let swap = |value: u16| match data {
            header::ELFDATA2MSB => value.to_be_bytes(),
            _ => value.to_le_bytes(),
        };
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(header::ELFMAG);
        bytes[header::EI_CLASS] = class;
        bytes[header::EI_DATA] = data;
        bytes[16..18].copy_from_slice(&swap(kind));
        bytes[18..20].copy_from_slice(&swap(machine));
        bytes
    }

    #[test]
    fn a_foreign_elf_file_is_refused_by_what_it_is() {
        let (little, big) = (header::ELFDATA2LSB, header::ELFDATA2MSB);
        let (narrow, wide) = (header::ELFCLASS32, header::ELFCLASS64);
        for (bytes, sentence) in [
            (
                header_of(little, wide, header::ET_DYN, header::EM_X86_64),
                "the object is built for x86-64, not for BPF",
            ),
            (
                header_of(big, wide, header::ET_REL, header::EM_MIPS),
                "the object is built for machine 8 (MIPS), not for BPF",
            ),
            (
                header_of(big, wide, header::ET_REL, header::EM_BPF),
                "the object is built for big-endian BPF; only little-endian can be loaded",
            ),
            (
                header_of(little, narrow, header::ET_REL, header::EM_BPF),
                "the BPF object is a 32-bit ELF file; BPF has 64 bits",
            ),
            (
                header_of(little, wide, header::ET_DYN, header::EM_BPF),
                "the BPF object is a linked program or library, \
                 not an object file as a compiler writes it",
            ),
            (
                header_of(little, wide, header::ET_REL, header::EM_BPF),
                "the BPF object is malformed: table of sections: there is none",
            ),
        ] {
            assert_eq!(inspect(&bytes).unwrap_err().to_string(), sentence);
        }
    }
}
