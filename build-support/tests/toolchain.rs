//! A toolchain that cannot be used is named in one sentence, with the remedy.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use build_support::Toolchain;
use build_support_driver::Program;

const REMEDY: &str = ": set DSR_LIBLLVM=/path/to/libLLVM.so to an LLVM ";

fn program() -> Program {
    Program::new("empty.rs", "#![no_std]\n").expect("a directory")
}

/// Builds; the only line of the error must be this text and the remedy, which
/// names the version that rustc has.
fn refuses(program: &Program, wanted: &str) {
    let outcome = program.build().expect("the driver runs");
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    let said = outcome.stderr;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with(&format!("Error: {wanted}")),
        "{wanted}\nis not\n{said}"
    );
    let (_, remedy) = said.split_once(REMEDY).unwrap_or_else(|| panic!("{said}"));
    let major = llvm_major();
    assert!(remedy.starts_with(&format!("{major} or newer")), "{said}");
    assert!(remedy.contains(&format!("libllvm{major}")), "{said}");
}

fn llvm_major() -> String {
    let asked = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let about = String::from_utf8(asked.stdout).expect("UTF-8");
    let version = about
        .split("LLVM version: ")
        .nth(1)
        .expect("rustc has LLVM");
    version.split('.').next().expect("a number").to_owned()
}

/// Links a shared library of this C source.
fn library(path: &Path, source: &str, flags: &[&str]) {
    let file = path.with_extension("c");
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(&file, source).expect("a source file");
    let mut gcc = Command::new("gcc");
    gcc.args(["-shared", "-fPIC", "-o"])
        .args([path, &file])
        .args(flags);
    assert!(gcc.status().expect("gcc runs").success());
}

/// A rustc that says it is installed in this directory.
fn rustc_in(sysroot: &Path) -> PathBuf {
    fs::create_dir_all(sysroot.join("lib")).expect("a directory");
    let rustc = sysroot.join("rustc");
    let script = format!(
        "#!/bin/sh\n[ \"$*\" = \"--print sysroot\" ] && exec echo {}\nexec rustc \"$@\"\n",
        sysroot.display()
    );
    fs::write(&rustc, script).expect("a script");
    fs::set_permissions(&rustc, PermissionsExt::from_mode(0o755)).expect("it may run");
    rustc
}

#[test]
fn a_named_library_that_does_not_exist_is_refused() {
    let program = program().variable("DSR_LIBLLVM", "/nonexistent/libLLVM.so");
    refuses(
        &program,
        "DSR_LIBLLVM names /nonexistent/libLLVM.so, which does not exist",
    );
}

#[test]
fn a_named_file_that_is_no_library_is_refused() {
    let program = program();
    let file = program.directory().join("libLLVM.so");
    fs::write(&file, "INPUT(libLLVM.so.22.1)\n").expect("a file");
    let wanted = format!("{} cannot be opened (", file.display());
    refuses(&program.variable("DSR_LIBLLVM", &file), &wanted);
}

#[test]
fn a_named_library_that_is_not_llvm_is_refused() {
    let asked = Command::new("gcc")
        .arg("-print-file-name=libc.so.6")
        .output();
    let path = String::from_utf8(asked.expect("gcc runs").stdout).expect("UTF-8");
    let libc = Path::new(path.trim());
    assert!(libc.is_absolute(), "gcc knows no libc.so.6");
    let wanted = format!("{} is not LLVM", libc.display());
    refuses(&program().variable("DSR_LIBLLVM", libc), &wanted);
}

#[test]
fn an_llvm_without_the_bpf_target_is_refused() {
    let program = program();
    let llvm = program.directory().join("libLLVM.so");
    library(&llvm, "void LLVMContextCreate(void) {}\n", &[]);
    let wanted = format!("{} was built without the BPF target", llvm.display());
    refuses(&program.variable("DSR_LIBLLVM", &llvm), &wanted);
}

#[test]
fn an_llvm_that_lacks_a_function_is_refused() {
    let program = program();
    let llvm = program.directory().join("libLLVM.so");
    let source = "void LLVMContextCreate(void) {}\nvoid LLVMInitializeBPFTargetInfo(void) {}\n\
                  void LLVMInitializeBPFTarget(void) {}\nvoid LLVMInitializeBPFTargetMC(void) {}\n\
                  void LLVMInitializeBPFAsmPrinter(void) {}\n";
    library(&llvm, source, &[]);
    let wanted = format!(
        "{} is too old an LLVM (it lacks LLVMGetVersion)",
        llvm.display()
    );
    refuses(&program.variable("DSR_LIBLLVM", &llvm), &wanted);
}

