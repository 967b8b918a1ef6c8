use super::*;

/// A section `.BTF` with these types, each a list of words, and these strings,
/// which start at 1, 1 + the length of the first + 1, ...
fn section(types: &[&[u32]], strings: &[&str]) -> Vec<u8> {
    let strings = format!("\0{}\0", strings.join("\0"));
    let types = bytes(&types.concat());
    let length = |part: usize| u32::try_from(part).expect("a short section");
    let mut section = vec![0x9f, 0xeb, 1, 0];
    section.extend(bytes(&[
        24,
        0,
        length(types.len()),
        length(types.len()),
        length(strings.len()),
    ]));
    section.extend(types);
    section.extend(strings.as_bytes());
    section
}

/// A section `.BTF.ext` for code in one section, whose name is at `name`: no
/// functions, and lines, each a place, a file, a text and a column.
fn lines(name: u32, records: &[[u32; 4]]) -> Vec<u8> {
    let count = u32::try_from(records.len()).expect("few records");
    let length = if count == 0 { 0 } else { 12 + 16 * count };
    let mut section = vec![0x9f, 0xeb, 1, 0];
    section.extend(bytes(&[32, 0, 0, 0, length, length, 0]));
    if count > 0 {
        section.extend(bytes(&[16, name, count]));
        section.extend(bytes(records.as_flattened()));
    }
    section
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn sources() -> Sources {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs");
    Sources::of(manifest.as_ref()).expect("this crate")
}

fn repaired(types: &[&[u32]], strings: &[&str], exported: &[&str]) -> Vec<u8> {
    let exported: Vec<String> = exported.iter().map(|name| (*name).to_owned()).collect();
    let section = section(types, strings);
    repair(&section, &mut lines(0, &[]), &exported, &sources()).expect("a valid section")
}

fn strings_of(section: &[u8]) -> String {
    let start = 24 + word(section, 16).expect("a header");
    String::from_utf8_lossy(&section[start..]).into_owned()
}

const STRUCT_OF_ONE: u32 = 4 << 24 | 1;
const STRUCT: &[u32] = &[1, STRUCT_OF_ONE, 4, 13, 1, 0];

#[test]
fn names_become_c_identifiers_those_of_members_too() {
    let section = repaired(&[STRUCT], &["Option<u32>", "0"], &[]);
    assert_eq!(strings_of(&section), "\0Option_u32_\0_\0");
}

#[test]
fn a_pointer_loses_its_name_and_keeps_what_it_points_to() {
    let section = repaired(&[&[1, 2 << 24, 7]], &["*const u32"], &[]);
    assert_eq!(section[24..36], bytes(&[0, 2 << 24, 7]));
    assert_eq!(strings_of(&section), "\0", "nobody names it");
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
    assert_eq!(strings_of(&section), format!("\0{}\0", "a".repeat(127)));
}

#[test]
fn a_section_of_data_keeps_its_name() {
    let section = repaired(&[&[1, 15 << 24, 0]], &[".maps"], &[]);
    assert_eq!(strings_of(&section), "\0.maps\0");
}

#[test]
fn files_are_named_without_the_directory_of_the_build_and_lines_are_kept() {
    let root = sources().root().join("xdp-prog/src/lib.rs");
    let path = root.to_str().expect("UTF-8");
    let library = "/rustc/5980/library/core/src/cell.rs";
    let strings = ["xdp", path, library, path, "/opt/made.rs"];
    let at = |index: usize| {
        let before: usize = strings[..index].iter().map(|string| string.len() + 1).sum();
        u32::try_from(1 + before).expect("short strings")
    };
    let records = [[0, at(1), at(3), 9], [8, at(2), 0, 0], [16, at(4), 0, 0]];
    let mut ext = lines(at(0), &records);
    let section = section(&[], &strings);
    let section = repair(&section, &mut ext, &[], &sources()).expect("valid sections");
    let wanted = [
        "",
        "xdp",
        "xdp-prog/src/lib.rs",
        path,
        "library/core/src/cell.rs",
        "made.rs",
        "",
    ];
    assert_eq!(strings_of(&section), wanted.join("\0"));
    let at = |name: &str| {
        let text = strings_of(&section);
        u32::try_from(text.find(&format!("\0{name}\0")).expect(name) + 1).expect("short")
    };
    let records = [
        [0, at(wanted[2]), at(path), 9],
        [8, at(wanted[4]), 0, 0],
        [16, at(wanted[5]), 0, 0],
    ];
    assert_eq!(ext, lines(at("xdp"), &records));
}

#[test]
fn a_name_and_a_line_that_read_alike_are_changed_apart() {
    let section = section(&[&[1, 8 << 24, 1]], &["a<b"]);
    let mut ext = lines(0, &[[0, 0, 1, 0]]);
    let section = repair(&section, &mut ext, &[], &sources()).expect("valid sections");
    assert_eq!(strings_of(&section), "\0a_b\0a<b\0");
    assert_eq!(ext, lines(0, &[[0, 0, 5, 0]]));
}

#[test]
fn a_section_that_is_cut_off_is_an_error() {
    let whole = section(&[STRUCT], &["Option<u32>", "0"]);
    for length in 0..whole.len() {
        let cut = repair(&whole[..length], &mut lines(0, &[]), &[], &sources());
        assert!(cut.is_err(), "{length} bytes");
    }
    let mut ext = lines(0, &[[0, 0, 1, 0]]);
    for length in 0..ext.len() {
        let cut = repair(&whole, &mut ext[..length], &[], &sources());
        assert!(cut.is_err(), "{length} bytes of .BTF.ext");
    }
}
