//! One fixture through one balancer.

use super::checksum;
use super::fixture::{Before, Bucket, Fixture, Step, Target};
use super::flow::{self, Flow, Seen};
use super::site::{SITES, Site};
use super::snapshot::Snapshot;
use super::subject::{Place, Subject, epoch};
use super::value::action_name;
use super::world::World;
use std::fmt::Write;
use xdp_prog::abi::Outcome;
use xdp_prog::abi::state::destination;
use xdp_prog::tables::Tables;
use xdp_prog::track::IDLE_EPOCHS;
use xdp_prog::track::entry::Entry;

/// How often a fixture is run before it must have run within one epoch. Epochs
/// last seconds, a fixture some milliseconds.
const ATTEMPTS: usize = 20;

/// Runs a fixture in a fresh world and compares all that became of it: action,
/// frame, counters of outcomes and destinations, the whole flow table.
///
/// The error says what was expected and what came, or what is wrong with the
/// fixture itself.
pub fn check(subject: &mut impl Subject, world: &World, fixture: &Fixture) -> Result<(), String> {
    let titled = |fault: String| {
        let (name, sentence) = (&fixture.name, &fixture.sentence);
        format!("{name}: {sentence}\n{fault}")
    };
    for _ in 0..ATTEMPTS {
        if let Some(faults) = attempt(subject, world, fixture).map_err(titled)? {
            return if faults.is_empty() {
                Ok(())
            } else {
                Err(titled(faults))
            };
        }
    }
    Err(titled("no attempt was over within one epoch".to_owned()))
}

/// One run. `None` if an epoch passed meanwhile, else the faults.
fn attempt(
    subject: &mut impl Subject,
    world: &World,
    fixture: &Fixture,
) -> Result<Option<String>, String> {
    world.fill(subject);
    let now = epoch(subject)?;
    let budget = budget(subject, fixture);
    // Once more, so that the probes are not counted.
    world.fill(subject);
    for step in &fixture.steps {
        if let Some(key) = flow::of(&step.frame).and_then(|seen| seen.fragment) {
            subject.forget_fragment(&key);
        }
    }
    let tables = subject.tables();
    tables.budget().epoch.set(budget);
    tables
        .budget()
        .resets
        .set(fixture.before.resets.unwrap_or(0));
    tables
        .budget()
        .errors
        .set(fixture.before.errors.unwrap_or(0));
    Scene::of(&fixture.steps[0])?.set(tables, &fixture.before, now)?;

    let mut faults = String::new();
    for (number, step) in (1..).zip(&fixture.steps) {
        let found = walk(subject, step, now)?;
        if !found.is_empty() {
            faults += &format!("  packet {number}:\n{found}");
        }
    }
    if epoch(subject)? != now {
        return Ok(None);
    }
    Ok(Some(faults))
}

/// The epoch that the budgets of answers count for, which is larger than that
/// of the flow table: found by sending an answer.
fn budget(subject: &mut impl Subject, fixture: &Fixture) -> u32 {
    if fixture.before.resets.is_some() || fixture.before.errors.is_some() {
        subject.run(&mut fixture.steps[0].frame.clone());
    }
    subject.tables().budget().epoch.get()
}

/// Outcomes of packets that are answered.
const ANSWERS: [Outcome; 4] = [
    Outcome::EchoAnswered,
    Outcome::ResetSent,
    Outcome::TooBigAnswered,
    Outcome::TtlAnswered,
];

