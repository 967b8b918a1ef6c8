//! What a table promises, on small ones. `tests/tables.rs` has the large ones.

use super::*;

/// Candidates with weights from 1 to `heaviest`, the same for the same seed.
fn candidates(seed: u64, count: usize, heaviest: u64) -> Vec<Candidate> {
    use crate::model::rendezvous::mix;
    let candidate = |n: usize| {
        let name = mix(seed << 32 | n as u64);
        let [weight, _] = halves(1 + mix(name) % heaviest);
        Candidate { name, weight }
    };
    (0..count).map(candidate).collect()
}

fn owned(table: &[u16], candidate: usize) -> usize {
    table
        .iter()
        .filter(|&&o| usize::from(o) == candidate)
        .count()
}

/// Compares everybody's number of slots with its ideal share.
fn assert_fair(candidates: &[Candidate], table: &[u16]) {
    let total: u64 = candidates.iter().map(|c| u64::from(c.weight)).sum();
    for (index, candidate) in candidates.iter().enumerate() {
        let ideal = (table.len() as u64 * u64::from(candidate.weight)) as f64 / total as f64;
        let off = (owned(table, index) as f64 - ideal).abs();
        assert!(
            off < 1.0 || off <= (ideal / 50.0).min(0.6 * ideal.sqrt()),
            "{candidate:?} of {total} in {} slots: {off} off {ideal}",
            table.len()
        );
    }
}

#[test]
fn everybody_gets_a_fair_share() {
    for slots in [1, 2, 16, 256, 4096] {
        for count in [1, 2, 3, 10, 60, 300, 1000] {
            for heaviest in [1, 3, 100, 65_535] {
                let candidates = candidates(slots, count, heaviest);
                let [slots, _] = halves(slots);
                let table = table(&candidates, slots);
                assert_eq!(table.len(), slots as usize);
                assert_fair(&candidates, &table);
            }
        }
    }
}

#[test]
fn shares_of_a_few_slots_are_fair_too() {
    for heaviest in [1, 7] {
        let candidates = candidates(5, 1500, heaviest);
        assert_fair(&candidates, &table(&candidates, 1 << 13));
    }
}

#[test]
fn the_order_of_the_candidates_does_not_matter() {
    let mut shuffled = candidates(1, 40, 9);
    let named = |candidates: &[Candidate]| -> Vec<Candidate> {
        let table = table(candidates, 1 << 12);
        table.iter().map(|&i| candidates[usize::from(i)]).collect()
    };
    let before = named(&shuffled);
    shuffled.reverse();
    assert_eq!(named(&shuffled), before);
    shuffled.rotate_left(13);
    assert_eq!(named(&shuffled), before);
}

#[test]
fn who_has_no_weight_owns_nothing_and_changes_nothing() {
    let some = candidates(2, 20, 9);
    let mut all = some.clone();
    let name = 77;
    all.push(Candidate { name, weight: 0 });
    assert_eq!(table(&all, 1 << 10), table(&some, 1 << 10));
    assert_eq!(table(&all[20..], 1 << 10), Vec::<u16>::new());
    assert_eq!(table(&[], 1 << 10), Vec::<u16>::new());
}

#[test]
fn candidates_of_the_same_name_share_evenly() {
    for (count, weight) in [(2, 1), (50, 3), (300, 65_535)] {
        let twins = vec![Candidate { name: 5, weight }; count];
        assert_fair(&twins, &table(&twins, 1 << 8));
    }
}

#[test]
fn a_weight_beyond_the_largest_counts_as_the_largest() {
    let pair = |weight| {
        let heavy = Candidate { name: 1, weight };
        [heavy, Candidate { name: 2, weight: 1 }]
    };
    let largest = table(&pair(WEIGHT_MAX), 1 << 18);
    assert_eq!(table(&pair(u32::MAX), 1 << 18), largest);
    assert_eq!(owned(&largest, 1), 4);
}

/// Balancers of one site must agree, and a new version must not move flows. So
/// whoever changes this figure has to say in the changelog what it costs.
#[test]
fn a_table_is_the_same_on_every_machine() {
    let table = table(&candidates(3, 70, 500), 1 << 14);
    let hash = table
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, &owner| {
            (hash ^ u64::from(owner)).wrapping_mul(0x100_0000_01b3)
        });
    assert_eq!(hash, 18_364_250_512_235_599_223);
}
