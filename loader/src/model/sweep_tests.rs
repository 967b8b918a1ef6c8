//! What a sweep promises: over all states of a small world, and over random
//! sequences of a larger one.

use super::*;
use std::cell::Cell;
use std::collections::HashSet;
use world::{Dice, EPOCH, Rules, World};

#[path = "world_tests.rs"]
mod world;

const TCP: Rules = Rules {
    is_tcp: true,
    idle: 5,
    window: 5 * EPOCH,
    silence: 4 * EPOCH,
};

const UDP: Rules = Rules {
    is_tcp: false,
    idle: 5,
    window: 2 * EPOCH,
    silence: 2 * EPOCH,
};

/// Without sweeps a flow may be silent for as long as it likes.
const PATIENT: u64 = u64::MAX;

#[test]
fn without_sweeps_no_flow_of_a_backend_that_stays_ever_moves() {
    for seed in 1..=200 {
        for rules in [TCP, UDP] {
            let silence = PATIENT;
            random_sequence(seed, Rules { silence, ..rules }, false);
        }
    }
}

#[test]
fn sweeps_move_no_flow_that_was_heard_of_lately() {
    for seed in 1..=200 {
        random_sequence(seed, TCP, true);
        random_sequence(seed, UDP, true);
    }
}

/// Changes, failures, returns, packets, time and sweeps, in any order. The
/// world checks each packet.
fn random_sequence(seed: u64, rules: Rules, has_sweeps: bool) {
    const DESTINATIONS: usize = 4;
    let mut dice = Dice(seed << 32 | 1);
    let mut world = World::new(4, DESTINATIONS, 12);
    let mut fates = world.fates.clone();
    for _ in 0..1000 {
        match dice.below(16) {
            0 => {
                let number = 1 + dice.below(DESTINATIONS);
                fates[number] = [Fate::Stays, Fate::Told, Fate::Gone][dice.below(3)];
                random_change(&mut world, &fates, &mut dice);
            }
            1 => random_change(&mut world, &fates, &mut dice),
            2 => world.now += dice.below(3 * 256) as u64,
            3 | 4 => world.now += dice.below(8) as u64,
            5 | 6 if has_sweeps => {
                let late = [0, 0, 1, 10][dice.below(4)];
                let noise = Some(dice.clone()).filter(|_| seed.is_multiple_of(2));
                world.sweep(rules, late, noise);
            }
            7 | 8 => world.open(rules, dice.below(12)),
            _ => world.send(rules, dice.below(12)),
        }
    }
}

/// Gives slots to some that are there; those of the others change hands.
fn random_change(world: &mut World, fates: &[Fate], dice: &mut Dice) {
    let there: Vec<u16> = (1..)
        .zip(&fates[1..])
        .filter(|&(_, &fate)| fate == Fate::Stays)
        .map(|(number, _)| number)
        .collect();
    let owners: Vec<u16> = world
        .words
        .clone()
        .into_iter()
        .map(|word| match current(word) {
            _ if there.is_empty() || dice.below(20) == 0 => 0,
            owner if there.contains(&owner) && dice.below(2) == 0 => owner,
            _ => there[dice.below(there.len())],
        })
        .collect();
    world.change(fates, &owners);
}

/// One slot, two backends, one flow: every state that any sequence of steps can
/// come to, and every step from there.
#[test]
fn in_a_small_world_no_order_of_steps_moves_a_flow() {
    const SMALL_TCP: Rules = Rules {
        is_tcp: true,
        idle: 3,
        window: 3 * EPOCH,
        silence: 2 * EPOCH,
    };
    const SMALL_UDP: Rules = Rules {
        is_tcp: false,
        window: EPOCH,
        silence: EPOCH,
        ..SMALL_TCP
    };
    for (rules, flows) in [(SMALL_TCP, 1), (SMALL_UDP, 1)] {
        let visited = explore(rules, World::new(1, 2, flows));
        assert!(visited > 1000, "only {visited} states");
    }
}

