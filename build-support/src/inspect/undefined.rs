//! Uses of functions and statics that are not part of the program: the panics
//! of `core`, and whatever else would have to be linked.

use crate::llvm::code::users_of;
use crate::llvm::handle::Function;
use crate::symbol::readable;

use super::Rules;
use super::finding::Finding;
use super::position::positions;

/// Functions that become instructions, if their third argument, a length, is
/// constant and not too large. The optimizer has done what can be done.
const EXPANDED: [&str; 5] = ["bcmp", "memcmp", "memcpy", "memmove", "memset"];

/// Every use of a function that is only declared.
pub fn uses(function: Function<'_>, never_returns: bool, rules: &Rules) -> Vec<Finding> {
    let name = function.name();
    // LLVM's own functions are instructions.
    if name.starts_with("llvm.") {
        return Vec::new();
    }
    let what = if EXPANDED.contains(&name.as_str()) {
        too_long(&name)
    } else if never_returns {
        panic(&name)
    } else {
        missing(&name)
    };
    let (users, _) = users_of(function);
    users
        .into_iter()
        .flat_map(|user| positions(user, rules.sources).at(&what))
        .collect()
}

/// About a copy or a comparison that is not expanded.
pub fn too_long(name: &str) -> String {
    format!(
        "a {name} of a length that is large, or known at run time only: BPF has no such function, \
         take a short constant length, or a loop"
    )
}

/// About a function or a static that is not there.
pub fn missing(symbol: &str) -> String {
    let name = readable(symbol);
    if name.starts_with("core::") {
        format!("`{name}` is not inlined, and BPF programs are not linked with `core`")
    } else {
        format!("`{name}` is not defined in the program, and nothing is linked to it")
    }
}

/// About a function that is not there and never returns: those are `core`'s.
fn panic(symbol: &str) -> String {
    let name = readable(symbol);
    let reason = panic_reason(&name);
    format!("a panic is reachable: {reason} (`{name}`), and BPF programs cannot panic")
}

fn panic_reason(name: &str) -> &'static str {
    let inside = name.strip_prefix("core::").unwrap_or(name);
    match inside.rsplit_once("::").unwrap_or(("", inside)) {
        (_, "panic_bounds_check") => "an index may be out of bounds",
        (_, "panic_const_div_by_zero") => "a division may be by zero",
        (_, "panic_const_rem_by_zero") => "a remainder may be by zero",
        (_, name) if name.starts_with("panic_const") => "a calculation may overflow",
        (_, name) if name.contains("len_mismatch") => "two slices may differ in length",
        (module, _) if module.starts_with("slice") => "a range may be out of bounds",
        ("option", _) => "an Option may be None",
        ("result", _) => "a Result may be Err",
        _ => "it is called",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_named_by_its_reason() {
        for (symbol, reason) in [
            (
                "_ZN4core9panicking18panic_bounds_check17h0123456789abcdefE",
                "an index may be out of bounds",
            ),
            (
                "_RNvNtNtCs1_4core9panicking11panic_const23panic_const_div_by_zero",
                "a division may be by zero",
            ),
            (
                "_ZN4core6option13unwrap_failed17h0123456789abcdefE",
                "an Option may be None",
            ),
            (
                "_ZN4core6result13unwrap_failed17h0123456789abcdefE",
                "a Result may be Err",
            ),
        ] {
            let said = panic(symbol);
            assert!(said.contains(reason), "{symbol}: {said}");
        }
    }

    #[test]
    fn another_function_is_named_itself() {
        assert!(missing("strlen").starts_with("`strlen` is not defined in the program"));
        let inside = missing("_RNvNtNtCs1_4core3str8converts9from_utf8");
        assert!(inside.starts_with("`core::str::converts::from_utf8` is not inlined"));
    }
}
