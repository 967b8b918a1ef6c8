//! Hundreds of thousands of frames that nobody thought of: whatever comes,
//! nothing panics, each packet is counted once, and nothing but the MACs of a
//! forwarded frame is ever written.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod packets;

#[path = "packets/generator.rs"]
mod generator;

use generator::Generator;
use packets::check::check;
use packets::checksum;
use packets::fixture::{self, Fixture};
use packets::flow;
use packets::site::LAST_DESTINATION;
use packets::snapshot::{counters, outcomes};
use packets::subject::{Host, Subject};
use packets::world::World;
use std::path::Path;
use xdp_prog::abi::Outcome;
use xdp_prog::abi::limits::OUTCOMES;
use xdp_prog::balance::Decision;
use xdp_prog::forward::REDIRECT;

const FRAMES: usize = 300_000;

/// Any number; the frames are the same in every run.
const SEED: u64 = 0x005e_ed0f_f4a3_e500;

/// Length of both MACs.
const MACS: usize = 12;

/// No header of an echo starts later than this, or is longer.
const ECHO: usize = 512 + 8;

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
            panic!("frame {n}, {decision:?}: {fault}\nin:  {}", words(&frame));
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

/// Destinations that are looked at: those of the world, and others that
/// nothing may be sent to.
const DESTINATIONS: usize = LAST_DESTINATION as usize + 8;

/// How often each outcome came up and, behind these, each destination was sent
/// a packet.
type Count = [u64; OUTCOMES + DESTINATIONS];

fn count(host: &Host) -> Count {
    let mut count = [0; OUTCOMES + DESTINATIONS];
    for (outcome, times) in outcomes(host.tables()) {
        count[outcome] = times;
    }
    let last = u16::try_from(DESTINATIONS - 1).expect("a few");
    for (destination, [packets, ..]) in counters(host.tables(), last) {
        count[OUTCOMES + usize::from(destination)] = packets;
    }
    count
}

/// Exactly one counter has moved, by one: the right one.
fn judge_count(decision: &Decision, before: Count, counted: Count) -> Result<(), String> {
    let mut expected = before;
    let moves = match decision.outcome() {
        Outcome::Forwarded => OUTCOMES + usize::from(decision.destination()),
        other => other as usize,
    };
    expected[moves] += 1;
    if expected == counted {
        return Ok(());
    }
    Err(format!("counted {counted:?}, before {before:?}"))
}

/// The action is the outcome's, and nothing is written but the MACs of a
/// forwarded frame and the headers of an answer.
fn judge_frame(decision: &Decision, frame: &[u8], after: &[u8]) -> Result<(), String> {
    let forwarded = decision.outcome() == Outcome::Forwarded;
    let redirected = forwarded && decision.action() == REDIRECT;
    if decision.action() != decision.outcome().verdict() as u32 && !redirected {
        return Err("the action is not the outcome's".to_owned());
    }
    let became = |fault: &str| Err(format!("{fault}\nout: {}", words(after)));
    let kept = match decision.outcome() {
        Outcome::Forwarded => MACS,
        Outcome::EchoAnswered => ECHO,
        Outcome::ResetSent => {
            let length = flow::ip(frame).map(|(at, version)| match version {
                4 => at + 20 + 20,
                _ => at + 40 + 20,
            });
            return match (length == Some(after.len()), checksum::check(after)) {
                (true, Ok(())) => Ok(()),
                (true, Err(fault)) => became(&fault),
                (false, _) => became("it has another length"),
            };
        }
        _ => 0,
    };
    let same = |from: usize| frame.get(from..) == after.get(from..);
    if frame.len() == after.len() && (same(kept) || kept == ECHO && frame.len() < ECHO) {
        return Ok(());
    }
    became("it changed")
}

/// A frame as fixtures write it.
fn words(frame: &[u8]) -> String {
    let word = |word: &[u8]| -> String { word.iter().map(|b| format!("{b:02x}")).collect() };
    let words: Vec<String> = frame.chunks(2).map(word).collect();
    words.join(" ")
}
