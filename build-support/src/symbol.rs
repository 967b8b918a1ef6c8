//! Names of the symbol table, made readable.

/// `core::panicking::panic_bounds_check` for a mangled Rust symbol, of the old
/// or the new kind; other names, and what the new kind says beyond plain paths,
/// stay as they are.
pub fn readable(symbol: &str) -> String {
    legacy(symbol)
        .or_else(|| current(symbol))
        .unwrap_or_else(|| symbol.to_owned())
}

/// `_ZN`, then each part of the path with its length in front, `E`; the last
/// part is a hash.
fn legacy(symbol: &str) -> Option<String> {
    let mut rest = symbol.strip_prefix("_ZN")?;
    let mut parts = Vec::new();
    while !rest.starts_with('E') {
        let (part, after) = identifier(rest)?;
        parts.push(unescape(part));
        rest = after;
    }
    if parts.last().is_some_and(|last| is_hash(last)) {
        parts.pop();
    }
    Some(parts.join("::"))
}

/// A decimal length and as many bytes; and what follows.
fn identifier(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let length: usize = text.get(..digits)?.parse().ok()?;
    text.get(digits..)?.split_at_checked(length)
}

fn is_hash(part: &str) -> bool {
    part.len() == 17 && part.starts_with('h') && part[1..].bytes().all(|c| c.is_ascii_hexdigit())
}

/// Characters that no linker takes stand as `$LT$`, `..` and the like.
fn unescape(part: &str) -> String {
    const ESCAPES: [(&str, &str); 10] = [
        ("$LT$", "<"),
        ("$GT$", ">"),
        ("$RF$", "&"),
        ("$BP$", "*"),
        ("$LP$", "("),
        ("$RP$", ")"),
        ("$C$", ","),
        ("$u7b$", "{"),
        ("$u7d$", "}"),
        ("$u20$", " "),
    ];
    let mut text = part
        .strip_prefix("_$")
        .map_or_else(|| part.to_owned(), |escaped| format!("${escaped}"));
    for (escape, character) in ESCAPES {
        text = text.replace(escape, character);
    }
    text.replace("..", "::")
}

/// `_R`, then the path from the inside out: `NvNtC4core9panicking5panic`.
fn current(symbol: &str) -> Option<String> {
    let (path, _) = nested(symbol.strip_prefix("_R")?)?;
    Some(path)
}

fn nested(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('C') {
        let (name, rest) = disambiguated(rest)?;
        return Some((name.to_owned(), rest));
    }
    // One letter tells the kind of thing that is named.
    let rest = text.strip_prefix('N')?.get(1..)?;
    let (parent, rest) = nested(rest)?;
    let (name, rest) = disambiguated(rest)?;
    Some((format!("{parent}::{name}"), rest))
}

fn disambiguated(text: &str) -> Option<(&str, &str)> {
    let text = match text.strip_prefix('s') {
        Some(number) => number.split_once('_')?.1,
        None => text,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (length, rest) = text.split_at_checked(digits)?;
    // The underscore keeps a name that starts with a digit apart from it.
    let rest = rest.strip_prefix('_').unwrap_or(rest);
    rest.split_at_checked(length.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_mangled_name_reads_as_a_path_without_its_hash() {
        assert_eq!(
            readable("_ZN4core9panicking18panic_bounds_check17h0123456789abcdefE"),
            "core::panicking::panic_bounds_check"
        );
        assert_eq!(
            readable(
                "_ZN48_$LT$xdp_prog..Flow$LT$A$GT$$u20$as$u20$Hash$GT$4hash17h0123456789abcdefE"
            ),
            "<xdp_prog::Flow<A> as Hash>::hash"
        );
    }

    #[test]
    fn a_new_mangled_name_reads_as_a_path() {
        assert_eq!(
            readable("_RNvNtCs1234abcd_4core9panicking18panic_bounds_check"),
            "core::panicking::panic_bounds_check"
        );
    }

    #[test]
    fn other_names_stay_as_they_are() {
        for name in [
            "memcpy",
            "_ZNfoo",
            "_ZN9999xE",
            "_RINvC4core3foojE",
            "_R",
            "",
        ] {
            assert_eq!(readable(name), name);
        }
    }
}
