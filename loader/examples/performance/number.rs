//! Numbers as they stand on the page.

/// In place of what was not measured.
pub const NONE: &str = "–";

/// With so many decimals, and commas between thousands.
pub fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = match text.split_once('.') {
        Some((whole, _)) => text.split_at(whole.len()),
        None => (text.as_str(), ""),
    };
    let mut out = String::new();
    // What is rounded to nothing has no sign.
    if value < 0.0 && text.contains(|c: char| ('1'..='9').contains(&c)) {
        out.push('-');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// The same, or a dash.
pub fn cell(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| grouped(value, decimals))
}

/// With three digits at least, whatever the size: for units that differ.
pub fn readable(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    grouped(value, decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_zero_has_no_sign() {
        assert_eq!(grouped(1_234_567.89, 1), "1,234,567.9");
        assert_eq!(grouped(999.96, 1), "1,000.0");
        assert_eq!(grouped(-1234.0, 0), "-1,234");
        assert_eq!(grouped(-0.04, 1), "0.0");
        assert_eq!(grouped(-0.06, 1), "-0.1");
        assert_eq!(cell(None, 1), NONE);
    }

    #[test]
    fn small_numbers_keep_their_digits() {
        assert_eq!(readable(0.0123), "0.012");
        assert_eq!(readable(7.0), "7.00");
        assert_eq!(readable(42.25), "42.2");
        assert_eq!(readable(35_120.4), "35,120");
    }
}
