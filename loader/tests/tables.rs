//! What the tables of slots promise at their full size. The figures that are
//! bounds here, and how long it takes, are printed by `examples/control.rs`.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

use dsrload::model::maglev::{Candidate, table};
use dsrload::model::slots::{Member, State, owners, patch};

const SLOTS: u32 = 1 << 16;

/// Numbers without end, the same for the same seed (`splitmix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).expect("below 32 bits")
    }
}

/// Candidates with weights from 1 to `heaviest`.
fn candidates(seed: u64, count: usize, heaviest: u32) -> Vec<Candidate> {
    let mut dice = Dice(seed << 32);
    let candidate = |_| Candidate {
        name: dice.next(),
        weight: 1 + dice.below(heaviest),
    };
    (0..count).map(candidate).collect()
}

fn members(candidates: &[Candidate]) -> Vec<Member> {
    (1..)
        .zip(candidates)
        .map(|(number, &candidate)| Member {
            number,
            candidate,
            state: State::Ready,
        })
        .collect()
}

fn weight(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|c| f64::from(c.weight)).sum()
}

/// How many slots each number owns.
fn loads(owners: &[u16]) -> Vec<f64> {
    let largest = owners.iter().max().map_or(0, |&owner| usize::from(owner));
    let mut loads = vec![0.0; largest + 1];
    for &owner in owners {
        loads[usize::from(owner)] += 1.0;
    }
    loads
}

/// How many slots differ, as a part of all.
fn moved(before: &[u16], after: &[u16]) -> f64 {
    assert_eq!(before.len(), after.len());
    let differ = before.iter().zip(after).filter(|(a, b)| a != b).count();
    differ as f64 / before.len() as f64
}

/// Slots are whole: a share of less than 50 cannot always be met within 2 %, but
/// within one slot. Above it 2 % is meant as it stands.
#[test]
fn a_hundred_backends_of_unequal_weights_have_their_shares_within_two_percent() {
    let weights = [2, 10, 100, 1000, 65_535];
    for (seed, heaviest) in (1..=10).zip(weights.into_iter().cycle()) {
        let mut candidates = candidates(seed, 100, heaviest);
        // A few giants among dwarfs: the hardest to be fair to.
        if heaviest == 1000 {
            for candidate in &mut candidates[..3] {
                candidate.weight = 50_000;
            }
        }
        let loads = loads(&table(&candidates, SLOTS));
        let total = weight(&candidates);
        let mut meaningful = 0;
        for (candidate, load) in candidates.iter().zip(loads) {
            let ideal = f64::from(SLOTS) * f64::from(candidate.weight) / total;
            let off = (load - ideal).abs();
            assert!(off < 1.0 || off <= ideal * 0.02, "{load} of {ideal}");
            meaningful += u32::from(ideal >= 50.0);
        }
        assert!(meaningful > 50, "{meaningful} of weights up to {heaviest}");
    }
}

/// Adds backends one by one, up to the 101st.
fn assert_that_newcomers_disturb_little(seed: u64, heaviest: u32) {
    let all = candidates(seed, 101, heaviest);
    let mut before = table(&all[..2], SLOTS);
    for count in 2..=100 {
        let after = table(&all[..=count], SLOTS);
        let newcomer = f64::from(all[count].weight) / weight(&all[..count]);
        let share = newcomer.max(1.0 / count as f64);
        let moved = moved(&before, &after);
        assert!(moved <= 1.25 * share, "{count} and one: {moved}, {share}");
        before = after;
    }
}

#[test]
fn a_backend_more_than_n_moves_at_most_five_quarters_of_an_nth() {
    assert_that_newcomers_disturb_little(1, 1);
}

/// A newcomer takes what its weight is against the others': one that is heavier
/// than the average takes more than an Nth, whoever decides.
#[test]
fn a_backend_more_of_another_weight_moves_as_little() {
    for (seed, heaviest) in [(2, 100), (3, 5)] {
        assert_that_newcomers_disturb_little(seed, heaviest);
    }
}

