//! The answer to a packet that a tunnel cannot take: an ICMP error from the VIP,
//! which quotes as much of it as such an error may, in whole words.

use super::{Reply, is_in_budget};
use crate::abi::Outcome;
use crate::abi::limits::ERRORS_PER_EPOCH;
use crate::packet::checksum::Sum;
use crate::packet::ethernet::{self, Ethernet};
use crate::packet::frame::{Wire16, Wire32};
use crate::packet::icmp::{self, Icmp};
use crate::packet::{Buffer, Frame};
use crate::parse::Packet;
use crate::tables::Tables;

/// Bytes of a word.
const WORD: usize = size_of::<Wire32>();

/// Words that any error quotes: what an ICMPv6 error has room for.
const WORDS_MAX: usize = (1280 - 40 - icmp::LENGTH) / WORD;

/// Why a packet goes back, and what is counted.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// Type and code of the ICMP message.
    pub kind: [u8; 2],
    /// What stands behind its checksum.
    pub rest: Wire32,
    /// The outcome of a packet that is answered.
    pub answered: Outcome,
    /// The outcome of one that is not.
    pub silent: Outcome,
}

/// Makes a packet the error about it.
#[inline(always)]
pub fn error<F: Reply, B: Buffer, T: Tables>(
    mut buffer: B,
    tables: &T,
    packet: &Packet<F>,
    refusal: Refusal,
) -> Outcome {
    let budget = tables.budget();
    if !packet.addresses.is_from_host() || !is_in_budget(tables, &budget.errors, ERRORS_PER_EPOCH) {
        return refusal.silent;
    }
    let words = (packet.length / WORD).min(F::QUOTE);
    let (sum, words) = buffer.frame().sum::<WORDS_MAX>(packet.start, words);
    let headers = size_of::<F::Header>() + size_of::<Icmp>();
    if !buffer.cut(packet.start + words * WORD) || !buffer.grow(headers) {
        return refusal.silent;
    }
    let own = tables.port().mac.get();
    match write(&mut buffer.frame(), own, packet, refusal, (sum, words)) {
        Some(()) => refusal.answered,
        // Cannot come up after parsing; it is what the verifier needs to see.
        None => refusal.silent,
    }
}

/// Writes the headers of the error before the packet that it quotes: so many
/// words, with this sum.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "1280 bytes at the most")]
fn write<F: Reply>(
    frame: &mut Frame,
    own: u64,
    packet: &Packet<F>,
    refusal: Refusal,
    (sum, words): (Sum, usize),
) -> Option<()> {
    let length = (size_of::<Icmp>() + words * WORD) as u16;
    ethernet::move_up(
        frame,
        size_of::<F::Header>() + size_of::<Icmp>(),
        packet.start,
    )?;
    let ethernet: &mut Ethernet = frame.header_mut(0)?;
    ethernet.turn(own);
    *frame.header_mut(packet.start)? = packet.addresses.answer(F::ICMP, length);
    let [kind, code] = refusal.kind;
    let sum = sum
        .add(packet.addresses.sum_icmp(length))
        .word16(u16::from_le_bytes(refusal.kind))
        .word32(refusal.rest.raw());
    *frame.header_mut(packet.start + size_of::<F::Header>())? = Icmp {
        kind,
        code,
        checksum: Wire16::of_raw(sum.checksum()),
        rest: refusal.rest,
    };
    Some(())
}
