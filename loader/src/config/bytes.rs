//! Bytes in a text: what a text cannot have stands as `\xNN`.

use std::fmt::Write;

/// The bytes that a text means: `\xNN` is one byte, `\\` a backslash.
///
/// # Errors
///
/// A backslash with anything else behind it.
pub fn parse(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        rest = match behind {
            [b'\\', behind @ ..] => {
                bytes.push(b'\\');
                behind
            }
            [b'x', high, low, behind @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let byte = digit(*high).zip(digit(*low));
                let byte = byte.and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                bytes.push(byte.ok_or_else(|| wrong(text))?);
                behind
            }
            _ => return Err(wrong(text)),
        };
    }
    Ok(bytes)
}

/// The text that means these bytes.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(byte)),
            // Writing to a string does not fail.
            byte => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    text
}

fn wrong(text: &str) -> String {
    format!("'{text}' has a backslash that is not of \\xNN or \\\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_have_a_text() {
        let all: Vec<u8> = (0..=255).collect();
        let written = text(&all);
        assert!(
            written.starts_with("\\x00\\x01") && written.contains("[\\\\]"),
            "{written}"
        );
        assert_eq!(parse(&written), Ok(all));
    }

    #[test]
    fn bytes_stand_as_hexadecimal_numbers() {
        assert_eq!(parse(r"a\x00\xfFz\\"), Ok(vec![b'a', 0, 255, b'z', b'\\']));
        assert_eq!(parse("ä"), Ok("ä".as_bytes().to_vec()));
        for text in ["\\", "\\x", "\\x1", "\\xg0", "\\n", "\\x1\\"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
