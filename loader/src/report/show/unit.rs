//! Numbers for people: with units, and no more digits than are read.

/// From here on a number has a unit.
const LONG: u64 = 100_000;

const UNITS: [(u64, &str); 5] = [
    (1_000_000_000_000_000, "P"),
    (1_000_000_000_000, "T"),
    (1_000_000_000, "G"),
    (1_000_000, "M"),
    (1_000, "k"),
];

/// A count: whole up to 99,999, else three digits and a unit of a thousand.
pub fn count(number: u64) -> String {
    if number < LONG {
        return number.to_string();
    }
    with_unit(number)
}

/// Bytes.
pub fn bytes(number: u64) -> String {
    if number < LONG {
        return format!("{number} B");
    }
    format!("{}B", with_unit(number))
}

/// A rate in a second; small ones to a tenth.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate that is not negative, and is cut to a whole number"
)]
pub fn rate(rate: f64, unit: &str) -> String {
    let space = if unit.is_empty() { "" } else { " " };
    match rate {
        0.0 => format!("0{space}{unit}"),
        _ if rate < 100.0 => format!("{rate:.1}{space}{unit}"),
        _ if unit == "B" => bytes(rate as u64),
        _ => count(rate as u64),
    }
}

fn with_unit(number: u64) -> String {
    let (unit, name) = UNITS
        .into_iter()
        .find(|(unit, _)| number >= *unit)
        .unwrap_or((1, ""));
    let whole = number / unit;
    let rest = number % unit;
    match whole {
        0..10 => format!("{whole}.{:02} {name}", rest * 100 / unit),
        10..100 => format!("{whole}.{} {name}", rest * 10 / unit),
        _ => format!("{whole} {name}"),
    }
}

/// A time in seconds, in its largest unit but for a rest.
pub fn seconds(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A share of a whole in percent.
pub fn share(part: usize, whole: usize) -> String {
    let tenths = (part * 1_000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_until_they_are_long() {
        assert_eq!(count(0), "0");
        assert_eq!(count(99_999), "99999");
        assert_eq!(count(123_456), "123 k");
        assert_eq!(count(1_234_567), "1.23 M");
        assert_eq!(count(99_900_000_000), "99.9 G");
        assert_eq!(count(u64::MAX), "18446 P");
        assert_eq!(bytes(1_500), "1500 B");
        assert_eq!(bytes(1_500_000), "1.50 MB");
    }

    #[test]
    fn rates_below_a_hundred_have_a_tenth() {
        assert_eq!(rate(0.0, ""), "0");
        assert_eq!(rate(0.5, ""), "0.5");
        assert_eq!(rate(0.0, "B"), "0 B");
        assert_eq!(rate(99.9, "B"), "99.9 B");
        assert_eq!(rate(123_456.7, "B"), "123 kB");
    }

    #[test]
    fn times_and_shares_are_short() {
        assert_eq!(seconds(119), "119s");
        assert_eq!(seconds(130), "2m10s");
        assert_eq!(seconds(7_260), "2h01m");
        assert_eq!(share(1, 3), "33.3%");
        assert_eq!(share(3, 3), "100.0%");
        assert_eq!(share(1, 0), "0.0%");
    }
}
