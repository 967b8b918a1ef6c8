//! What holds for every frame, whatever it is: what is counted, and what may
//! be written, judged without the program's own steps.

use crate::packets::checksum;
use crate::packets::flow;
use crate::packets::site::{LAST_DESTINATION, destination};
use crate::packets::subject::{Host, Subject};
use xdp_prog::abi::Outcome;
use xdp_prog::abi::limits::OUTCOMES;
use xdp_prog::abi::outcome::Verdict;
use xdp_prog::abi::state;
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
/// forwarded frame, the headers around a wrapped one, and those of an answer. What is
/// for this host passes as it is.
///
/// The error says what else was.
pub fn judge_frame(decision: &Decision, frame: &[u8], after: &[u8]) -> Result<(), String> {
    let forwarded = decision.outcome() == Outcome::Forwarded;
    let (_, port, flags) = destination(decision.destination());
    let here = forwarded && port == state::destination::HERE;
    let expected = match decision.outcome().verdict() {
        _ if here => Verdict::Pass,
        verdict => verdict,
    };
    let redirected = forwarded && !here && decision.action() == REDIRECT;
    if decision.action() != expected as u32 && !redirected {
        return Err("the action is not the outcome's".to_owned());
    }
    let kept = match decision.outcome() {
        Outcome::Forwarded if here => 0,
        Outcome::Forwarded if flags & state::destination::TUNNEL != 0 => {
            return wrapped(flags, frame, after);
        }
        Outcome::Forwarded => MACS,
        Outcome::EchoAnswered => ECHO,
        Outcome::ResetSent => return reset(frame, after),
        Outcome::TooBigAnswered | Outcome::TtlAnswered => return error(frame, after),
        _ => 0,
    };
    let same = |from: usize| frame.get(from..) == after.get(from..);
    if frame.len() == after.len() && (same(kept) || kept == ECHO && frame.len() < ECHO) {
        return Ok(());
    }
    Err("it changed".to_owned())
}

/// Nothing but a TCP header stands behind the IP header of a reset.
fn reset(frame: &[u8], after: &[u8]) -> Result<(), String> {
    let length = flow::ip(frame).map(|(at, version)| match version {
        4 => at + 20 + 20,
        _ => at + 40 + 20,
    });
    if length != Some(after.len()) {
        return Err("it has another length".to_owned());
    }
    checksum::check(after)
}

/// An error is right in its checksums, and quotes the packet as it came.
fn error(frame: &[u8], after: &[u8]) -> Result<(), String> {
    let (at, version) = flow::ip(frame).ok_or("no IP came")?;
    let (headers, longest) = if version == 4 { (28, 576) } else { (48, 1280) };
    let packet = frame.get(at..).unwrap_or_default();
    let quote = after.get(at + headers..).ok_or("it is cut")?;
    if flow::ip(after) != Some((at, version)) || quote.len() > longest - headers {
        return Err("it is no such error".to_owned());
    }
    if !packet.starts_with(quote) || quote.len() < 20.min(packet.len()) {
        return Err("it quotes something else".to_owned());
    }
    checksum::check(after)
}

/// A wrapped packet is the one that came, but for one hop, and the lengths of
/// all headers around it fit.
fn wrapped(flags: u16, frame: &[u8], after: &[u8]) -> Result<(), String> {
    let (at, version) = flow::ip(frame).ok_or("no IP came")?;
    let (outer_at, outer_version) = flow::ip(after).ok_or("no IP left")?;
    let outer = if outer_version == 4 { 20 } else { 40 };
    let udp = if flags & state::destination::GUE != 0 {
        8
    } else {
        0
    };
    let inner = after.get(at + outer + udp..).ok_or("it is cut")?;
    let packet = &frame[at..];
    if outer_at != at || inner.len() != packet.len() {
        return Err("it has another length".to_owned());
    }
    let hop = if version == 4 { 8 } else { 7 };
    let checksum = if version == 4 { 10..12 } else { 0..0 };
    let touched = |n: &usize| *n == hop || checksum.contains(n);
    if (0..inner.len()).any(|n| inner[n] != packet[n] && !touched(&n)) {
        return Err("what is inside changed".to_owned());
    }
    if inner[hop] != packet[hop] - 1 || inner[hop] == 0 {
        return Err("the hops are not counted".to_owned());
    }
    let length = |bytes: &[u8], version| {
        let at = if version == 4 { 2 } else { 4 };
        usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
    };
    let whole = length(packet, version) + if version == 4 { 0 } else { 40 };
    let told = length(&after[at..], outer_version) - if outer_version == 4 { 20 } else { 0 };
    if told != whole + udp {
        return Err("the outer length is wrong".to_owned());
    }
    Ok(())
}

/// A frame as fixtures write it.
pub fn words(frame: &[u8]) -> String {
    let word = |word: &[u8]| -> String { word.iter().map(|b| format!("{b:02x}")).collect() };
    let words: Vec<String> = frame.chunks(2).map(word).collect();
    words.join(" ")
}
