//! How long it takes to build and to patch the table of a service's slots, and
//! what a newcomer moves. Nothing is loaded, and no right is needed:
//!
//! ```text
//! cargo run --release --example tables
//! ```

use std::io::{self, Write};
use std::time::{Duration, Instant};

use dsrload::model::maglev::{Candidate, table};
use dsrload::model::slots::{Member, State, patch, transition};
use xdp_prog::abi::state::slot::settled;

/// The quickest of so many times counts: the others were disturbed.
const TIMES: usize = 20;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:>6} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}  moved by one more",
        "SLOTS", "BACKENDS", "WEIGHTS", "BUILD", "PATCH", "HALF DOWN", "WORDS"
    )?;
    for slots in [1 << 14, 1 << 16] {
        for count in [2, 10, 100, 1000, 4000] {
            for heaviest in [1, 100] {
                row(&mut out, slots, count, heaviest)?;
            }
        }
    }
    Ok(())
}

fn row(out: &mut impl Write, slots: u32, count: u64, heaviest: u64) -> io::Result<()> {
    let mut members: Vec<Member> = (1..=count).map(|n| member(n, heaviest)).collect();
    let candidates: Vec<Candidate> = members.iter().map(|m| m.candidate).collect();
    let (build, owners) = quickest(|| table(&candidates, slots));
    let healthy: Vec<u32> = patch(&owners, &members).into_iter().map(settled).collect();

    members[0].state = State::Down;
    let (one_down, new) = quickest(|| patch(&owners, &members));
    let (words, _) = quickest(|| transition(&healthy, &new, |_| dsrload::model::slots::Fate::Gone));
    for member in members.iter_mut().step_by(2) {
        member.state = State::Down;
    }
    let (half_down, _) = quickest(|| patch(&owners, &members));

    let mut more = candidates.clone();
    more.push(member(count + 1, heaviest).candidate);
    let after = table(&more, slots);
    let moved = owners.iter().zip(&after).filter(|(a, b)| a != b).count();
    let weight = |c: &[Candidate]| c.iter().map(|c| f64::from(c.weight)).sum::<f64>();
    let share = weight(&more[candidates.len()..]) / weight(&candidates);
    writeln!(
        out,
        "{slots:>6} {count:>8} {:>8} {:>9} {:>9} {:>9} {:>9}  {moved} slots, {:.2} times its share",
        format!("1-{heaviest}"),
        milliseconds(build),
        milliseconds(one_down),
        milliseconds(half_down),
        milliseconds(words),
        moved as f64 / f64::from(slots) / share,
    )
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

fn quickest<T>(act: impl Fn() -> T) -> (Duration, T) {
    let mut best = Duration::MAX;
    let mut result = act();
    for _ in 0..TIMES {
        let start = Instant::now();
        result = act();
        best = best.min(start.elapsed());
    }
    (best, result)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// `splitmix64`'s finisher (Steele, Lea, Flood, 2014).
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
