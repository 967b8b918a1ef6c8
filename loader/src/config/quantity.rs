//! Numbers with units: counts and times.

use std::fmt;
use std::str::FromStr;

/// What a number is multiplied by for each suffix. Longer ones first.
const MULTIPLES: [(&str, u64); 4] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("k", 1_000),
    ("M", 1_000_000),
];

/// Milliseconds in each unit of time. Longer names first.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// A count with a suffix, such as `64k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, factor) = split(text, &MULTIPLES).ok_or_else(|| {
            format!("'{text}' is no number with k (1,000), M (1,000,000), Ki (1,024) or Mi")
        })?;
        multiply(number, factor)
            .map(Self)
            .ok_or_else(|| format!("'{text}' is more than can be counted"))
    }
}

/// A length of time in milliseconds, such as `250ms` or `10m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub u64);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, factor) = split(text, &UNITS)
            .ok_or_else(|| format!("'{text}' is no time such as 250ms, 30s, 10m or 1h"))?;
        multiply(number, factor)
            .map(Self)
            .ok_or_else(|| format!("'{text}' is longer than can be counted"))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, length) = UNITS
            .into_iter()
            .rev()
            .find(|(_, length)| self.0 != 0 && self.0.is_multiple_of(*length))
            .unwrap_or(("s", 1_000));
        write!(out, "{}{unit}", self.0 / length)
    }
}

/// The digits of `text` and what its suffix stands for; none without either.
fn split<'a>(text: &'a str, suffixes: &[(&str, u64)]) -> Option<(&'a str, u64)> {
    let mut found = suffixes
        .iter()
        .filter_map(|&(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)));
    found.find(|(digits, _)| {
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(is_digit)
    })
}

fn multiply(digits: &str, factor: u64) -> Option<u64> {
    let digits = digits.replace('_', "");
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_times_its_suffix() {
        for (text, count) in [
            ("64k", 64_000),
            ("64Ki", 65_536),
            ("1M", 1_000_000),
            ("4Mi", 4_194_304),
            ("1_000k", 1_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Count(count)), "{text}");
        }
        for text in [
            "",
            "k",
            "64",
            "64K",
            "1.5k",
            "-1k",
            "+1k",
            "_k",
            "1 k",
            "99999999999999M",
        ] {
            assert!(text.parse::<Count>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_read_and_written_alike() {
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("90s", 90_000),
            ("0s", 0),
        ] {
            let period: Period = text.parse().expect(text);
            assert_eq!((period.0, period.to_string().as_str()), (ms, text));
        }
        for text in [
            "",
            "s",
            "30",
            "30 s",
            "1.5s",
            "-1s",
            "1d",
            "1us",
            "9999999999999999h",
        ] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }
}
