//! What is claimed of a drained backend, against a small model of its flows.

use super::*;

const EPOCH: u64 = 2_000;
const PACE: Pace = Pace {
    idle: 10_000,
    epoch: EPOCH,
};

/// A flow of the backend.
struct Flow {
    last: u64,
    entry: Option<Entry>,
}

/// The backend's flows, some of which nobody knows of. It was drained at `since`.
struct World {
    now: u64,
    since: u64,
    flows: Vec<Flow>,
    untracked: u64,
}

fn epoch_at(now: u64) -> u8 {
    now.wrapping_div(EPOCH).to_le_bytes()[0]
}

impl World {
    fn send(&mut self, n: usize, has_room: bool) {
        self.flows[n].last = self.now;
        let epoch = epoch_at(self.now);
        match self.flows[n].entry {
            None if !has_room => self.untracked += 1,
            // As the program does, once in an epoch.
            Some(entry) if entry.epoch() == epoch => {}
            _ => self.flows[n].entry = Some(Entry::new(n as u64 + 1, epoch, 7)),
        }
    }

    fn sight(&self) -> Sight {
        let entries = self.flows.iter().enumerate();
        Sight {
            now: self.now,
            entries: entries.filter_map(|(n, f)| Some((n, f.entry?))).collect(),
            untracked: self.untracked,
            has_unknown: true,
        }
    }

    fn begin(&self) -> Watch {
        Watch::begin(PACE, &self.sight(), epoch_at(self.now), self.since)
    }

    fn silence(&self) -> u64 {
        let last = self.flows.iter().map(|flow| flow.last).max();
        self.now - last.unwrap_or(0)
    }
}

fn world(now: u64, entries: &[u64]) -> World {
    let known = |(n, &at): (usize, &u64)| Flow {
        last: at,
        entry: Some(Entry::new(n as u64 + 1, epoch_at(at), 7)),
    };
    World {
        now,
        since: now,
        flows: entries.iter().enumerate().map(known).collect(),
        untracked: 0,
    }
}

#[test]
fn silence_is_claimed_only_after_an_idle_time_has_been_watched() {
    let mut world = world(1_000_000, &[]);
    let mut watch = world.begin();
    let first = watch.look(&world.sight());
    assert_eq!((first.live, first.unknown), (0, PACE.idle));
    assert!(!first.is_over());
    world.now += PACE.idle - 1;
    assert!(!watch.look(&world.sight()).is_over());
    world.now += 1;
    assert!(watch.look(&world.sight()).is_over());
}

#[test]
fn a_drain_of_long_ago_is_over_at_the_first_look_if_nobody_looks_young() {
    let mut world = world(1_000_000, &[1_000_000 - 20_000]);
    world.since -= 60_000;
    let progress = world.begin().look(&world.sight());
    assert_eq!((progress.live, progress.idle), (0, 1));
    assert!(progress.is_over());
}

#[test]
fn entries_that_look_young_and_are_old_hold_it_for_one_idle_time_at_the_most() {
    let wraps = |epochs: u64| 10_000_000 - epochs * EPOCH;
    let mut world = world(
        10_000_000,
        &[wraps(256), wraps(258), wraps(450), wraps(511)],
    );
    world.since -= 60_000;
    let mut watch = world.begin();
    assert_eq!(watch.look(&world.sight()).live, 3);
    world.now += PACE.idle + EPOCH;
    let progress = watch.look(&world.sight());
    assert_eq!((progress.live, progress.idle), (0, 4));
}

#[test]
fn each_packet_of_an_entry_keeps_its_flow_live() {
    let mut world = world(1_000_000, &[1_000_000]);
    let mut watch = world.begin();
    for _ in 0..20 {
        world.now += PACE.idle / 2;
        world.send(0, true);
        assert_eq!(watch.look(&world.sight()).live, 1);
    }
    world.now += PACE.idle;
    assert_eq!(watch.look(&world.sight()).live, 1, "to the end of an epoch");
    world.now += EPOCH;
    assert_eq!(watch.look(&world.sight()).live, 0);
}

#[test]
fn flows_that_find_no_room_are_heard_of_by_the_counter() {
    let mut world = world(1_000_000, &[]);
    world.flows.push(Flow {
        last: 0,
        entry: None,
    });
    let mut watch = world.begin();
    for _ in 0..5 {
        world.now += PACE.idle;
        world.send(0, false);
        let progress = watch.look(&world.sight());
        assert!(progress.is_crowded && !progress.is_over(), "{progress:?}");
    }
    world.now += PACE.idle;
    assert!(watch.look(&world.sight()).is_over());
}

#[test]
fn a_backend_that_no_slot_goes_back_to_has_no_unknown_flows() {
    let world = world(1_000_000, &[]);
    let sight = Sight {
        has_unknown: false,
        ..world.sight()
    };
    assert!(world.begin().look(&sight).is_over());
}

/// Random packets of known, unknown and crowded flows, random looks: whenever it
/// is said to be over, all flows were silent for the idle time; and once they are,
/// it is said soon.
#[test]
fn what_is_claimed_is_true_and_comes_soon() {
    for seed in 1..=500_u64 {
        let mut state = seed << 32 | 1;
        let mut dice = |n: u64| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(11);
            (state >> 33) % n
        };
        let start = 50_000_000 + dice(1_000_000);
        let ages: Vec<u64> = (0..dice(5)).map(|_| start - dice(1_500_000)).collect();
        let mut world = world(start, &ages);
        for _ in 0..dice(4) {
            world.flows.push(Flow {
                last: start - dice(10_000),
                entry: None,
            });
        }
        let mut watch = world.begin();
        let talk_until = start + dice(60_000);
        let mut claims = 0;
        for _ in 0..200 {
            world.now += 1 + dice(1_500);
            if !world.flows.is_empty() && world.now < talk_until && dice(4) == 0 {
                let n = usize::try_from(dice(world.flows.len() as u64)).expect("small");
                world.send(n, dice(3) > 0);
            }
            if dice(3) == 0 {
                continue;
            }
            let progress = watch.look(&world.sight());
            if progress.is_over() {
                claims += 1;
                let silence = world.silence();
                assert!(silence >= PACE.idle, "seed {seed}: {silence} ms");
            } else {
                let limit = talk_until.max(start) + PACE.idle + EPOCH + 10_000;
                assert!(world.now < limit, "seed {seed}: {progress:?}");
            }
        }
        assert!(claims > 0, "seed {seed}");
    }
}
