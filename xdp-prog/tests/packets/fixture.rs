//! Fixtures, and how they are written (`*.pkt`).
//!
//! ```text
//! # A sentence: what this packet is, and what the program must do with it
//! outcome: forwarded
//! flow: 3 age 1
//! to: 3
//! in:  020000000001 0a5566778899 0800
//! in:  4500 05dc 0000 4000 4006 0000 cb007107 c0000203
//! in:  c350 0050 00000001 00000000 5010 ffff 0000 0000 00*1460
//! out: 02000000000b 020000000001 0800
//! ...
//! ```
//!
//! The first lines, which begin with `#`, are the sentence. Each directive
//! stands once, `in:` and `out:` as often as there are headers:
//!
//! | directive                 | meaning                                        |
//! |---------------------------|------------------------------------------------|
//! | `outcome: NAME`           | what is counted (required)                     |
//! | `action: NAME`            | pass, drop, tx or redirect; else the outcome's |
//! | `flow: N [age EPOCHS]`    | before: the flow table has this flow, to N     |
//! | `foreign tag: N`          | before: it has this flow's tag, with a destination N of another service |
//! | `bucket: full`            | before: live flows have all the other places   |
//! | `bucket: one idle`        | before: one of them just became idle           |
//! | `bucket: idle`            | before: flows idle for different times have them |
//! | `dead: N`                 | before: destination N is no backend any more   |
//! | `to: N`, `slot`, `roll`   | the destination: this one, the owner of the flow's slot, the random one; required if forwarded |
//! | `entry: N`, `slot`, `roll`, `none` | after: what the flow table has for the flow; else what `to` says |
//! | `connections: 1`          | after: it counts as a connection opened        |
//! | `in:`                     | the frame, in hexadecimal words; `00*1460` is a byte repeated |
//! | `out:`                    | the frame afterwards; without it, the same     |
//!
//! Checksums are 0000: no step reads them.

use std::fmt;
use std::path::Path;
use xdp_prog::abi::Outcome;

/// A frame and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Name of its file.
    pub name: String,
    /// What it shows.
    pub sentence: String,
    /// What is counted.
    pub outcome: Outcome,
    /// The XDP action.
    pub action: u32,
    /// This flow's entry before.
    pub flow: Option<Known>,
    /// The destination in an entry that only has the flow's tag.
    pub foreign: Option<u16>,
    /// Who has the other places of the flow's bucket.
    pub bucket: Bucket,
    /// A destination that is no backend any more.
    pub dead: Option<u16>,
    /// Where it goes.
    pub to: Option<Target>,
    /// Where the flow table says that it goes, afterwards.
    pub entry: Option<Target>,
    /// Connections that are counted.
    pub connections: u64,
    /// The frame.
    pub frame: Vec<u8>,
    /// The frame afterwards.
    pub expected: Vec<u8>,
}

/// An entry of the flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its destination.
    pub destination: u16,
    /// Epochs since its last packet.
    pub age: u8,
}

/// Who has the places of the flow's bucket that are not its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bucket {
    /// Nobody.
    #[default]
    Free,
    /// Flows that are alive, some of them barely.
    Full,
    /// Flows that are alive and one that may just make room.
    OneIdle,
    /// Flows that may make room.
    Idle,
}

/// A destination as fixtures name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its number.
    Number(u16),
    /// The owner of the flow's slot.
    Slot,
    /// The one that a new connection is given at random.
    Roll,
}

/// Text that is no fixture.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFixture {
    file: String,
    line: usize,
    reason: String,
}

impl fmt::Display for BadFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// All fixtures of a folder, by name.
pub fn read_all(folder: &Path) -> Result<Vec<Fixture>, String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    let mut paths = std::fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(".pkt") {
                return Err(format!("{} is no fixture", path.display()));
            }
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            parse(&name, &text).map_err(|bad| bad.to_string())
        })
        .collect()
}

/// The fixture that `text` describes; `file` is its name.
pub fn parse(file: &str, text: &str) -> Result<Fixture, BadFixture> {
    let mut draft = Draft::default();
    for (number, line) in text.lines().enumerate() {
        draft.take(line.trim_end()).map_err(|reason| BadFixture {
            file: file.to_owned(),
            line: number + 1,
            reason,
        })?;
    }
    draft.finish(file).map_err(|reason| BadFixture {
        file: file.to_owned(),
        line: text.lines().count(),
        reason,
    })
}

