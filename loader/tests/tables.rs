//! What the tables of slots promise at their full size. The figures that are
//! bounds here, and how long it takes, are printed by `examples/tables.rs`.
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
    for (seed, heaviest) in [(1, 2), (2, 10), (3, 100), (4, 1000), (5, 65_535)] {
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
    assert_that_newcomers_disturb_little(2, 100);
}

#[test]
fn a_backend_that_goes_down_moves_no_slot_of_others_and_comes_back_to_its_own() {
    let mut dice = Dice(3);
    let mut members = members(&candidates(3, 100, 10));
    let candidates: Vec<Candidate> = members.iter().map(|m| m.candidate).collect();
    let table = table(&candidates, SLOTS);
    let healthy = patch(&table, &members);
    let mut before = healthy.clone();
    let mut down = Vec::new();
    for _ in 0..40 {
        // Three fail, one after the other, then they return in that order.
        let fails = down.len() < 3;
        let index = if fails {
            usize::try_from(dice.below(100)).expect("small")
        } else {
            down.remove(0)
        };
        members[index].state = if fails { State::Down } else { State::Ready };
        if fails {
            down.push(index);
        }
        let after = patch(&table, &members);
        let number = members[index].number;
        for (old, new) in before.iter().zip(&after) {
            let its = if fails { old } else { new };
            assert!(old == new || *its == number, "{number}: {old} became {new}");
        }
        before = after;
        if !fails {
            // Drawn twice, it is back already.
            down.retain(|&other| other != index);
        }
    }
    for member in &mut members {
        member.state = State::Ready;
    }
    assert_eq!(patch(&table, &members), healthy);
    assert_eq!(owners(&members, SLOTS), healthy);
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
    let mut members = members(&candidates(6, 100, 1000));
    for member in &mut members[40..60] {
        member.state = State::Drain;
    }
    let before = owners(&members, SLOTS);
    let mut dice = Dice(6);
    for last in (1..members.len()).rev() {
        let limit = u32::try_from(last + 1).expect("few");
        members.swap(last, usize::try_from(dice.below(limit)).expect("few"));
    }
    assert_eq!(owners(&members, SLOTS), before);
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
