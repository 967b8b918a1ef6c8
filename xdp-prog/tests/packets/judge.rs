//! What holds for every frame, whatever it is: what is counted, and what may
//! be written.

use crate::packets::checksum;
use crate::packets::flow;
use crate::packets::site::LAST_DESTINATION;
use crate::packets::subject::{Host, Subject};
use xdp_prog::abi::Outcome;
use xdp_prog::abi::limits::OUTCOMES;
use xdp_prog::balance::Decision;
use xdp_prog::forward::REDIRECT;
use xdp_prog::tables::Tables;

/// Length of both MACs.
const MACS: usize = 12;

/// No header of an echo starts later than this, or is longer.
const ECHO: usize = 512 + 8;

/// Destinations that are looked at: those of the world, and others that
/// nothing may be sent to.
const DESTINATIONS: usize = LAST_DESTINATION as usize + 8;

/// How often each outcome came up and, behind these, each destination was sent
/// a packet.
pub type Count = [u64; OUTCOMES + DESTINATIONS];

/// How often each came up until now.
pub fn count(host: &Host) -> Count {
    let tables = host.tables();
    std::array::from_fn(|n| match n.checked_sub(OUTCOMES) {
        None => tables.outcomes().0[n].get(),
        Some(number) => {
            let number = u16::try_from(number).expect("a few destinations");
            tables.counter(number).packets.get()
        }
    })
}

/// Exactly one counter has moved, by one: the right one.
pub fn judge_count(decision: &Decision, before: Count, counted: Count) -> Result<(), String> {
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
pub fn judge_frame(decision: &Decision, frame: &[u8], after: &[u8]) -> Result<(), String> {
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
pub fn words(frame: &[u8]) -> String {
    let word = |word: &[u8]| -> String { word.iter().map(|b| format!("{b:02x}")).collect() };
    let words: Vec<String> = frame.chunks(2).map(word).collect();
    words.join(" ")
}
