//! One fixture through one balancer.

use super::fixture::{Bucket, Fixture, Target, action_name};
use super::snapshot::Snapshot;
use super::subject::{Place, Subject, epoch};
use super::world::{Site, World};
use std::fmt::Write;
use xdp_prog::abi::Outcome;
use xdp_prog::select::Flow;
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
    world.fill(subject.tables());
    let now = epoch(subject)?;
    // Once more, so that the probe is not counted.
    world.fill(subject.tables());
    let scene = Scene::of(subject.tables(), world, fixture)?;
    scene.set(subject.tables(), fixture, now)?;
    let expected = scene.expected(subject.tables(), fixture, now)?;

    let mut frame = fixture.frame.clone();
    let action = subject.run(&mut frame);
    let got = Snapshot::of(subject.tables());
    if epoch(subject)? != now {
        return Ok(None);
    }

    let mut faults = String::new();
    if action != fixture.action {
        let [expected, got] = [fixture.action, action].map(action_name);
        let _ = writeln!(faults, "  action: expected {expected}, got {got}");
    }
    if frame != fixture.expected {
        faults += &side_by_side(&fixture.expected, &frame);
    }
    if got != expected {
        let _ = write!(faults, "  tables: expected\n{expected}  got\n{got}");
    }
    Ok(Some(faults))
}

/// What a fixture is about, apart from its bytes.
struct Scene {
    about: Option<About>,
}

/// The flow of its frame.
struct About {
    flow: Flow,
    site: &'static Site,
    place: Place,
}

impl Scene {
    fn of(tables: &impl Tables, world: &World, fixture: &Fixture) -> Result<Self, String> {
        let flow = super::flow::of(&fixture.frame);
        let about = flow.and_then(|flow| {
            let site = world.site(&flow)?;
            let place = Place::of(&flow, tables);
            Some(About { flow, site, place })
        });
        let wanted = fixture.to.is_some()
            || fixture.entry.is_some()
            || fixture.flow.is_some()
            || fixture.foreign.is_some()
            || fixture.bucket != Bucket::Free;
        if wanted && about.is_none() {
            return Err("  the fixture speaks of a flow; its frame is of none".to_owned());
        }
        Ok(Self { about })
    }

    /// Writes what the fixture says was there before.
    fn set(&self, tables: &impl Tables, fixture: &Fixture, now: u8) -> Result<(), String> {
        if let Some(dead) = fixture.dead {
            tables.destination(dead).flags.set(0);
        }
        let Some(about) = &self.about else {
            return Ok(());
        };
        let own = match (fixture.flow, fixture.foreign) {
            (Some(known), _) => Some((known.destination, known.age, true)),
            (None, foreign) => foreign.map(|destination| (destination, 0, false)),
        };
        // In a crowded bucket a flow cannot have the place that it prefers.
        let crowded = fixture.bucket != Bucket::Free;
        let own_place = (about.place.preferred + if crowded { 5 } else { 0 }) % 8;
        let bucket = tables.bucket(about.place.bucket);
        if crowded {
            for (n, word) in (0_u8..).zip(&bucket.0) {
                let age = match (fixture.bucket, n) {
                    (Bucket::Idle, n) => IDLE_EPOCHS + n * 5 % 8,
                    (Bucket::OneIdle, 4) => IDLE_EPOCHS,
                    (_, n) => IDLE_EPOCHS - 1 - n,
                };
                let stranger = about.place.tag ^ u64::from(n + 1);
                word.set(Entry::new(stranger, now.wrapping_sub(age), 1).0);
            }
        }
        if let Some((destination, age, same_service)) = own {
            if about.site.destinations.contains(&destination) != same_service {
                return Err(format!(
                    "  {destination} is not of the service it must be of"
                ));
            }
            let entry = Entry::new(about.place.tag, now.wrapping_sub(age), destination);
            bucket.0[own_place].set(entry.0);
        }
        Ok(())
    }

    /// What the tables must hold afterwards, given what they hold before.
    fn expected(
        &self,
        tables: &impl Tables,
        fixture: &Fixture,
        now: u8,
    ) -> Result<Snapshot, String> {
        let mut snapshot = Snapshot::of(tables);
        if fixture.outcome != Outcome::Forwarded {
            snapshot.outcomes.insert(fixture.outcome as usize, 1);
        }
        let Some(about) = &self.about else {
            return Ok(snapshot);
        };
        if let Some(to) = fixture.to {
            let bytes = u64::from(about.flow.length);
            let counted = [1, bytes, fixture.connections];
            snapshot
                .counters
                .insert(about.resolve(tables, to)?, counted);
        }
        let own = |&(bucket, entry): &(u32, u64)| {
            bucket == about.place.bucket && Entry(entry).tag() == about.place.tag
        };
        let was_there = snapshot.flows.iter().any(own);
        snapshot.flows.retain(|flow| !own(flow));
        if let Some(held) = fixture.entry {
            if !was_there && snapshot.flows.len() == 8 {
                // The one that was idle longest makes room.
                let age = |&(_, entry): &(u32, u64)| Entry(entry).age(now);
                let (oldest, _) = (0..)
                    .zip(&snapshot.flows)
                    .max_by_key(|(_, flow)| age(flow))
                    .ok_or("  nobody to make room")?;
                snapshot.flows.remove(oldest);
            }
            let entry = Entry::new(about.place.tag, now, about.resolve(tables, held)?);
            snapshot.flows.push((about.place.bucket, entry.0));
        }
        snapshot.flows.sort_unstable();
        Ok(snapshot)
    }
}

impl About {
    /// The number of a destination.
    fn resolve(&self, tables: &impl Tables, target: Target) -> Result<u16, String> {
        let slot = self.site.owner_of(self.flow.hash(tables.control()));
        let roll = self.site.owner_of(self.flow.roll(tables.control()));
        let number = match target {
            Target::Number(number) => return Ok(number),
            Target::Slot => slot,
            Target::Roll => roll,
        };
        if slot == roll {
            return Err(format!(
                "  slot and roll of this flow are both {slot}: the fixture cannot tell them \
                 apart; give its client another port"
            ));
        }
        Ok(number)
    }
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
