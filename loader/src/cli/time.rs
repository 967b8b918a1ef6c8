//! Times, as typed.

use crate::config::quantity::Period;
use std::time::Duration;

/// A time such as `90s`, `10m` or `250ms`; a plain number is seconds.
///
/// # Errors
///
/// A sentence that says what is wrong with the text.
pub fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    text.parse()
        .map(|Period(ms)| Duration::from_millis(ms))
        .map_err(|error| format!("{error}, nor a number of seconds"))
}

/// The time between two looks, which is long enough to tell a rate.
///
/// # Errors
///
/// As [`time`]; it is too short.
pub fn interval(text: &str) -> Result<Duration, String> {
    let interval = time(text)?;
    if interval < Duration::from_millis(100) {
        return Err(format!("'{text}' is too short: 100ms is the least"));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_is_seconds_and_all_else_has_a_unit() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "-1", "1.5", "eth0", "99999999999", "1 s"] {
            let error = time(text).expect_err(text);
            assert!(error.contains("number of seconds"), "{error}");
        }
    }

    #[test]
    fn an_interval_is_long_enough_for_a_rate() {
        assert_eq!(interval("100ms"), Ok(Duration::from_millis(100)));
        assert!(interval("0").is_err() && interval("99ms").is_err());
    }
}