#[test]
fn a_toolchain_without_a_compiler_library_is_refused() {
    let program = program();
    let sysroot = program.directory().join("toolchain");
    let rustc = rustc_in(&sysroot);
    let wanted = format!(
        "there is no librustc_driver-*.so below {}",
        sysroot.join("lib").display()
    );
    refuses(&program.variable("RUSTC", &rustc), &wanted);
}

#[test]
fn a_toolchain_with_llvm_linked_into_it_is_refused() {
    let program = program();
    let sysroot = program.directory().join("toolchain");
    let rustc = rustc_in(&sysroot);
    let driver = sysroot.join("lib/x86_64-linux-gnu/librustc_driver-0123.so");
    library(&driver, "int everything;\n", &[]);
    let wanted = format!("{} has LLVM linked into it", driver.display());
    refuses(&program.variable("RUSTC", &rustc), &wanted);
}

#[test]
fn the_library_that_the_compiler_is_linked_with_is_the_one_that_is_opened() {
    let program = program();
    let sysroot = program.directory().join("toolchain");
    let rustc = rustc_in(&sysroot);
    let llvm = sysroot.join("lib/libLLVM-test.so.1");
    library(&llvm, "int not_llvm;\n", &["-Wl,-soname,libLLVM-test.so.1"]);
    let driver = sysroot.join("lib/librustc_driver-0123.so");
    let link = llvm.to_str().expect("UTF-8");
    library(&driver, "int everything;\n", &["-Wl,--no-as-needed", link]);
    let wanted = format!("{} is not LLVM", llvm.display());
    refuses(&program.variable("RUSTC", &rustc), &wanted);
}

#[test]
fn bitcode_that_llvm_cannot_read_is_refused_with_both_versions() {
    let program = program();
    assert_eq!(program.build().expect("the driver runs").code, Some(0));
    fs::write(program.bitcode(), "no bitcode").expect("the file");
    let outcome = program.emit_unchecked().expect("the driver runs");
    let said = outcome.stderr;
    let version = llvm_major();
    assert!(
        said.starts_with(&format!("Error: LLVM {version}.")),
        "{said}"
    );
    let wanted = format!("cannot read the bitcode of rustc, which has LLVM {version}.");
    assert!(said.contains(&wanted) && said.contains(REMEDY), "{said}");
    assert_eq!((outcome.code, said.lines().count()), (Some(1), 1), "{said}");
}

/// The inspection refuses this one; without it, LLVM gives up.
#[test]
fn what_slips_through_the_inspection_ends_the_build_with_a_sentence() {
    let text = include_str!("bad/a_fence.rs");
    let program = Program::new("a_fence.rs", text).expect("a directory");
    assert_eq!(program.build().expect("the driver runs").code, Some(1));
    let outcome = program.emit_unchecked().expect("the driver runs");
    let wanted = "error: LLVM has no BPF instruction for something in the program";
    assert!(outcome.stderr.starts_with(wanted), "{outcome:?}");
    assert!(outcome.stderr.contains("Cannot select"), "{outcome:?}");
    assert_eq!((outcome.code, outcome.stderr.lines().count()), (Some(1), 1));
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let outcome = program().variable("RUSTC", "/nonexistent/rustc").build();
    let outcome = outcome.expect("the driver runs");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.starts_with("Error: run /nonexistent/rustc"),
        "{outcome:?}"
    );
}

/// A static process has no dynamic linker that could open LLVM. This one is
/// static, as the workspace builds it.
#[test]
fn a_static_process_is_told_why_it_cannot_open_llvm() {
    let toolchain = Toolchain {
        rustc: PathBuf::from("rustc"),
        libllvm: None,
    };
    let opened = toolchain
        .open_llvm()
        .map(|llvm| llvm.version().major.to_string());
    let said = opened.unwrap_or_else(|error| error.to_string());
    if cfg!(target_feature = "crt-static") {
        assert!(
            said.starts_with("this process is linked statically"),
            "{said}"
        );
    } else {
        assert_eq!(said, llvm_major());
    }
}