fn is_out(members: &[Member], number: u16) -> bool {
    members[usize::from(number) - 1].state != State::Ready
}

/// Backends fail, rest and return, up to three at a time.
fn assert_that_only_its_own_slots_move(seed: u64, count: usize, heaviest: u32, slots: u32) {
    let mut dice = Dice(seed);
    let candidates = candidates(seed, count, heaviest);
    let mut members = members(&candidates);
    let table = table(&candidates, slots);
    let healthy = patch(&table, &members);
    assert_eq!(owners(&members, slots), healthy);
    let mut before = healthy.clone();
    let mut out = Vec::new();
    for _ in 0..30 {
        let index = usize::try_from(dice.below(1000)).expect("small") % count;
        let fails = out.len() < 3.min(count - 1) && !out.contains(&index);
        let index = if fails { index } else { out.remove(0) };
        members[index].state = if fails {
            out.push(index);
            [State::Down, State::Drain, State::Maint][out.len() % 3]
        } else {
            State::Ready
        };
        let after = patch(&table, &members);
        let number = members[index].number;
        for (old, new) in before.iter().zip(&after) {
            let its = if fails { old } else { new };
            assert!(old == new || *its == number, "{number}: {old} became {new}");
        }
        // Who is in has all its slots, and who is out has none.
        for (&ideal, owner) in healthy.iter().zip(&after) {
            assert!(*owner == ideal || is_out(&members, ideal));
            assert!(!is_out(&members, *owner));
        }
        before = after;
    }
    for index in out {
        members[index].state = State::Ready;
    }
    assert_eq!(patch(&table, &members), healthy);
}

#[test]
fn a_backend_that_goes_down_moves_no_slot_of_others_and_comes_back_to_its_own() {
    for (seed, count) in (1..).zip([2, 3, 10, 100, 1000]) {
        for heaviest in [1, 10, 1000] {
            for slots in [1, 256, 1 << 14] {
                assert_that_only_its_own_slots_move(seed, count, heaviest, slots);
            }
        }
    }
    assert_that_only_its_own_slots_move(9, 100, 10, SLOTS);
}

#[test]
fn when_one_of_ten_fails_the_others_stay_within_three_percent() {
    for seed in 0..5 {
        let mut members = members(&candidates(seed, 10, 1));
        let table = table(&candidates(seed, 10, 1), SLOTS);
        for failed in 0..10 {
            members[failed].state = State::Down;
            let loads = loads(&patch(&table, &members));
            let ideal = f64::from(SLOTS) / 9.0;
            for member in members.iter().filter(|m| m.state == State::Ready) {
                let load = loads[usize::from(member.number)];
                assert!((load - ideal).abs() <= ideal * 0.03, "{load} of {ideal}");
            }
            members[failed].state = State::Ready;
        }
    }
}

#[test]
fn the_order_of_the_config_does_not_matter() {
    for (seed, count, slots) in [(6, 100, SLOTS), (7, 2, 1), (8, 7, 256), (9, 1000, 1 << 14)] {
        let mut members = members(&candidates(seed, count, 1000));
        for member in &mut members[count * 2 / 5..count * 3 / 5] {
            member.state = State::Drain;
        }
        let before = owners(&members, slots);
        let mut dice = Dice(seed);
        for _ in 0..3 {
            for last in (1..members.len()).rev() {
                let limit = u32::try_from(last + 1).expect("few");
                members.swap(last, usize::try_from(dice.below(limit)).expect("few"));
            }
            assert_eq!(owners(&members, slots), before);
        }
    }
}

#[test]
fn a_backend_without_weight_gets_no_new_flows() {
    let mut members = members(&candidates(7, 20, 10));
    members[4].candidate.weight = 0;
    members[9].state = State::Down;
    members[11].state = State::Maint;
    let owners = owners(&members, SLOTS);
    for (index, member) in members.iter().enumerate() {
        let is_in = ![4, 9, 11].contains(&index);
        assert_eq!(owners.contains(&member.number), is_in, "{member:?}");
    }
}
