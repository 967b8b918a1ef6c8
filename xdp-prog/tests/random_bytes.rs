//! Hundreds of thousands of frames that nobody thought of: whatever comes,
//! nothing panics, each packet is counted once, and nothing is ever written but
//! the MACs of a forwarded frame, what is put around it, and answers.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod packets;

#[path = "packets/generator.rs"]
mod generator;
#[path = "packets/judge.rs"]
mod judge;

use generator::Generator;
use judge::{count, judge_count, judge_frame, words};
use packets::check::check;
use packets::fixture::{self, Fixture};
use packets::subject::Host;
use packets::world::World;
use std::path::Path;
use xdp_prog::abi::Outcome;

const FRAMES: usize = 300_000;

/// Any number; the frames are the same in every run.
const SEED: u64 = 0x005e_ed0f_f4a3_e500;

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixture::read_all(&folder).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn no_frame_is_counted_twice_or_changed_beyond_its_macs() {
    let fixtures = fixtures();
    let mut generator = Generator::new(SEED, &fixtures);
    let mut host = Host::at_epoch(0);
    let world = World::new();
    world.fill(&host);

    let mut seen = [0; Outcome::ALL.len()];
    let mut known = 0;
    let mut before = count(&host);
    for n in 0..FRAMES {
        if n % 1000 == 0 {
            let epoch = generator.below(256);
            host.set_epoch(u8::try_from(epoch).expect("below 256"));
        }
        let frame = generator.frame();
        let mut after = frame.clone();
        let decision = host.decide(&mut after);
        let counted = count(&host);
        let judged = judge_count(&decision, before, counted);
        if let Err(fault) = judged.and_then(|()| judge_frame(&decision, &frame, &after)) {
            let (frame, after) = (words(&frame), words(&after));
            panic!("frame {n}, {decision:?}: {fault}\nin:  {frame}\nout: {after}");
        }
        before = counted;
        seen[decision.outcome_number()] += 1;
        known += usize::from(decision.outcome() == Outcome::Forwarded && !decision.is_new());
    }

    // Else the frames are not worth their name.
    for outcome in Outcome::ALL {
        let times = seen[*outcome as usize];
        assert!(times > 50, "{} came up {times} times", outcome.name());
    }
    assert!(known > 1000, "only {known} packets of known flows");

    // Nor has any of them left something behind.
    for fixture in &fixtures {
        check(&mut host, &world, fixture).unwrap_or_else(|failure| panic!("{failure}"));
    }
}
