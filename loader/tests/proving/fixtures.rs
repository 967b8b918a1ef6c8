//! The fixtures, through the reference: what their sentences say is the
//! contract that it was written from.

use super::scene;
use crate::packets::fixture::{Bucket, Fixture, Step, Target};
use crate::reference::choose::About;
use crate::reference::flows::{Entry, IDLE};
use crate::reference::world::{Count, State, World};

/// What the reference does otherwise than a fixture says.
pub fn judge(fixture: &Fixture) -> Result<(), String> {
    let mut world = scene::world();
    set(&mut world, fixture);
    for (n, step) in (1..).zip(&fixture.steps) {
        take(&mut world, step).map_err(|fault| format!("{}, packet {n}: {fault}", fixture.name))?;
    }
    Ok(())
}

/// The flow that a frame is about, if a service has it.
fn about(world: &World, frame: &[u8]) -> Option<About> {
    world.clone().run(&mut frame.to_vec()).about
}

/// Writes what the fixture says was there before.
fn set(world: &mut World, fixture: &Fixture) {
    let before = &fixture.before;
    world.resets = before.resets.unwrap_or(0);
    world.errors = before.errors.unwrap_or(0);
    let Some(about) = about(world, &fixture.steps[0].frame) else {
        return;
    };
    let crowd = before.bucket.unwrap_or_default();
    let mut bucket = world.flows.bucket(0);
    if crowd != Bucket::Free {
        for (n, place) in (0..).zip(&mut bucket) {
            let age = match (crowd, n) {
                (Bucket::Idle, n) => IDLE + n * 5 % 8,
                (Bucket::OneIdle, 4) => IDLE,
                (_, n) => IDLE - 1 - n,
            };
            let tag = about.hash.tag() ^ u64::from(n + 1);
            *place = Some(entry(tag, age, 1));
        }
    }
    let own = match (before.flow, before.foreign) {
        (Some(known), _) => Some((known.destination, known.age)),
        (None, foreign) => foreign.map(|destination| (destination, 0)),
    };
    if let Some((destination, age)) = own {
        let place = about.hash.place() + if crowd == Bucket::Free { 0 } else { 5 };
        bucket[place % 8] = Some(entry(about.hash.tag(), age, destination));
    }
    let number = about.hash.bucket(world.flows.buckets);
    world.flows.all.insert(number, bucket);
}

fn entry(tag: u64, age: u8, destination: u16) -> Entry {
    Entry {
        tag,
        epoch: 0_u8.wrapping_sub(age),
        destination,
    }
}

/// One packet.
fn take(world: &mut World, step: &Step) -> Result<(), String> {
    for (number, state) in [(step.dead, State::GivenUp), (step.down, State::Out)] {
        if let Some(destination) = number.and_then(|n| world.destinations.get_mut(&n)) {
            destination.state = state;
        }
    }
    let before = total(world);
    let mut frame = step.frame.clone();
    let walk = world.run(&mut frame);
    let (name, expected) = (walk.outcome.row().0, step.outcome.name());
    if name != expected || walk.action as u32 != step.action {
        return Err(format!("{name} by {:?}, not {expected}", walk.action));
    }
    if frame != step.expected {
        return Err(format!("{frame:02x?}, not {:02x?}", step.expected));
    }
    let after = total(world);
    let counted = [
        after.connections - before.connections,
        after.untracked - before.untracked,
    ];
    if counted != [step.connections, step.untracked] {
        return Err(format!("connections and untracked: {counted:?}"));
    }
    // Slot and roll cannot be known here; the comparison knows them.
    let held = match step.entry.unwrap_or(step.to) {
        Some(Target::Number(number)) => Some(number),
        None if step.entry.is_some() => None,
        _ => return Ok(()),
    };
    let entry = walk.about.and_then(|about| world.flows.find(about.hash));
    match (entry, held) {
        (Some(entry), held) if held != Some(entry.destination) && step.entry.is_some() => {
            Err(format!("the entry is {entry:?}, not {held:?}"))
        }
        (None, Some(_)) if step.entry.is_some() => Err("there is no entry".to_owned()),
        _ => Ok(()),
    }
}

/// All counters of all destinations together.
fn total(world: &World) -> Count {
    let counts = world.destinations.values().map(|one| one.count);
    counts.fold(Count::default(), |sum, one| Count {
        packets: sum.packets + one.packets,
        bytes: sum.bytes + one.bytes,
        connections: sum.connections + one.connections,
        untracked: sum.untracked + one.untracked,
    })
}
