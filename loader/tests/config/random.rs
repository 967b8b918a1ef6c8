//! For any bytes: no panic, and what is found has a place and a remedy.

use crate::dice::Dice;
use crate::file::text;
use dsrload::config::check::has_errors;
use dsrload::config::{self, Balancer, Lines, write};

const ROUNDS: u64 = 4_000;

/// Words that files are made of, to put in anywhere.
const WORDS: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "\"\"\"",
    "'",
    "'''",
    "=",
    ",",
    ".",
    "\n",
    "\r",
    "\\",
    "#",
    "\0",
    "\u{1f600}",
    "\u{feff}",
    "0x",
    "-1",
    "1e999",
    "99999999999999999999",
    "inf",
    "nan",
    "true",
    "1979-05-27",
    "1979-05-27T25:61:61Z",
    "service",
    "backends",
    "balancer",
    "web",
    "\"*/tcp\"",
    "\"192.0.2.10\"",
    "\"::\"",
    "\"2001:db8::1/129\"",
    "\"gue:0\"",
    "\"client/24/64\"",
    "[service.web]",
    "[service.web.check]",
    "[run]",
    "check = { type = \"http\", ",
    "status = [2, \"2xx\"]",
    "command = [\"/\", \"\"]",
    "'\\x0'",
    "\"100ms\"",
    "sorry",
    "listen",
    "[service.web.backends]",
];

/// One to three changes: bytes changed, taken out, put in, doubled, lines swapped.
fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(40)).min(bytes.len());
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).expect("a byte"),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let word = dice.pick(WORDS);
                bytes.splice(at..at, word.bytes());
            }
            3 => {
                let part = bytes[at..end].to_vec();
                let to = dice.below(bytes.len().max(1));
                bytes.splice(to..to, part);
            }
            4 => bytes.truncate(at.max(1)),
            _ => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
                let (a, b) = (
                    dice.below(lines.len().max(1)),
                    dice.below(lines.len().max(1)),
                );
                lines.swap(a, b);
                *bytes = lines.join(&b'\n');
            }
        }
    }
}

/// Everything that is done with a file, but for the host.
fn exercise(bytes: &[u8]) -> bool {
    let (text, broken) = config::text(bytes);
    let (document, findings) = config::examine(text);
    let lines = Lines::new(text);
    for finding in findings.iter().chain(&broken) {
        let position = lines.position(finding.span.start);
        assert!(position.line >= 1 && position.column >= 1);
        let excerpt = lines.excerpt(&finding.span);
        assert!(excerpt.width >= 1 && !excerpt.text.contains(char::is_control));
        assert!(
            !finding.message.is_empty() && !finding.remedy.is_empty(),
            "{finding:?}"
        );
        assert!(!finding.message.contains(char::is_control), "{finding:?}");
    }
    if has_errors(&findings) {
        return false;
    }
    // What is taken is what the rest of the program takes, too.
    let balancer = Balancer::new(&document);
    assert_eq!(balancer.config.faults(), Vec::<String>::new(), "{text}");
    let written = write::write(&document);
    let (again, findings) = config::examine(&written);
    assert!(!has_errors(&findings), "{findings:?} of:\n{written}");
    assert_eq!(again, document, "{written}");
    true
}

#[test]
fn no_change_of_the_example_is_too_much() {
    let example = text("docs/dsrload.toml");
    let bare: Vec<&str> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let bare = bare.join("\n");
    let mut dice = Dice::new(1, 0);
    let mut taken = 0;
    for _ in 0..ROUNDS {
        let mut bytes = bare.clone().into_bytes();
        mutate(&mut bytes, &mut dice);
        taken += u64::from(exercise(&bytes));
    }
    // Both ways are well trodden.
    assert!(
        taken > ROUNDS / 50 && taken < ROUNDS / 2,
        "{taken} of {ROUNDS} taken"
    );
}

#[test]
fn random_bytes_and_random_words() {
    let mut dice = Dice::new(2, 0);
    for _ in 0..ROUNDS {
        let bytes: Vec<u8> = (0..dice.below(200))
            .map(|_| u8::try_from(dice.below(256)).expect("a byte"))
            .collect();
        exercise(&bytes);
        let words: Vec<&str> = (0..dice.below(60)).map(|_| dice.pick(WORDS)).collect();
        exercise(words.concat().as_bytes());
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow_the_stack() {
    for open in ["[", "{a=", "a."] {
        assert!(!exercise(
            format!("x = {}", open.repeat(100_000)).as_bytes()
        ));
        assert!(!exercise(open.repeat(100_000).as_bytes()));
    }
}
