//! Programs that cannot run in the kernel stop the build, with the file and the
//! line to change. Each file in `tests/bad` starts with what it expects:
//!
//! ```text
//! //~ TABLE flows                       a static that the loader knows
//! //~ ERROR file.rs:12: text ... more   a finding at this line, with these texts
//! ```
//!
//! All of its errors must be expected, and no process may end by a signal.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use build_support_driver::Program;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad")
}

/// What a file expects.
struct Expected {
    tables: Vec<String>,
    errors: Vec<String>,
}

impl Expected {
    fn of(text: &str) -> Self {
        let marked = |mark| {
            let lines = text.lines().filter_map(move |line| line.strip_prefix(mark));
            lines.map(|rest| rest.trim().to_owned()).collect()
        };
        Self {
            tables: marked("//~ TABLE "),
            errors: marked("//~ ERROR "),
        }
    }
}

/// Whether a line starts with the first of the texts, which ` ... ` separates,
/// and has the others after it in this order.
fn matches(line: &str, texts: &str) -> bool {
    let mut texts = texts.split(" ... ");
    let mut rest = texts.next().and_then(|place| line.strip_prefix(place));
    for text in texts {
        rest = rest
            .and_then(|rest| rest.split_once(text))
            .map(|(_, rest)| rest);
    }
    rest.is_some()
}

fn refuses(name: &str) {
    let file = format!("{name}.rs");
    let text = fs::read_to_string(directory().join(&file)).expect("the program");
    let expected = Expected::of(&text);
    assert!(!expected.errors.is_empty(), "{file} expects no error");
    let program = Program::new(&file, &text).expect("a directory");
    let program = expected
        .tables
        .iter()
        .fold(program, |program, table| program.table(table));
    let outcome = program.build().expect("the driver runs");

    let (heading, findings) = outcome.stderr.split_once('\n').unwrap_or_default();
    assert_eq!(
        (outcome.code, heading),
        (
            Some(1),
            format!("Error: {file} cannot run in the kernel:").as_str()
        ),
        "{}",
        outcome.stderr
    );
    let findings: Vec<&str> = findings.lines().map(str::trim).collect();
    for error in &expected.errors {
        let found = findings.iter().any(|line| matches(line, error));
        assert!(found, "{error}\nis not in\n{}", outcome.stderr);
    }
    assert_eq!(findings.len(), expected.errors.len(), "{}", outcome.stderr);
    assert!(!program.object().exists(), "there is an object nonetheless");
}

/// A test for each file: they have the same names.
macro_rules! refused {
    ($($name:ident)*) => {
        $(#[test] fn $name() { refuses(stringify!($name)); })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

refused! {
    a_bss_table_that_is_not_zero
    a_call_through_a_dyn
    a_call_through_a_function_pointer
    a_comparison_of_floats
    a_comparison_of_variable_length
    a_comparison_that_is_too_long
    a_constant_that_holds_references
    a_conversion_to_a_float
    a_copy_of_variable_length
    a_copy_that_is_too_long
    a_division_of_128_bits
    a_division_that_may_be_by_zero
    a_fence
    a_fill_of_variable_length
    a_float_function
    a_function_of_core_that_is_not_inlined
    a_function_that_nobody_defines
    a_helper_of_six_arguments
    a_helper_whose_number_varies
    a_load_that_acquires
    a_map_that_the_loader_does_not_know
    a_move_that_is_too_long
    a_multiplication_of_128_bits
    a_multiplication_that_checks_for_overflow
    a_panic_in_a_function_that_is_inlined
    a_panic_in_a_subprogram
    a_panic_of_the_program
    a_program_of_too_much_stack
    a_range_that_may_be_out_of_bounds
    a_remainder_that_may_be_by_zero
    a_result_that_may_be_err
    a_shift_of_128_bits
    a_signed_division
    a_signed_division_by_a_constant
    a_static_that_holds_references
    a_static_that_nobody_defines
    a_store_that_releases
    a_subprogram_of_six_arguments
    a_subprogram_of_too_much_stack
    a_subprogram_that_returns_an_option
    a_subprogram_that_takes_a_struct
    an_atomic_addition_of_8_bits
    an_atomic_comparison_of_16_bits
    an_atomic_maximum
    an_atomic_minimum
    an_atomic_nand
    an_atomic_or_of_16_bits
    an_atomic_swap_of_a_bool
    an_index_that_may_be_out_of_bounds
    an_option_that_may_be_none
    float_arithmetic
    inline_assembly
    slices_that_may_differ_in_length
    tables_that_the_loader_does_not_know
    two_panics
    two_that_become_one
}

#[test]
fn every_bad_program_has_a_test() {
    let files: BTreeSet<String> = fs::read_dir(directory())
        .expect("the programs")
        .map(|entry| entry.expect("a program").file_name())
        .map(|name| name.to_string_lossy().trim_end_matches(".rs").to_owned())
        .collect();
    let names: BTreeSet<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(files, names);
}
