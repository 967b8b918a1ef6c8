//! Fixtures, and how they are written (`*.pkt`).
//!
//! ```text
//! # A sentence: what this packet is, and what the program must do with it
//! flow: 3 age 1
//! outcome: forwarded
//! to: 3
//! in:  020000000001 0a5566778899 0800
//! in:  4500 05dc 0000 4000 4006 0000 cb007107 c0000203
//! in:  c350 0050 00000001 00000000 5010 ffff 0000 0000 00*1460
//! out: 02000000000b 020000000001 0800
//! ...
//! ```
//!
//! The first lines, which begin with `#`, are the sentence. Each directive
//! stands once, `in:` and `out:` as often as there are headers. What was there
//! before is said before everything else:
//!
//! | directive                 | meaning                                        |
//! |---------------------------|------------------------------------------------|
//! | `flow: N [age EPOCHS]`    | the flow table has this flow, to destination N |
//! | `foreign tag: N`          | it has this flow's tag, with a destination N of another service |
//! | `bucket: full`            | live flows have all the other places           |
//! | `bucket: one idle`        | one of them just became idle                   |
//! | `bucket: idle`            | flows idle for different times have them       |
//! | `resets: N`               | this CPU has sent N resets in this epoch       |
//! | `errors: N`               | this CPU has sent N ICMP errors in this epoch  |
//!
//! and then, of a packet:
//!
//! | directive                 | meaning                                        |
//! |---------------------------|------------------------------------------------|
//! | `dead: N`                 | before it comes, destination N is given up     |
//! | `down: N`                 | before it comes, destination N goes out        |
//! | `outcome: NAME`           | what is counted (required)                     |
//! | `action: NAME`            | pass, drop, tx or redirect; else the outcome's |
//! | `to: N`, `slot`, `roll`   | the destination: this one, the owner of the flow's slot, the random one; required if forwarded |
//! | `entry: N`, `slot`, `roll`, `none` | what the flow table has for the flow; else what `to` says, if the service remembers flows; else what it had |
//! | `connections: 1`          | it counts as a connection opened               |
//! | `untracked: 1`            | it counts as one that found no room            |
//! | `in:`                     | the frame, in hexadecimal words; `00*1460` is a byte repeated |
//! | `out:`                    | the frame afterwards; without it, the same     |
//! | `then:`                   | another packet comes                           |
//!
//! Checksums are 0000 where no step reads or writes them.

use super::value;
use std::fmt;
use std::path::Path;
use xdp_prog::abi::Outcome;

/// Frames and what must become of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// Name of its file.
    pub name: String,
    /// What it shows.
    pub sentence: String,
    /// What was there before.
    pub before: Before,
    /// What comes.
    pub steps: Vec<Step>,
}

/// What was there before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The first packet's flow's entry.
    pub flow: Option<Known>,
    /// The destination in an entry that only has the flow's tag.
    pub foreign: Option<u16>,
    /// Who has the other places of the flow's bucket.
    pub bucket: Option<Bucket>,
    /// Resets that were sent.
    pub resets: Option<u32>,
    /// ICMP errors that were sent.
    pub errors: Option<u32>,
}

/// A frame and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// A destination that is given up before it comes.
    pub dead: Option<u16>,
    /// A destination that goes out before it comes.
    pub down: Option<u16>,
    /// What is counted.
    pub outcome: Outcome,
    /// The XDP action.
    pub action: u32,
    /// Where it goes.
    pub to: Option<Target>,
    /// Where the flow table says that the flow goes, if the fixture says it.
    pub entry: Option<Option<Target>>,
    /// Connections that are counted.
    pub connections: u64,
    /// Flows without room that are counted.
    pub untracked: u64,
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
    before: Before,
    done: Vec<Step>,
    step: StepDraft,
}

/// What has been read of a step.
#[derive(Default)]
struct StepDraft {
    dead: Option<u16>,
    down: Option<u16>,
    outcome: Option<Outcome>,
    action: Option<u32>,
    to: Option<Target>,
    entry: Option<Option<Target>>,
    connections: Option<u64>,
    untracked: Option<u64>,
    frame: Option<Vec<u8>>,
    expected: Option<Vec<u8>>,
}

impl Draft {
    fn take(&mut self, line: &str) -> Result<(), String> {
        if let Some(words) = line.strip_prefix('#') {
            if self.step.has_begun() || !self.done.is_empty() {
                return Err("the sentence stands before everything else".to_owned());
            }
            self.sentence.push(words.trim().to_owned());
            return Ok(());
        }
        let (directive, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no directive in '{line}'"))?;
        let value = value.trim();
        let before = &mut self.before;
        match directive {
            "flow" | "foreign tag" | "bucket" | "resets" | "errors" if !self.done.is_empty() => {
                Err(format!("'{directive}' stands before all packets"))
            }
            "flow" => once(&mut before.flow, value::known(value)?),
            "foreign tag" => once(&mut before.foreign, value::number(value)?),
            "bucket" => once(&mut before.bucket, value::bucket(value)?),
            "resets" => once(&mut before.resets, value::number(value)?),
            "errors" => once(&mut before.errors, value::number(value)?),
            "then" => {
                self.done.push(std::mem::take(&mut self.step).finish()?);
                Ok(())
            }
            _ => self.step.take(directive, value),
        }
    }

    fn finish(self, file: &str) -> Result<Fixture, String> {
        let sentence = self.sentence.join(" ");
        if sentence.is_empty() {
            return Err("no sentence says what it shows".to_owned());
        }
        if self.before.flow.is_some() && self.before.foreign.is_some() {
            return Err("the flow and a foreign tag cannot both be there".to_owned());
        }
        let mut steps = self.done;
        steps.push(self.step.finish()?);
        Ok(Fixture {
            name: file.to_owned(),
            sentence,
            before: self.before,
            steps,
        })
    }
}

impl StepDraft {
    fn has_begun(&self) -> bool {
        self.outcome.is_some() || self.frame.is_some()
    }

    fn take(&mut self, directive: &str, value: &str) -> Result<(), String> {
        match directive {
            "dead" => once(&mut self.dead, value::number(value)?),
            "down" => once(&mut self.down, value::number(value)?),
            "outcome" => once(&mut self.outcome, value::outcome(value)?),
            "action" => once(&mut self.action, value::action(value)?),
            "to" => once(&mut self.to, value::target(value)?),
            "entry" if value == "none" => once(&mut self.entry, None),
            "entry" => once(&mut self.entry, Some(value::target(value)?)),
            "connections" => once(&mut self.connections, value::number(value)?),
            "untracked" => once(&mut self.untracked, value::number(value)?),
            "in" => value::hex(value, self.frame.get_or_insert_default()),
            "out" => value::hex(value, self.expected.get_or_insert_default()),
            other => Err(format!("no directive is called '{other}'")),
        }
    }

    fn finish(self) -> Result<Step, String> {
        let outcome = self.outcome.ok_or("no outcome")?;
        if (outcome == Outcome::Forwarded) != self.to.is_some() {
            return Err("'to' belongs to 'outcome: forwarded', and to no other".to_owned());
        }
        let frame = self.frame.ok_or("no frame")?;
        Ok(Step {
            dead: self.dead,
            down: self.down,
            outcome,
            action: self.action.unwrap_or(outcome.verdict() as u32),
            to: self.to,
            entry: self.entry,
            connections: self.connections.unwrap_or(0),
            untracked: self.untracked.unwrap_or(0),
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