fn explore(rules: Rules, start: World) -> usize {
    let mut seen = HashSet::from([start.clone()]);
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        for next in steps(rules, &world) {
            let next = normal(rules, next);
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen.len()
}

/// The worlds that one step leads to.
fn steps(rules: Rules, world: &World) -> Vec<World> {
    let mut next = Vec::new();
    let mut step = |act: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        act(&mut world);
        next.push(world);
    };
    for flow in 0..world.flows.len() {
        step(&|w| w.send(rules, flow));
        step(&|w| w.open(rules, flow));
    }
    step(&|w| w.now += EPOCH / 2);
    step(&|w| w.sweep(rules, 0, None));
    for number in 1..world.fates.len() {
        for fate in [Fate::Stays, Fate::Told, Fate::Gone] {
            let mut fates = world.fates.clone();
            fates[number] = fate;
            for owner in 0..3 {
                if owner == 0 || fates[usize::from(owner)] == Fate::Stays {
                    step(&|w| w.change(&fates, &[owner]));
                }
            }
        }
    }
    next
}

/// The same world at a fixed time: what was long enough ago was just as well
/// longer ago.
fn normal(rules: Rules, mut world: World) -> World {
    let now = 1000 * EPOCH + world.now % EPOCH;
    let shift = |then: u64, longest: u64| now - (world.now - then).min(longest);
    let longest = EPOCH * u64::from(rules.idle);
    world.changed = shift(world.changed, rules.window);
    for flow in &mut world.flows {
        flow.last = shift(flow.last, longest);
    }
    let epoch = world.epoch();
    world.now = now;
    let new_epoch = world.epoch();
    for entry in world.entries.iter_mut().filter(|entry| **entry != 0) {
        let old = Entry(*entry);
        let age = old.age(epoch).min(rules.idle);
        *entry = Entry::new(old.tag(), new_epoch.wrapping_sub(age), old.destination()).0;
    }
    world
}

/// Service 7 has destinations 1 to 4, of which 3 is told and 4 is gone. Service
/// 8 has 5. Others are not live.
fn destination(number: u16) -> Option<(u16, Fate)> {
    match number {
        1 | 2 => Some((7, Fate::Stays)),
        3 => Some((7, Fate::Told)),
        4 => Some((7, Fate::Gone)),
        5 => Some((8, Fate::Stays)),
        _ => None,
    }
}

/// A flow table that nobody else changes.
struct Still(Vec<Cell<Entry>>);

impl Flows for Still {
    fn places(&self) -> usize {
        self.0.len()
    }

    fn entry(&self, place: usize) -> Entry {
        self.0[place].get()
    }

    fn forget(&self, place: usize, entry: Entry) -> bool {
        assert_eq!(self.0[place].replace(Entry(0)), entry);
        true
    }
}

/// What becomes of the second of two slots of service 7, and which of the
/// entries there, given by epoch and destination, are left. The time is 300.
fn settle(word: u32, is_window_over: bool, entries: &[(u64, u16)]) -> (u32, Vec<u16>) {
    const TAG: u64 = 0xab_cdef_0123;
    let entry = |&(epoch, number): &(u64, u16)| {
        let epoch = u8::try_from(epoch % 256).expect("below 256");
        Cell::new(Entry::new(TAG, epoch, number))
    };
    let flows = Still(entries.iter().map(entry).collect());
    let service = Service {
        id: 7,
        words: &[settled(2), word],
        is_window_over,
    };
    let clock = Clock { now: 44, idle: 100 };
    let changes = sweep(&[service], &flows, clock, destination);
    let numbers = flows.0.iter().map(|entry| entry.get().destination());
    let left = numbers.filter(|&number| number != 0).collect();
    match changes[..] {
        [] => (word, left),
        [change] => {
            assert_eq!((change.service, change.slot), (7, 1));
            (change.word, left)
        }
        _ => panic!("{changes:?}"),
    }
}

#[test]
fn a_slot_settles_when_all_its_flows_go_to_its_owner() {
    for word in [unsettled(1, 0), unsettled(1, 1)] {
        assert_eq!(settle(word, false, &[]), (settled(1), vec![]));
        // Its owner's entries stay, old or not.
        let entries = [(300, 1), (150, 1)];
        assert_eq!(settle(word, false, &entries), (settled(1), vec![1, 1]));
    }
}

