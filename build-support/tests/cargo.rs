//! What a build tells Cargo and asks of rustc.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use build_support_driver::{Outcome, Program};

fn built(program: &Program) -> Outcome {
    let outcome = program.build().expect("the driver runs");
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    outcome
}

#[test]
fn cargo_learns_every_file_and_variable_that_the_object_depends_on() {
    let text = "#![no_std]\npub mod abi;\npub const SEED: Option<&str> = option_env!(\"SEED\");\n";
    let program = Program::new("xdp-prog/src/lib.rs", text).expect("a directory");
    let source = program.directory().join("xdp-prog/src");
    fs::write(source.join("abi.rs"), "pub const VERSION: u32 = 1;\n").expect("a module");
    let outcome = built(&program);
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort_unstable();
    let file = |name| format!("cargo::rerun-if-changed={}", source.join(name).display());
    assert_eq!(
        lines,
        [
            file("abi.rs").as_str(),
            file("lib.rs").as_str(),
            "cargo::rerun-if-env-changed=DSR_LIBLLVM",
            "cargo::rerun-if-env-changed=SEED",
        ]
    );
}

#[test]
fn the_flags_of_the_loaders_build_do_not_reach_the_program() {
    let program = Program::new("empty.rs", "#![no_std]\n").expect("a directory");
    let rustc = program.directory().join("rustc");
    let script = "#!/bin/sh\nenv | grep -E '^(CARGO_ENCODED_RUSTFLAGS|RUSTFLAGS|\
                  RUSTC_WRAPPER|RUSTC_WORKSPACE_WRAPPER|TARGET)=' >&2 && exit 1\n\
                  exec rustc \"$@\"\n";
    fs::write(&rustc, script).expect("a script");
    fs::set_permissions(&rustc, PermissionsExt::from_mode(0o755)).expect("it may run");
    let program = program
        .variable("RUSTC", &rustc)
        .variable("TARGET", "x86_64-unknown-linux-musl")
        .variable("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .variable("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .variable("RUSTC_WRAPPER", "sccache")
        .variable("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    built(&program);
}

#[test]
fn the_program_is_compiled_with_cfg_bpf() {
    let text = "#![no_std]\n#[cfg(not(bpf))]\ncompile_error!(\"for the host\");\n\
                #[cfg(test)]\ncompile_error!(\"for a test\");\n";
    built(&Program::new("cfg.rs", text).expect("a directory"));
}

/// Cargo.toml sets the levels of lints for the host's build alone: what code
/// expects of them cannot be met here.
#[test]
fn an_expectation_of_a_lint_of_the_workspace_is_no_error() {
    let text = "#![no_std]\n#[expect(missing_docs, reason = \"a test\")]\npub fn plain() {}\n";
    built(&Program::new("expects.rs", text).expect("a directory"));
}

#[test]
fn a_warning_is_an_error_with_its_file_and_line() {
    let text = "#![no_std]\n\npub fn first(a: u64, unused: u64) -> u64 {\n    a\n}\n";
    let program = Program::new("xdp-prog/src/lib.rs", text).expect("a directory");
    let outcome = program.build().expect("the driver runs");
    assert_eq!(outcome.code, Some(1));
    let said = outcome.stderr;
    let heading = "Error: xdp-prog/src/lib.rs does not compile for BPF:\n";
    assert!(said.starts_with(heading), "{said}");
    assert!(said.contains("unused variable: `unused`"), "{said}");
    assert!(said.contains("--> xdp-prog/src/lib.rs:3:22"), "{said}");
}

#[test]
fn an_unknown_configuration_is_an_error() {
    let text = "#![no_std]\n#[cfg(bfp)]\npub mod kernel;\n";
    let outcome = Program::new("typo.rs", text).expect("a directory").build();
    let outcome = outcome.expect("the driver runs");
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome
            .stderr
            .contains("unexpected `cfg` condition name: `bfp`"),
        "{outcome:?}"
    );
}
