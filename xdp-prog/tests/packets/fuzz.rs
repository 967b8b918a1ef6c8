//! Any bytes are packets: the body of the fuzz target (`xdp-prog/fuzz`), and of
//! the test that gives it the same inputs (`xdp-prog/tests/corpus.rs`).
//!
//! | bytes | meaning                                                          |
//! |-------|------------------------------------------------------------------|
//! | 1     | the epoch that the clock shows                                   |
//! | 1     | epochs that pass after each packet                               |
//! | 1     | the number of a destination that something befell                |
//! | 1     | how often all packets come, less one (2 bits); whether frames can be cut (1); what befell the destination (2) |
//! | 2     | length of a frame, big-endian                                    |
//! | ...   | the frame; further lengths and frames follow                     |
//!
//! What is missing at the end is zero; the last frame ends with the input.

use crate::judge::{count, judge_count, judge_frame, words};
use crate::packets::fixture::Fixture;
use crate::packets::site::{LAST_DESTINATION, destination};
use crate::packets::snapshot::Snapshot;
use crate::packets::subject::{Host, Subject};
use crate::packets::world::{World, forget_up_to};
use xdp_prog::abi::state::destination as flag;
use xdp_prog::balance::{Apart, Decision};
use xdp_prog::host::{Window, run};
use xdp_prog::packet::{Buffer, Frame};
use xdp_prog::tables::Tables;

/// Bytes before the frames.
const HEAD: usize = 4;

/// A flow table so small that it is soon full.
const BUCKETS: u32 = 16;

/// As many destinations as the world has, and some that nothing may go to.
const SOME: u16 = LAST_DESTINATION + 8;

/// Bytes on each side of a frame: more than a header could stick out of it.
const MARGIN: usize = 1024;

/// Room before a frame that is alone: for the outer headers of the longest tunnel,
/// and for those of an ICMP error.
const HEADROOM: usize = 48;

/// What stands there. A byte that is written differs from one of the two, and a
/// byte that is read is another one each time. Alone, a frame fills its memory
/// to the last byte, so that an address sanitizer sees where it ends; before it is
/// what the longest headers take.
const OUTSIDE: [Option<u8>; 3] = [None, Some(0x00), Some(0xff)];

/// Balancers that see the same packets, each with something else around them.
pub struct Bench([Host; OUTSIDE.len()]);

impl Bench {
    /// Balancers that have seen nothing yet.
    pub fn new() -> Self {
        let world = World::new();
        Self(OUTSIDE.map(|_| {
            let host = Host::at_epoch(0);
            let settings = host.tables().settings();
            settings.bucket_mask.set(BUCKETS - 1);
            world.fill(&host);
            host
        }))
    }

    /// Balances the packets of an input, in a world that has seen none before.
    /// Gives how many there were.
    ///
    /// # Panics
    ///
    /// If anything has changed but the right bytes of a frame, if a packet was
    /// not counted once, or if what is around a frame made a difference.
    pub fn run(&self, input: &[u8]) -> usize {
        let at = |place: usize| input.get(place).copied().unwrap_or(0);
        let [mut epoch, gap, number, manner] = [at(0), at(1), at(2), at(3)];
        for host in &self.0 {
            forget_up_to(SOME, host.tables());
            host.tables().forget_fragments();
            befall(host, number.into(), manner >> 3);
        }
        let frames = frames(input.get(HEAD..).unwrap_or_default());
        let rounds = usize::from(manner & 3) + 1;
        for frame in frames.iter().cycle().take(frames.len() * rounds) {
            for host in &self.0 {
                host.set_epoch(epoch);
            }
            if let Err(fault) = self.give(frame, manner & 4 == 0) {
                panic!("{fault}\nin:  {}", words(frame));
            }
            epoch = epoch.wrapping_add(gap);
        }
        let [alone, others @ ..] = self.0.each_ref().map(|h| Snapshot::up_to(SOME, h.tables()));
        for other in others {
            assert_eq!(
                alone, other,
                "what is around the frames shows in the tables"
            );
        }
        frames.len() * rounds
    }

