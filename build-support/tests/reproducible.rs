//! The same source makes the same object: at another time, in another
//! directory, with another set of installed components.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use build_support_driver::Program;

const BALANCER: &str = include_str!("good/balancer.rs");
const CRATE_ROOT: &str = "xdp-prog/src/lib.rs";

fn balancer() -> Program {
    balancer_in("")
}

/// The program, in a directory below its own: `dsr/`.
fn balancer_in(directory: &str) -> Program {
    let file = format!("{directory}{CRATE_ROOT}");
    let program = Program::new(&file, BALANCER).expect("a directory");
    let tables = ["BACKENDS", "SLOTS", "SETTINGS"];
    tables
        .iter()
        .fold(program, |program, table| program.table(table))
}

fn object(program: &Program) -> Vec<u8> {
    let outcome = program.build().expect("the driver runs");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    fs::read(program.object()).expect("the object")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn sysroot() -> PathBuf {
    let asked = Command::new("rustc").args(["--print", "sysroot"]).output();
    let answer = String::from_utf8(asked.expect("rustc runs").stdout).expect("UTF-8");
    PathBuf::from(answer.trim())
}

#[test]
fn another_directory_makes_the_same_object() {
    let elsewhere = balancer_in("a/much/longer/path/to/it/");
    let (first, second) = (object(&balancer()), object(&elsewhere));
    assert!(first == second, "the objects differ");
}

#[test]
fn an_object_holds_no_path_of_the_machine() {
    let program = balancer();
    let object = object(&program);
    assert!(contains(&object, CRATE_ROOT), "but that of the source");
    let sysroot = sysroot();
    for path in [program.directory(), &sysroot, Path::new("/rustc/")] {
        let path = path.to_str().expect("UTF-8");
        assert!(!contains(&object, path), "it holds {path}");
    }
}

#[test]
fn a_path_that_the_source_asks_for_is_refused() {
    let text = format!(
        "{BALANCER}\n#[unsafe(no_mangle)]\n#[unsafe(link_section = \"xdp\")]\n\
         extern \"C\" fn leak(context: &Context) -> u8 {{\n    \
         env!(\"BUILT_IN\").as_bytes()[context.data as usize & 7]\n}}\n"
    );
    let program = Program::new(CRATE_ROOT, &text).expect("a directory");
    let directory = program.directory().to_owned();
    let program = ["BACKENDS", "SLOTS", "SETTINGS"]
        .iter()
        .fold(program, |program, table| program.table(table))
        .variable("BUILT_IN", &directory);
    let outcome = program.build().expect("the driver runs");
    let wanted = format!(
        "Error: .rodata would hold the path {} of this machine\n",
        directory.display()
    );
    assert_eq!((outcome.code, outcome.stderr), (Some(1), wanted));
}

/// Rustup can install the source of the standard library. Then rustc names its
/// files by where they are, and LLVM would quote them.
#[test]
fn the_source_of_the_standard_library_changes_nothing() {
    let program = balancer();
    let without = object(&program);
    let sysroot = sysroot_with_source(program.directory());
    let rustc = program.directory().join("rustc");
    let script = format!(
        "#!/bin/sh\nexec rustc --sysroot {} \"$@\"\n",
        sysroot.display()
    );
    fs::write(&rustc, script).expect("a script");
    fs::set_permissions(&rustc, PermissionsExt::from_mode(0o755)).expect("it may run");
    let with = object(&program.variable("RUSTC", &rustc));
    assert!(without == with, "the objects differ");
}

/// The installed toolchain, by links, and files in the place of the source.
fn sysroot_with_source(directory: &Path) -> PathBuf {
    let (real, copy) = (sysroot(), directory.join("sysroot"));
    let link_all = |inside: &str, except: &str| {
        fs::create_dir_all(copy.join(inside)).expect("a directory");
        for entry in fs::read_dir(real.join(inside)).expect("the toolchain") {
            let name = entry.expect("a file").file_name();
            if name != except {
                let path = Path::new(inside).join(&name);
                symlink(real.join(&path), copy.join(&path)).expect("a link");
            }
        }
    };
    link_all("lib", "rustlib");
    link_all("lib/rustlib", "src");
    let library = copy.join("lib/rustlib/src/rust/library");
    for file in [
        "std/src/lib.rs",
        "core/src/lib.rs",
        "core/src/sync/atomic.rs",
    ] {
        let file = library.join(file);
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        fs::write(file, "// a line of the library\n".repeat(5000)).expect("a file");
    }
    copy
}