/// What has been read so far.
#[derive(Default)]
struct Draft {
    sentence: Vec<String>,
    outcome: Option<Outcome>,
    action: Option<u32>,
    flow: Option<Known>,
    foreign: Option<u16>,
    bucket: Option<Bucket>,
    dead: Option<u16>,
    to: Option<Target>,
    entry: Option<Option<Target>>,
    connections: Option<u64>,
    frame: Option<Vec<u8>>,
    expected: Option<Vec<u8>>,
}

impl Draft {
    fn take(&mut self, line: &str) -> Result<(), String> {
        if let Some(words) = line.strip_prefix('#') {
            if self.outcome.is_some() || self.frame.is_some() {
                return Err("the sentence stands before everything else".to_owned());
            }
            self.sentence.push(words.trim().to_owned());
            return Ok(());
        }
        let (directive, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no directive in '{line}'"))?;
        let value = value.trim();
        match directive {
            "outcome" => once(&mut self.outcome, outcome(value)?),
            "action" => once(&mut self.action, action(value)?),
            "flow" => once(&mut self.flow, known(value)?),
            "foreign tag" => once(&mut self.foreign, number(value)?),
            "bucket" => once(&mut self.bucket, bucket(value)?),
            "dead" => once(&mut self.dead, number(value)?),
            "to" => once(&mut self.to, target(value)?),
            "entry" if value == "none" => once(&mut self.entry, None),
            "entry" => once(&mut self.entry, Some(target(value)?)),
            "connections" => once(&mut self.connections, number(value)?),
            "in" => hex(value, self.frame.get_or_insert_default()),
            "out" => hex(value, self.expected.get_or_insert_default()),
            other => Err(format!("no directive is called '{other}'")),
        }
    }

    fn finish(self, file: &str) -> Result<Fixture, String> {
        let sentence = self.sentence.join(" ");
        if sentence.is_empty() {
            return Err("no sentence says what it shows".to_owned());
        }
        let outcome = self.outcome.ok_or("no outcome")?;
        if (outcome == Outcome::Forwarded) != self.to.is_some() {
            return Err("'to' belongs to 'outcome: forwarded', and to no other".to_owned());
        }
        if self.flow.is_some() && self.foreign.is_some() {
            return Err("the flow and a foreign tag cannot both be there".to_owned());
        }
        let frame = self.frame.ok_or("no frame")?;
        Ok(Fixture {
            name: file.to_owned(),
            sentence,
            outcome,
            action: self.action.unwrap_or(outcome.verdict() as u32),
            flow: self.flow,
            foreign: self.foreign,
            bucket: self.bucket.unwrap_or_default(),
            dead: self.dead,
            to: self.to,
            entry: self.entry.unwrap_or(self.to),
            connections: self.connections.unwrap_or(0),
            expected: self.expected.unwrap_or_else(|| frame.clone()),
            frame,
        })
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("said twice".to_owned()),
    }
}

fn outcome(name: &str) -> Result<Outcome, String> {
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

fn action(name: &str) -> Result<u32, String> {
    let found = ACTIONS.iter().zip(0..).find(|(action, _)| **action == name);
    found
        .map(|(_, number)| number)
        .ok_or_else(|| format!("no action is called '{name}'"))
}

fn known(value: &str) -> Result<Known, String> {
    let (destination, age) = match value.split_once(" age ") {
        Some((destination, age)) => (destination, number(age)?),
        None => (value, 0),
    };
    Ok(Known {
        destination: number(destination)?,
        age,
    })
}

fn bucket(value: &str) -> Result<Bucket, String> {
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

fn target(value: &str) -> Result<Target, String> {
    match value {
        "slot" => Ok(Target::Slot),
        "roll" => Ok(Target::Roll),
        other => number(other).map(Target::Number),
    }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("'{value}' is no number, or too large"))
}

/// Appends what words such as `c0000201` or `00*1460` stand for.
fn hex(line: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
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