    /// One frame for all.
    fn give(&self, frame: &[u8], can_cut: bool) -> Result<(), String> {
        let mut first = None;
        for (host, outside) in self.0.iter().zip(OUTSIDE) {
            let before = count(host);
            let (decision, after) = balanced(host, frame, outside, can_cut)?;
            judge_count(&decision, before, count(host))?;
            judge_frame(&decision, frame, &after)?;
            let got = (decision, after);
            match &first {
                Some(first) if *first != got => {
                    return Err(format!("what is around it matters: {first:?}, {got:?}"));
                }
                _ => first = Some(got),
            }
        }
        Ok(())
    }
}

/// What becomes of a destination before the packets come: it goes out, and
/// perhaps its clients are told; it is given up; it comes back.
fn befall(host: &Host, number: u16, fate: u8) {
    let flags = |number| &host.tables().destination(number).flags;
    for number in 1..=LAST_DESTINATION {
        let (.., usual) = destination(number);
        flags(number).set(usual);
    }
    if (1..=LAST_DESTINATION).contains(&number) {
        flags(number).set(match fate & 3 {
            0 => flag::LIVE | flag::OUT,
            1 => flag::LIVE | flag::OUT | flag::RESET,
            2 => 0,
            _ => flag::LIVE,
        });
    }
}

/// The frames of an input.
fn frames(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, bytes)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(bytes.len());
        let (frame, more) = bytes.split_at(length);
        frames.push(frame);
        rest = more;
    }
    frames
}

/// A frame among bytes of this value, or alone: what was decided, and what it
/// is now.
fn balanced(
    host: &Host,
    frame: &[u8],
    outside: Option<u8>,
    can_cut: bool,
) -> Result<(Decision, Vec<u8>), String> {
    let (before, behind) = outside.map_or((HEADROOM, 0), |_| (MARGIN, MARGIN));
    let fill = outside.unwrap_or(0);
    let mut memory = vec![fill; before + frame.len() + behind];
    let inside = before..before + frame.len();
    memory[inside.clone()].copy_from_slice(frame);
    let mut window = Window::new(&mut memory, inside.clone());
    let decision = if can_cut {
        run(&mut window, host.tables())
    } else {
        run(Uncut(&mut window), host.tables())
    };
    let place = window.place();
    let after = memory[place.clone()].to_vec();
    let is_untouched = |bytes: &[u8]| bytes.iter().all(|byte| *byte == fill);
    if is_untouched(&memory[..place.start]) && is_untouched(&memory[inside.end..]) {
        return Ok((decision, after));
    }
    Err(format!(
        "{decision:?}: bytes outside of the frame were written"
    ))
}

/// A frame that cannot be cut, as old kernels have them.
struct Uncut<B>(B);

impl<B: Apart> Apart for Uncut<B> {}

impl<B: Apart> Buffer for Uncut<B> {
    fn frame(&mut self) -> Frame<'_> {
        self.0.frame()
    }

    fn cut(&mut self, _: usize) -> bool {
        false
    }

    fn grow(&mut self, by: usize) -> bool {
        self.0.grow(by)
    }

    fn shrink(&mut self, by: usize) -> bool {
        self.0.shrink(by)
    }
}

/// An input of these frames, which come once.
pub fn input(frames: &[&[u8]]) -> Vec<u8> {
    let mut input = vec![0; HEAD];
    for frame in frames {
        // A longer one loses its end.
        let length = u16::try_from(frame.len()).unwrap_or(u16::MAX);
        input.extend(length.to_be_bytes());
        input.extend(&frame[..usize::from(length)]);
    }
    input
}

/// The frames of a fixture as inputs: once; again and again, while time passes;
/// and where they cannot be cut. Destinations that it takes out are out.
pub fn seeds(fixture: &Fixture) -> [Vec<u8>; 3] {
    let frames: Vec<&[u8]> = fixture.steps.iter().map(|s| &s.frame[..]).collect();
    let mut steps = fixture.steps.iter();
    let out = steps.find_map(|step| step.down.or(step.dead)).unwrap_or(0);
    let out = u8::try_from(out).expect("a few destinations");
    [[0, 0, out, 0], [250, 3, out, 3], [0, 0, out, 4]].map(|head| {
        let mut input = input(&frames);
        input[..HEAD].copy_from_slice(&head);
        input
    })
}
