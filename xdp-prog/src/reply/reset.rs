//! The answer to a segment whose connection is lost: a TCP reset, so that the
//! client connects again at once instead of waiting (RFC 9293, section 3.10.7.1).

use super::{Reply, is_in_budget};
use crate::abi::Outcome;
use crate::abi::limits::RESETS_PER_EPOCH;
use crate::packet::ethernet::Ethernet;
use crate::packet::frame::{Wire16, Wire32};
use crate::packet::ipv4::Protocol;
use crate::packet::transport::{Tcp, flag};
use crate::packet::{Buffer, Frame};
use crate::parse::Packet;
use crate::tables::Tables;

/// Length of a TCP header without options, in words and in bytes.
const WORDS: u8 = 5;
const LENGTH: u16 = WORDS as u16 * 4;

const _: () = assert!(size_of::<Tcp>() == LENGTH as usize);

/// Makes a TCP segment its reset: [`Outcome::ResetSent`], or
/// [`Outcome::ResetLimited`] if there is to be none.
#[inline(never)]
pub fn reset<F: Reply, B: Buffer, T: Tables>(
    mut buffer: B,
    tables: &T,
    packet: &Packet<F>,
) -> Outcome {
    let answer = match packet.header::<Tcp>(&buffer.frame()) {
        // A reset is never answered by one.
        Ok(segment) if segment.flags & flag::RST != 0 => return Outcome::ResetLimited,
        Ok(segment) => answer(packet, segment),
        Err(outcome) => return outcome,
    };
    if !is_in_budget(tables, &tables.budget().resets, RESETS_PER_EPOCH) {
        return Outcome::ResetLimited;
    }
    let transport = packet.start + size_of::<F::Header>();
    if !buffer.cut(transport + size_of::<Tcp>()) {
        return Outcome::ResetLimited;
    }
    let own = tables.port().mac.get();
    match write(&mut buffer.frame(), own, packet, answer) {
        Some(()) => Outcome::ResetSent,
        // Cannot come up after parsing; it is what the verifier needs to see.
        None => Outcome::BadHeader,
    }
}

/// The reset of this segment.
#[inline(always)]
fn answer<F: Reply>(packet: &Packet<F>, segment: &Tcp) -> Tcp {
    let has_ack = segment.flags & flag::ACK != 0;
    let (sequence, acknowledgment, flags) = if has_ack {
        (segment.acknowledgment, Wire32::default(), flag::RST)
    } else {
        let next = segment
            .sequence
            .number()
            .wrapping_add(length(packet, segment));
        (
            Wire32::default(),
            Wire32::of_number(next),
            flag::RST | flag::ACK,
        )
    };
    let mut answer = Tcp {
        ports: segment.ports.reversed(),
        sequence,
        acknowledgment,
        data_offset: WORDS << 4,
        flags,
        window: Wire16::default(),
        checksum: Wire16::default(),
        urgent: Wire16::default(),
    };
    let sum = packet
        .addresses
        .sum_addresses()
        .word16(u16::from_le_bytes([0, Protocol::TCP.0]))
        .word16(LENGTH.to_be())
        .word32(answer.ports.raw())
        .word32(sequence.raw())
        .word32(acknowledgment.raw())
        .word16(u16::from_le_bytes([answer.data_offset, flags]));
    answer.checksum = Wire16::of_raw(sum.checksum());
    answer
}

/// What a segment takes of its sender's sequence numbers: its data, and one
/// for each of SYN and FIN.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "a length of 16 bits")]
fn length<F: Reply>(packet: &Packet<F>, segment: &Tcp) -> u32 {
    // No header is shorter than its fixed part, whatever it says.
    let words = (segment.data_offset >> 4).max(WORDS);
    let headers = packet.headers + words as usize * 4;
    let data = packet.length.saturating_sub(headers) as u32;
    let is_set = |bit| (segment.flags & bit != 0) as u32;
    data + is_set(flag::SYN) + is_set(flag::FIN)
}

/// Overwrites the headers of a frame that was cut to them. VLAN tags stay.
#[inline(always)]
fn write<F: Reply>(frame: &mut Frame, own: u64, packet: &Packet<F>, answer: Tcp) -> Option<()> {
    let ethernet: &mut Ethernet = frame.header_mut(0)?;
    ethernet.turn(own);
    let ip: &mut F::Header = frame.header_mut(packet.start)?;
    *ip = packet.addresses.answer(Protocol::TCP, LENGTH);
    let tcp: &mut Tcp = frame.header_mut(packet.start + size_of::<F::Header>())?;
    *tcp = answer;
    Some(())
}
