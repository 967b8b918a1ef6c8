//! For any text: no panic, the same from the same, and what is made has no error.

use crate::dice::Dice;
use crate::{Reader, files};
use dsrload::config::{self, Severity, write};
use dsrload::import::{ipvsadm, keepalived};
use std::fs;

const ROUNDS: usize = 800;

const READERS: [Reader; 2] = [ipvsadm::import, keepalived::import];

/// Words that the files are made of, to put in anywhere.
const WORDS: &[&str] = &[
    "-A",
    "-a",
    "-t",
    "-u",
    "-f",
    "-s",
    "-r",
    "-g",
    "-i",
    "-m",
    "-w",
    "-p",
    "-M",
    "-b",
    "--pe",
    "--tun-type",
    "gue",
    "--tun-port",
    "0",
    "1",
    "65535",
    "65536",
    "-1",
    "+1",
    "192.0.2.10:80",
    "[2001:db8::10]:80",
    "[]:",
    ":",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "#",
    "!",
    "$",
    "${",
    "@a",
    "~SEQ(",
    "\n",
    "virtual_server",
    "virtual_server_group",
    "group",
    "fwmark",
    "real_server",
    "sorry_server",
    "quorum",
    "HTTP_GET",
    "UDP_CHECK",
    "MISC_CHECK",
    "url",
    "path",
    "status_code",
    "payload",
    "misc_path",
    "delay_loop",
    "0.5",
    "connect_port",
    "weight",
    "lb_kind",
    "DR",
    "TUN",
    "type",
    "port",
    "protocol",
    "UDP",
    "192.0.2.1-200",
    "192.0.2.0/20",
    "::/0",
    "2001:db8::-ffff",
    "255.0.255.0",
    "127.0.0.1",
    "\u{1b}[2J",
    "\u{1f600}",
    "\0",
];

/// One to four changes: bytes changed, taken out, doubled; words put in; lines swapped.
fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(60)).min(bytes.len());
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).expect("a byte"),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                let to = dice.below(bytes.len().max(1));
                bytes.splice(to..to, part);
            }
            3 => {
                let mut lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
                let (a, b) = (
                    dice.below(lines.len().max(1)),
                    dice.below(lines.len().max(1)),
                );
                lines.swap(a, b);
                *bytes = lines.join(&b'\n');
            }
            _ => {
                let word = format!(" {} ", dice.pick(WORDS));
                bytes.splice(at..at, word.bytes());
            }
        }
    }
}

/// Whether something is made of it.
fn exercise(reader: Reader, text: &str) -> bool {
    let lines = text.lines().count();
    let import = match reader(text) {
        Ok(import) => import,
        Err(refusal) => {
            assert!((1..=lines).contains(&refusal.line), "{refusal:?}");
            assert!(!refusal.text.is_empty());
            return false;
        }
    };
    assert_eq!(reader(text).as_ref(), Ok(&import), "{text}");
    for remark in &import.remarks {
        assert!((1..=lines).contains(&remark.line), "{remark:?} of:\n{text}");
        let is_plain = !remark.text.contains(char::is_control);
        assert!(!remark.text.is_empty() && is_plain, "{remark:?}");
    }
    if import.document.services.is_empty() {
        return false;
    }
    let (_, findings) = config::examine(&write::write(&import.document));
    let errors = findings.iter().filter(|f| f.severity == Severity::Error);
    // More than a balancer holds is for the command to refuse.
    let mut others = errors.filter(|f| !f.message.contains("one balancer holds"));
    assert_eq!(others.next(), None, "{text}");
    true
}

#[test]
fn no_change_of_a_file_is_too_much() {
    let mut dice = Dice::new(1, 0);
    for (path, reader) in files::all() {
        let whole = fs::read(&path).expect("a file");
        let mut made = 0;
        for _ in 0..ROUNDS {
            let mut bytes = whole.clone();
            mutate(&mut bytes, &mut dice);
            made += usize::from(exercise(reader, &String::from_utf8_lossy(&bytes)));
        }
        assert!(made > ROUNDS / 5, "{}: {made} of {ROUNDS}", path.display());
    }
}

#[test]
fn random_bytes_and_random_words() {
    let mut dice = Dice::new(2, 0);
    for _ in 0..ROUNDS {
        let bytes: Vec<u8> = (0..dice.below(300))
            .map(|_| u8::try_from(dice.below(256)).expect("a byte"))
            .collect();
        let words: Vec<&str> = (0..dice.below(60)).map(|_| dice.pick(WORDS)).collect();
        for reader in READERS {
            exercise(reader, &String::from_utf8_lossy(&bytes));
            exercise(reader, &words.join(" "));
        }
    }
}

#[test]
fn much_of_one_thing_neither_overflows_nor_takes_for_ever() {
    for reader in READERS {
        for word in [
            "{",
            "}",
            "a {\n",
            "\"",
            "${",
            "\\\n",
            "-A ",
            "virtual_server 192.0.2.1-",
        ] {
            exercise(reader, &word.repeat(100_000));
        }
    }
}
