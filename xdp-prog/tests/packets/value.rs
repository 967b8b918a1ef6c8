//! The values of a fixture's directives, from text.

use super::fixture::{Bucket, Known, Target};
use xdp_prog::abi::Outcome;

/// An outcome, by its name.
pub fn outcome(name: &str) -> Result<Outcome, String> {
    let found = Outcome::ALL.iter().find(|outcome| outcome.name() == name);
    found
        .copied()
        .ok_or_else(|| format!("no outcome is called '{name}'"))
}

/// Actions by their numbers (`enum xdp_action`).
const ACTIONS: [&str; 5] = ["aborted", "drop", "pass", "tx", "redirect"];

/// The name of an XDP action.
pub fn action_name(action: u32) -> String {
    let name = ACTIONS
        .iter()
        .zip(0..)
        .find(|(_, number)| *number == action);
    name.map_or_else(
        || format!("action {action}"),
        |(name, _)| (*name).to_owned(),
    )
}

/// An XDP action, by its name.
pub fn action(name: &str) -> Result<u32, String> {
    let found = ACTIONS.iter().zip(0..).find(|(action, _)| **action == name);
    found
        .map(|(_, number)| number)
        .ok_or_else(|| format!("no action is called '{name}'"))
}

/// `3`, or `3 age 1`.
pub fn known(value: &str) -> Result<Known, String> {
    let (destination, age) = match value.split_once(" age ") {
        Some((destination, age)) => (destination, number(age)?),
        None => (value, 0),
    };
    Ok(Known {
        destination: number(destination)?,
        age,
    })
}

/// What is in the other places of a bucket.
pub fn bucket(value: &str) -> Result<Bucket, String> {
    match value {
        "free" => Ok(Bucket::Free),
        "full" => Ok(Bucket::Full),
        "one idle" => Ok(Bucket::OneIdle),
        "idle" => Ok(Bucket::Idle),
        other => Err(format!(
            "a bucket is free, full, one idle or idle, not '{other}'"
        )),
    }
}

/// A destination.
pub fn target(value: &str) -> Result<Target, String> {
    match value {
        "slot" => Ok(Target::Slot),
        "roll" => Ok(Target::Roll),
        other => number(other).map(Target::Number),
    }
}

/// A number in decimal.
pub fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("'{value}' is no number, or too large"))
}

/// Appends what words such as `c0000201` or `00*1460` stand for.
pub fn hex(line: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    for word in line.split_whitespace() {
        let (digits, count) = match word.split_once('*') {
            Some((byte, count)) if byte.len() == 2 => (byte, number(count)?),
            Some(_) => return Err(format!("'{word}' repeats more, or less, than a byte")),
            None => (word, 1),
        };
        let mut halves = Vec::new();
        for digit in digits.chars() {
            let half = digit.to_digit(16).and_then(|half| u8::try_from(half).ok());
            halves.push(half.ok_or_else(|| format!("'{word}' is not hexadecimal"))?);
        }
        let (pairs, rest) = halves.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(format!("half a byte in '{word}'"));
        }
        let word_bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        bytes.extend(word_bytes.repeat(count));
    }
    Ok(())
}
