//! Who owns slots, and what a change makes of single slots. That no flow is
//! lost over sequences of changes is shown with the [sweep](crate::model::sweep).

use super::*;
use xdp_prog::abi::state::slot::{settled, unsettled};

const SLOTS: u32 = 1 << 10;

fn member(number: u16, weight: u32, state: State) -> Member {
    Member {
        number,
        candidate: Candidate {
            name: u64::from(number) << 50 | 1,
            weight,
        },
        state,
    }
}

fn members(weights: &[u32]) -> Vec<Member> {
    (1..)
        .zip(weights)
        .map(|(number, &weight)| member(number, weight, State::Ready))
        .collect()
}

#[test]
fn a_member_that_is_not_ready_gives_up_its_slots_and_nobody_else_does() {
    let all = members(&[5, 1, 3, 2]);
    let before = owners(&all, SLOTS);
    for state in [State::Drain, State::Maint, State::Down] {
        let mut changed = all.clone();
        changed[2].state = state;
        let after = owners(&changed, SLOTS);
        assert!(before.contains(&3) && !after.contains(&3));
        for (old, new) in before.iter().zip(&after) {
            assert!(old == new || *old == 3, "{old} became {new}");
        }
        changed[2].state = State::Ready;
        assert_eq!(owners(&changed, SLOTS), before);
    }
}

#[test]
fn several_that_are_out_are_stood_in_for_by_weight() {
    let mut all = members(&[30, 10, 20, 20, 20]);
    for out in &mut all[2..] {
        out.state = State::Down;
    }
    let owned = owners(&all, 1 << 14);
    let of_first = owned.iter().filter(|&&owner| owner == 1).count();
    let of_second = owned.iter().filter(|&&owner| owner == 2).count();
    assert_eq!(of_first + of_second, owned.len());
    assert!((2.8..3.2).contains(&(of_first as f64 / of_second as f64)));
}

#[test]
fn who_has_no_weight_stands_in_for_nobody() {
    let mut all = members(&[1, 0, 1]);
    all[0].state = State::Down;
    assert!(owners(&all, SLOTS).iter().all(|&owner| owner == 3));
    all[2].state = State::Drain;
    assert_eq!(owners(&all, SLOTS), vec![0; 1 << 10]);
}

#[test]
fn without_members_or_weights_nobody_owns_a_slot() {
    for members in [members(&[]), members(&[0, 0])] {
        assert_eq!(owners(&members, SLOTS), vec![0; 1 << 10]);
    }
}

#[test]
fn a_kept_table_is_patched_to_the_same_owners() {
    let mut all = members(&[7, 1, 4]);
    let candidates: Vec<Candidate> = all.iter().map(|m| m.candidate).collect();
    let table = maglev::table(&candidates, SLOTS);
    for state in [State::Ready, State::Down] {
        all[0].state = state;
        assert_eq!(patch(&table, &all), owners(&all, SLOTS));
    }
}

/// One slot, its new owner, and what it holds then. 4 is told, 5 is gone, all
/// others stay.
fn change(old: u32, owner: u16) -> u32 {
    let fate = |number| match number {
        0 => panic!("0 is nobody, who has no fate"),
        4 => Fate::Told,
        5 => Fate::Gone,
        _ => Fate::Stays,
    };
    let new = transition(&[old], &[owner], fate);
    let has_moved = current(old) != owner;
    assert_eq!(new.moved, usize::from(has_moved));
    assert_eq!(current(new.words[0]), owner);
    new.words[0]
}

#[test]
fn a_settled_slot_remembers_whom_its_flows_belong_to() {
    assert_eq!(change(settled(1), 1), settled(1));
    assert_eq!(change(settled(1), 2), unsettled(2, 1));
    assert_eq!(change(settled(1), 0), unsettled(0, 1));
    assert_eq!(change(settled(0), 1), unsettled(1, 0));
    assert_eq!(change(settled(0), 0), settled(0));
}

#[test]
fn an_unsettled_slot_keeps_its_oldest_owner() {
    assert_eq!(change(unsettled(2, 1), 2), unsettled(2, 1));
    assert_eq!(change(unsettled(2, 1), 3), unsettled(3, 1));
    assert_eq!(change(unsettled(2, 0), 3), unsettled(3, 0));
}

#[test]
fn a_change_that_is_taken_back_leaves_the_slot_unsettled() {
    assert_eq!(change(unsettled(2, 1), 1), unsettled(1, 1));
    assert_eq!(change(unsettled(1, 1), 1), unsettled(1, 1));
}

#[test]
fn an_owner_whose_flows_are_told_is_remembered_and_one_that_is_gone_is_not() {
    assert_eq!(change(settled(4), 1), unsettled(1, 4));
    assert_eq!(change(unsettled(2, 4), 2), unsettled(2, 4));
    assert_eq!(change(settled(5), 1), unsettled(1, 0));
    assert_eq!(change(unsettled(2, 5), 2), unsettled(2, 0));
    assert_eq!(change(unsettled(2, 5), 3), unsettled(3, 0));
}

#[test]
fn slots_are_unsettled_with_their_owner_as_the_previous_one() {
    let words = [settled(1), unsettled(2, 1), unsettled(2, 0), settled(0)];
    let unsettled = [
        unsettled(1, 1),
        unsettled(2, 1),
        unsettled(2, 0),
        unsettled(0, 0),
    ];
    assert_eq!(unsettle(&words), unsettled);
}