/// One packet. Gives the faults.
fn walk(subject: &mut impl Subject, step: &Step, now: u8) -> Result<String, String> {
    let flags = |number| &subject.tables().destination(number).flags;
    if let Some(dead) = step.dead {
        flags(dead).set(0);
    }
    if let Some(down) = step.down {
        flags(down).set(destination::LIVE | destination::OUT);
    }
    let expected = Scene::of(step)?.expected(subject.tables(), step, now)?;
    let mut frame = step.frame.clone();
    let action = subject.run(&mut frame);
    let got = Snapshot::of(subject.tables());

    let mut faults = String::new();
    if action != step.action {
        let [expected, got] = [step.action, action].map(action_name);
        let _ = writeln!(faults, "  action: expected {expected}, got {got}");
    }
    if frame != step.expected {
        faults += &side_by_side(&step.expected, &frame);
    }
    if got != expected {
        let _ = write!(faults, "  tables: expected\n{expected}  got\n{got}");
    }
    if ANSWERS.contains(&step.outcome)
        && let Err(fault) = checksum::check(&step.expected)
    {
        let _ = writeln!(faults, "  the fixture's own answer: {fault}");
    }
    Ok(faults)
}

/// What a step is about, apart from its bytes.
struct Scene {
    seen: Option<Seen>,
    about: Option<About>,
}

/// The flow of its frame.
struct About {
    flow: Flow,
    site: usize,
}

impl Scene {
    fn of(step: &Step) -> Result<Self, String> {
        let seen = flow::of(&step.frame);
        let about = seen.and_then(|seen| seen.flow).and_then(|flow| {
            let (site, _) = Site::of(&flow)?;
            Some(About { flow, site })
        });
        let by_flow = |target: Option<Target>| matches!(target, Some(Target::Slot | Target::Roll));
        if about.is_none() && (by_flow(step.to) || step.entry.is_some()) {
            return Err("  the fixture speaks of a flow; its frame is of none".to_owned());
        }
        Ok(Self { seen, about })
    }

    /// Writes what the fixture says was there before.
    fn set(&self, tables: &impl Tables, before: &Before, now: u8) -> Result<(), String> {
        let own = match (before.flow, before.foreign) {
            (Some(known), _) => Some((known.destination, known.age, true)),
            (None, foreign) => foreign.map(|destination| (destination, 0, false)),
        };
        let Some(about) = &self.about else {
            return match (own, before.bucket) {
                (None, None) => Ok(()),
                _ => Err("  the fixture speaks of a flow; its frame is of none".to_owned()),
            };
        };
        let place = about.place(tables);
        // In a crowded bucket a flow cannot have the place that it prefers.
        let crowd = before.bucket.unwrap_or_default();
        let crowded = crowd != Bucket::Free;
        let own_place = (place.preferred + if crowded { 5 } else { 0 }) % 8;
        let bucket = tables.bucket(place.bucket);
        if crowded {
            for (n, word) in (0_u8..).zip(&bucket.0) {
                let age = match (crowd, n) {
                    (Bucket::Idle, n) => IDLE_EPOCHS + n * 5 % 8,
                    (Bucket::OneIdle, 4) => IDLE_EPOCHS,
                    (_, n) => IDLE_EPOCHS - 1 - n,
                };
                let stranger = place.tag ^ u64::from(n + 1);
                word.set(Entry::new(stranger, now.wrapping_sub(age), 1).0);
            }
        }
        if let Some((destination, age, same_service)) = own {
            if about.site().destinations().contains(&destination) != same_service {
                return Err(format!(
                    "  {destination} is not of the service it must be of"
                ));
            }
            let entry = Entry::new(place.tag, now.wrapping_sub(age), destination);
            bucket.0[own_place].set(entry.0);
        }
        Ok(())
    }

