//! How long it takes to build and to patch the table of a service's slots, and
//! what a newcomer moves. Nothing is loaded.

use super::report::{Row, rows};
use dsrload::model::maglev::{Candidate, table};
use dsrload::model::slots::{Fate, Member, State, patch, transition};
use std::io;
use std::time::Instant;
use xdp_prog::abi::state::slot::settled;

/// How often each is measured.
const TIMES: usize = 20;

/// Table sizes, numbers of backends, and the heaviest weight.
const SLOTS: [u32; 3] = [1 << 9, 1 << 14, 1 << 16];
const BACKENDS: [u64; 6] = [2, 4, 10, 100, 1000, 4000];
const WEIGHTS: [u64; 2] = [1, 100];

/// All of them.
///
/// # Errors
///
/// None that is known.
pub fn measure() -> io::Result<Vec<Row>> {
    let mut all = Vec::new();
    for slots in SLOTS {
        for count in BACKENDS.into_iter().filter(|&n| n <= u64::from(slots)) {
            for heaviest in WEIGHTS {
                all.extend(one(slots, count, heaviest)?);
            }
        }
    }
    Ok(all)
}

fn one(slots: u32, count: u64, heaviest: u64) -> io::Result<Vec<Row>> {
    let mut members: Vec<Member> = (1..=count).map(|n| member(n, heaviest)).collect();
    let candidates: Vec<Candidate> = members.iter().map(|m| m.candidate).collect();
    let (build, owners) = timed(|| table(&candidates, slots));
    let healthy: Vec<u32> = patch(&owners, &members).into_iter().map(settled).collect();

    members[0].state = State::Down;
    let (one_down, new) = timed(|| patch(&owners, &members));
    let (words, _) = timed(|| transition(&healthy, &new, |_| Fate::Gone));
    for member in members.iter_mut().step_by(2) {
        member.state = State::Down;
    }
    let (half_down, _) = timed(|| patch(&owners, &members));

    let name = format!("{slots} slots, {count} backends, weights 1-{heaviest}");
    let called = |(program, times): (&str, Vec<f64>)| (program.to_owned(), times);
    let measured = [
        ("build", build),
        ("patch, one down", one_down),
        ("patch, half down", half_down),
        ("words of the change", words),
    ];
    let mut all = rows("table", &name, "ms", "build", &measured.map(called))?;
    let moved = moved_by_one_more(&owners, &candidates, slots, heaviest);
    let moved = [called(("moved by one more", vec![moved]))];
    all.extend(rows("table", &name, "x", "moved by one more", &moved)?);
    Ok(all)
}

/// How many slots one more backend moves, of those that are its share.
fn moved_by_one_more(owners: &[u16], candidates: &[Candidate], slots: u32, heaviest: u64) -> f64 {
    let mut more = candidates.to_vec();
    more.push(member(candidates.len() as u64 + 1, heaviest).candidate);
    let after = table(&more, slots);
    let moved = owners.iter().zip(&after).filter(|(a, b)| a != b).count();
    let weight = |c: &[Candidate]| c.iter().map(|c| f64::from(c.weight)).sum::<f64>();
    let share = weight(&more[candidates.len()..]) / weight(candidates);
    moved as f64 / f64::from(slots) / share
}

fn member(number: u64, heaviest: u64) -> Member {
    let name = mix(number);
    Member {
        number: u16::try_from(number).unwrap_or(u16::MAX),
        candidate: Candidate {
            name,
            weight: u32::try_from(1 + mix(name) % heaviest).unwrap_or(1),
        },
        state: State::Ready,
    }
}

/// What it took each time, in milliseconds, and what came of it.
fn timed<T>(act: impl Fn() -> T) -> (Vec<f64>, T) {
    let mut result = act();
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        result = act();
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    (times, result)
}

/// `splitmix64`'s finisher (Steele, Lea, Flood, 2014).
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
