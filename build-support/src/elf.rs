//! The last step: the object that LLVM wrote becomes the one that is loaded.

use anyhow::{Context, Result, ensure};
use object::build::elf::{Builder, SectionData};
use object::elf;

use crate::btf;
use crate::sources::Sources;

/// Repairs the BTF of an object, drops what only a debugger reads, and refuses
/// what no loader could load.
pub fn finish(object: &[u8], sources: &Sources) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("read the object that LLVM wrote")?;
    refuse_addresses_in_data(&builder)?;
    refuse_undefined_symbols(&builder)?;
    refuse_path_of_the_build(&builder, sources)?;
    repair_type_information(&mut builder, sources)?;
    for section in &mut builder.sections {
        let name = section.name.to_string();
        section.delete = is_for_debuggers(&name) || is_done(&name);
    }
    separate_section_names(&mut builder);
    let mut finished = Vec::new();
    builder
        .write(&mut finished)
        .context("write the finished object")?;
    Ok(finished)
}

/// Relocations of type information: sections begin at 0, so what is there
/// already is what they would make of it. Loaders take offsets in tables from
/// the symbols.
fn is_done(section: &str) -> bool {
    section.starts_with(".rel.BTF")
}

fn is_for_debuggers(section: &str) -> bool {
    let section = section.strip_prefix(".rel").unwrap_or(section);
    section.starts_with(".debug") || [".eh_frame", ".llvm_addrsig"].contains(&section)
}

fn repair_type_information(builder: &mut Builder<'_>, sources: &Sources) -> Result<()> {
    let exported: Vec<String> = builder
        .symbols
        .iter()
        .filter(|symbol| symbol.st_bind() == elf::STB_GLOBAL)
        .map(|symbol| symbol.name.to_string())
        .collect();
    // A crate without a program, as in a test, has no type information.
    let Some(types) = data(builder, ".BTF").cloned() else {
        return Ok(());
    };
    let lines = data(builder, ".BTF.ext").context("there is no section .BTF.ext")?;
    let types = btf::repair(&types, lines, &exported, sources)?;
    if let Some(data) = data(builder, ".BTF") {
        *data = types;
    }
    Ok(())
}

/// The bytes of a section.
fn data<'b>(builder: &'b mut Builder<'_>, name: &str) -> Option<&'b mut Vec<u8>> {
    let mut sections = builder.sections.iter_mut();
    let section = sections.find(|section| section.name.as_slice() == name.as_bytes())?;
    match &mut section.data {
        SectionData::Data(bytes) => Some(bytes.to_mut()),
        _ => None,
    }
}

/// Data becomes the content of maps as it is: an address in it would be null.
/// The inspection has found these with their lines, this is to be sure.
fn refuse_addresses_in_data(builder: &Builder<'_>) -> Result<()> {
    for section in &builder.sections {
        let name = section.name.to_string();
        ensure!(
            ![".rel.rodata", ".rel.data", ".rel.bss"]
                .iter()
                .any(|family| name.starts_with(family)),
            "{name}: static data holds an address, which would be null in the kernel"
        );
    }
    Ok(())
}

/// Nothing is linked to the object. The inspection has found these with their
/// lines, too.
fn refuse_undefined_symbols(builder: &Builder<'_>) -> Result<()> {
    for symbol in &builder.symbols {
        let name = symbol.name.to_string();
        ensure!(
            symbol.section.is_some() || symbol.st_shndx != elf::SHN_UNDEF || name.is_empty(),
            "the program uses `{name}`, which nothing defines"
        );
    }
    Ok(())
}

/// The same source makes the same object wherever it is built. The type
/// information does not name the directory of the build any more, so that only
/// the program's own data can: what `env!` gave it.
fn refuse_path_of_the_build(builder: &Builder<'_>, sources: &Sources) -> Result<()> {
    let root = sources.root().as_os_str().as_encoded_bytes();
    for section in &builder.sections {
        let is_data = section.sh_flags & u64::from(elf::SHF_ALLOC) != 0;
        let SectionData::Data(bytes) = &section.data else {
            continue;
        };
        // A root as short as `/` or `/a` is part of other strings.
        let found = root.len() > 3 && bytes.windows(root.len()).any(|window| window == root);
        ensure!(
            !(is_data && found),
            "{} would hold the path {} of this machine",
            section.name,
            sources.root().display()
        );
    }
    Ok(())
}

/// LLVM keeps the names of sections among those of symbols; the writer wants
/// them apart.
fn separate_section_names(builder: &mut Builder<'_>) {
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = elf::SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_for_debuggers_go_and_btf_stays() {
        for section in [
            ".debug_info",
            ".rel.debug_line",
            ".eh_frame",
            ".rel.eh_frame",
        ] {
            assert!(is_for_debuggers(section), "{section}");
        }
        for section in [
            ".BTF",
            ".BTF.ext",
            ".rel.BTF.ext",
            "xdp",
            ".relxdp",
            ".text",
        ] {
            assert!(!is_for_debuggers(section), "{section}");
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
        let sources = Sources::of(manifest.as_ref()).expect("this crate");
        for object in [&b""[..], b"\x7fELF", &[0; 64]] {
            assert!(finish(object, &sources).is_err());
        }
    }
}