    /// What the tables must hold afterwards, given what they hold before.
    fn expected(&self, tables: &impl Tables, step: &Step, now: u8) -> Result<Snapshot, String> {
        let mut snapshot = Snapshot::of(tables);
        if step.outcome != Outcome::Forwarded {
            *snapshot.outcomes.entry(step.outcome as usize).or_default() += 1;
        }
        if let (Some(to), Some(seen)) = (step.to, self.seen) {
            let number = self.resolve(tables, to)?;
            let counted = snapshot.counters.entry(number).or_default();
            let [packets, bytes, connections, untracked] = *counted;
            *counted = [
                packets + 1,
                bytes + seen.length,
                connections + step.connections,
                untracked + step.untracked,
            ];
        }
        let Some(about) = &self.about else {
            return Ok(snapshot);
        };
        let is_own = self.seen.is_some_and(|seen| seen.is_own);
        let held = match step.entry {
            Some(said) => Some(said),
            None if is_own && about.site().remembers() && step.to.is_some() => Some(step.to),
            None => None,
        };
        if let Some(held) = held {
            let held = held.map(|held| self.resolve(tables, held)).transpose()?;
            enter(&mut snapshot, &about.place(tables), held, now)?;
        }
        Ok(snapshot)
    }

    /// The number of a destination.
    fn resolve(&self, tables: &impl Tables, target: Target) -> Result<u16, String> {
        let about = match (target, &self.about) {
            (Target::Number(number), _) => return Ok(number),
            (_, Some(about)) => about,
            (_, None) => return Err("  its frame is of no flow".to_owned()),
        };
        let site = about.site();
        let hash = about.flow.hash(tables.control(), &Site::hashed(about.site));
        let slot = site.owner_of(hash);
        let roll = site.owner_of(about.flow.roll(tables.control()));
        if slot == roll {
            return Err(format!(
                "  slot and roll of this flow are both {slot}: the fixture cannot tell them \
                 apart; give its client another port"
            ));
        }
        Ok(if target == Target::Slot { slot } else { roll })
    }
}

impl About {
    fn site(&self) -> &'static Site {
        &SITES[self.site]
    }

    fn place(&self, tables: &impl Tables) -> Place {
        Place::of(&self.flow, &Site::hashed(self.site), tables)
    }
}

/// Gives the flow of this place an entry, or takes it away.
fn enter(snapshot: &mut Snapshot, place: &Place, held: Option<u16>, now: u8) -> Result<(), String> {
    let own =
        |&(bucket, entry): &(u32, u64)| bucket == place.bucket && Entry(entry).tag() == place.tag;
    let was_there = snapshot.flows.iter().any(own);
    snapshot.flows.retain(|flow| !own(flow));
    if let Some(held) = held {
        if !was_there && snapshot.flows.len() == 8 {
            // The one that was idle longest makes room.
            let age = |&(_, entry): &(u32, u64)| Entry(entry).age(now);
            let (oldest, _) = (0..)
                .zip(&snapshot.flows)
                .max_by_key(|(_, flow)| age(flow))
                .ok_or("  nobody to make room")?;
            snapshot.flows.remove(oldest);
        }
        let entry = Entry::new(place.tag, now, held);
        snapshot.flows.push((place.bucket, entry.0));
    }
    snapshot.flows.sort_unstable();
    Ok(())
}

/// Lines of sixteen bytes that differ are shown, this many at most.
const SHOWN: usize = 12;

/// Both frames in hexadecimal, next to each other, where they differ.
fn side_by_side(expected: &[u8], got: &[u8]) -> String {
    let line = |frame: &[u8], start: usize| -> String {
        let bytes = frame.iter().skip(start).take(16);
        let mut words = String::new();
        for (n, byte) in bytes.enumerate() {
            let gap = if n > 0 && n % 2 == 0 { " " } else { "" };
            let _ = write!(words, "{gap}{byte:02x}");
        }
        words
    };
    let mut text = format!(
        "  frame: expected {} bytes, got {}\n",
        expected.len(),
        got.len()
    );
    let starts = (0..expected.len().max(got.len())).step_by(16);
    let mut differing = starts
        .map(|start| (start, line(expected, start), line(got, start)))
        .filter(|(_, expected, got)| expected != got);
    for (start, expected, got) in differing.by_ref().take(SHOWN) {
        let _ = writeln!(text, "    {start:04x}  {expected:39}  {got}");
    }
    let more = differing.count();
    if more > 0 {
        let _ = writeln!(text, "    ... and {more} lines more");
    }
    text
}
