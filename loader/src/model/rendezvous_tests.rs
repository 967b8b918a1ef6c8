//! What choosing a stand-in promises.

use super::*;

const SLOTS: u32 = 1 << 14;

fn candidates(weights: &[u32]) -> Vec<Candidate> {
    (1..)
        .zip(weights)
        .map(|(n, &weight)| Candidate {
            name: mix(n),
            weight,
        })
        .collect()
}

fn owners(candidates: &[Candidate]) -> Vec<Option<Candidate>> {
    (0..SLOTS)
        .map(|slot| owner(slot, candidates).map(|index| candidates[index]))
        .collect()
}

#[test]
fn who_leaves_gives_up_its_own_slots_alone() {
    let all = candidates(&[3, 1, 4, 1, 5, 9, 2, 6]);
    for (left, leaver) in all.iter().enumerate() {
        let mut others = all.clone();
        others.remove(left);
        for (old, new) in owners(&all).iter().zip(owners(&others)) {
            assert!(*old == new || *old == Some(*leaver));
        }
    }
}

#[test]
fn who_gets_more_weight_loses_no_slot() {
    let before = candidates(&[3, 1, 4, 1, 5]);
    let mut after = before.clone();
    after[2].weight = 7;
    for (old, new) in owners(&before).into_iter().zip(owners(&after)) {
        let is_new = new == Some(after[2]);
        assert!(is_new || old == new);
    }
}

#[test]
fn slots_are_shared_by_weight() {
    let weights = [1, 10, 100, 1000, 5000];
    let all = candidates(&weights);
    let owners = owners(&all);
    let total: u32 = weights.iter().sum();
    for candidate in all {
        let owned = owners.iter().filter(|&&o| o == Some(candidate)).count() as f64;
        let share = f64::from(candidate.weight) / f64::from(total);
        let ideal = f64::from(SLOTS) * share;
        let deviation = (ideal * (1.0 - share)).sqrt();
        assert!(
            (owned - ideal).abs() < 4.0 * deviation,
            "{owned} of {ideal}"
        );
    }
}

#[test]
fn the_order_of_the_candidates_does_not_matter() {
    let mut all = candidates(&[3, 1, 4, 1, 5, 9, 2, 6]);
    let before = owners(&all);
    all.reverse();
    assert_eq!(owners(&all), before);
}

#[test]
fn who_has_no_weight_gets_nothing() {
    assert_eq!(owner(1, &[]), None);
    assert_eq!(owner(1, &candidates(&[0, 0])), None);
    assert!((0..SLOTS).all(|slot| owner(slot, &candidates(&[0, 1, 0])) == Some(1)));
}

#[test]
fn candidates_of_the_same_name_are_told_apart_by_their_place() {
    let twins = [Candidate { name: 5, weight: 2 }; 2];
    assert!((0..SLOTS).all(|slot| owner(slot, &twins) == Some(0)));
}

#[test]
fn waiting_times_are_logarithms() {
    const WORDS: f64 = 18_446_744_073_709_551_616.0;
    let random = |bits: u32| (0..100).map(move |n| mix(n) >> bits);
    let words = (0..64).flat_map(|bits| random(bits).chain(random(bits).map(|word| !word)));
    for word in words.chain([0, 1, u64::MAX - 1, u64::MAX]) {
        // Each where it is exact enough: close to 1, and close to 0.
        let expected = if word < 1 << 63 {
            -(-(word as f64) / WORDS).ln_1p()
        } else {
            -((!word | 1) as f64 / WORDS).ln()
        };
        let expected = expected * 4_294_967_296.0;
        let error = (wait(word) as f64 - expected).abs();
        assert!(
            error < 4.0 + expected * 1e-7,
            "{word:x}: {error} off {expected}"
        );
        assert!(wait(word) < 1 << 38 && wait(word) + WAIT_ERROR >= word >> 32);
    }
    assert_eq!(wait(0), 0);
}

/// See the test of the same name for Maglev tables.
#[test]
fn the_owners_are_the_same_on_every_machine() {
    let all = candidates(&[3, 100, 41, 1, 65_535, 9, 2000, 6]);
    let indices = (0..SLOTS).filter_map(|slot| owner(slot, &all));
    let hash = indices.fold(0xcbf2_9ce4_8422_2325, |hash: u64, index| {
        (hash ^ index as u64).wrapping_mul(0x100_0000_01b3)
    });
    assert_eq!(hash, 18_069_441_798_963_673_235);
}