#[test]
fn a_flow_of_another_backend_keeps_its_slot_unsettled() {
    for word in [unsettled(1, 0), unsettled(1, 1), unsettled(0, 0)] {
        for epoch in [300, 201, 303] {
            assert_eq!(settle(word, true, &[(epoch, 2)]), (word, vec![2]));
            // So that its client can be told.
            assert_eq!(settle(word, true, &[(epoch, 3)]), (word, vec![3]));
        }
        // Nothing is forgotten there for nothing, but for what is old.
        let entries = [(200, 2), (300, 4), (300, 2)];
        assert_eq!(settle(word, true, &entries), (word, vec![4, 2]));
    }
}

#[test]
fn a_flow_that_was_silent_for_long_is_forgotten_before_its_slot_settles() {
    let word = unsettled(1, 0);
    for number in [2, 3] {
        assert_eq!(settle(word, false, &[(200, number)]), (settled(1), vec![]));
        assert_eq!(settle(word, false, &[(60, number)]), (settled(1), vec![]));
    }
}

/// Ages count modulo 256: at any time one of these three looks young.
#[test]
fn old_entries_hold_no_slot_for_ever() {
    let entry = |epoch| Cell::new(Entry::new(1, epoch, 2));
    let flows = Still([0, 85, 170].map(entry).to_vec());
    let service = Service {
        id: 7,
        words: &[unsettled(1, 0)],
        is_window_over: true,
    };
    let sweeps = (0..8_u8).map(|n| {
        let now = n.wrapping_mul(110);
        sweep(&[service], &flows, Clock { now, idle: 100 }, destination)
    });
    let settled = sweeps.flatten().next();
    assert_eq!(settled.map(|change| change.word), Some(super::settled(1)));
}

#[test]
fn a_flow_of_a_backend_that_is_gone_keeps_nothing_unsettled() {
    let word = unsettled(1, 0);
    assert_eq!(settle(word, false, &[(300, 4)]), (settled(1), vec![]));
}

#[test]
fn an_entry_that_names_nobody_is_forgotten_everywhere() {
    for word in [unsettled(1, 2), settled(1)] {
        assert_eq!(settle(word, false, &[(300, 9)]), (word, vec![]));
    }
}

#[test]
fn entries_of_other_services_do_not_count() {
    let entries = [(300, 5), (100, 5)];
    let settled = (settled(1), vec![5, 5]);
    assert_eq!(settle(unsettled(1, 0), false, &entries), settled);
}

#[test]
fn the_previous_owner_is_given_up_when_the_window_is_over() {
    for entries in [&[(300, 2)][..], &[]] {
        let numbers = entries.iter().map(|&(_, number)| number);
        let left: Vec<u16> = numbers.collect();
        let before = unsettled(1, 2);
        assert_eq!(settle(before, false, entries), (before, left.clone()));
        assert_eq!(settle(before, true, entries), (unsettled(1, 0), left));
    }
    // But not if nobody else is there.
    assert_eq!(
        settle(unsettled(0, 2), true, &[]),
        (unsettled(0, 2), vec![])
    );
}

#[test]
fn each_service_has_its_own_slots() {
    let services = [(7, 1), (8, 5)].map(|(id, number)| (id, [unsettled(number, 0); 4]));
    let services = services.each_ref().map(|(id, words)| Service {
        id: *id,
        words,
        is_window_over: false,
    });
    let flow_of = |slot: u64, number| Cell::new(Entry::new(slot << 16, 44, number));
    let flows = Still(vec![flow_of(2, 2), flow_of(3, 5), flow_of(1, 5)]);
    let clock = Clock { now: 44, idle: 100 };
    let changes = sweep(&services, &flows, clock, destination);
    let changed: Vec<(u16, usize)> = changes.iter().map(|c| (c.service, c.slot)).collect();
    let expected = [(7, 0), (7, 1), (7, 3), (8, 0), (8, 1), (8, 2), (8, 3)];
    assert_eq!(changed, expected);
}
