//! The balancer's own answers: echo replies (RFC 792, RFC 4443), resets (RFC 9293,
//! 3.10.7.1), and what errors have in common with them.

use super::fault::Fault;
use super::wire::{ICMP, Packet, TCP, bytes, number};
use std::net::IpAddr;

/// Hop limit of what the balancer sends.
pub const HOPS: u8 = 64;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
/// The segment resets its connection.
pub const RST: u8 = 0x04;
/// It acknowledges.
pub const ACK: u8 = 0x10;

/// The sum of 16-bit words in ones' complement (RFC 1071).
pub fn sum(bytes: &[u8], fault: Option<Fault>) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let word = [pair[0], pair.get(1).copied().unwrap_or(0)];
        sum += u32::from(u16::from_be_bytes(word));
        if fault != Some(Fault::CarryIsLost) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    u16::try_from(sum & 0xffff).expect("sixteen bits")
}

/// A checksum after one of its words has changed (RFC 1624, equation 3): if it
/// was wrong before, it stays wrong.
pub fn adjusted(checksum: u16, old: u16, new: u16, fault: Option<Fault>) -> u16 {
    let words = [!checksum, !old, new].map(u16::to_be_bytes);
    !sum(&words.concat(), fault)
}

/// Writes bytes at a place.
pub fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Sends the frame back: both MACs change places.
fn turn_macs(frame: &mut [u8]) {
    let (to, rest) = frame.split_at_mut(6);
    to.swap_with_slice(&mut rest[..6]);
}

/// Makes an echo request its own reply; the control message starts `at`.
pub fn echo(frame: &mut [u8], packet: &Packet, at: usize, fault: Option<Fault>) {
    turn_macs(frame);
    let before = number(frame, at).expect("a whole message");
    if packet.destination.is_ipv4() {
        let (first, second) = frame[packet.at + 12..].split_at_mut(4);
        first.swap_with_slice(&mut second[..4]);
        let word = number(frame, packet.at + 8).expect("a whole header");
        frame[packet.at + 8] = HOPS;
        let new = number(frame, packet.at + 8).expect("a whole header");
        let checksum = number(frame, packet.at + 10).expect("a whole header");
        let checksum = adjusted(checksum, word, new, fault);
        put(frame, packet.at + 10, &checksum.to_be_bytes());
        frame[at] = 0;
    } else {
        let (first, second) = frame[packet.at + 8..].split_at_mut(16);
        first.swap_with_slice(&mut second[..16]);
        frame[packet.at + 7] = HOPS;
        frame[at] = 129;
    }
    let after = number(frame, at).expect("a whole message");
    let checksum = number(frame, at + 2).expect("a whole message");
    let mut checksum = adjusted(checksum, before, after, fault);
    // Zero has two forms, of which a message that is all zero needs this one.
    if checksum == 0 {
        checksum = 0xffff;
    }
    put(frame, at + 2, &checksum.to_be_bytes());
}

/// What resets the connection of the segment that starts `at`.
pub fn reset(frame: &[u8], packet: &Packet, at: usize, fault: Option<Fault>) -> Vec<u8> {
    let segment = segment(frame, packet, at, fault);
    from_vip(frame, packet, TCP, (segment, 16), fault)
}

/// A frame of the balancer's own, from the VIP to the client, in the same VLAN.
/// Of what it carries, the checksum is to be written at this place.
pub fn from_vip(
    frame: &[u8],
    packet: &Packet,
    protocol: u8,
    (mut payload, checksum_at): (Vec<u8>, usize),
    fault: Option<Fault>,
) -> Vec<u8> {
    let mut answer = frame[..packet.at].to_vec();
    turn_macs(&mut answer);
    let addresses = match (packet.destination, packet.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [from.octets(), to.octets()].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => [from.octets(), to.octets()].concat(),
        _ => unreachable!("both ends are of one family"),
    };
    let length = u16::try_from(payload.len()).expect("a short answer");
    let [high, low] = length.to_be_bytes();
    if packet.destination.is_ipv4() {
        let [total_high, total_low] = (20 + length).to_be_bytes();
        // Version and length, no service type, don't fragment.
        let mut header = vec![0x45, 0, total_high, total_low, 0, 0, 0x40, 0];
        header.extend([HOPS, protocol, 0, 0]);
        header.extend(&addresses);
        let checksum = !sum(&header, fault);
        put(&mut header, 10, &checksum.to_be_bytes());
        answer.extend(header);
    } else {
        answer.extend([0x60, 0, 0, 0, high, low, protocol, HOPS]);
        answer.extend(&addresses);
    }
    // ICMP of IPv4 alone does not sum addresses.
    let pseudo = match protocol {
        ICMP => Vec::new(),
        _ => [&addresses[..], &[0, protocol, high, low]].concat(),
    };
    let checksum = !sum(&[&pseudo[..], &payload].concat(), fault);
    put(&mut payload, checksum_at, &checksum.to_be_bytes());
    answer.extend(payload);
    answer
}

/// A reset without its checksum.
fn segment(frame: &[u8], packet: &Packet, at: usize, fault: Option<Fault>) -> Vec<u8> {
    let header: [u8; 20] = bytes(frame, at).expect("a whole header");
    let flags = header[13];
    // Ports the other way round.
    let mut segment = [&header[2..4], &header[..2]].concat();
    if flags & ACK != 0 {
        segment.extend(&header[8..12]);
        segment.extend([0; 4]);
    } else {
        // No header is shorter than twenty bytes, whatever it says.
        let header_length = usize::from(header[12] >> 4).max(5) * 4;
        let upper = usize::try_from(packet.length).expect("a packet");
        let data = upper.saturating_sub(at - packet.at + header_length);
        let numbers = if fault == Some(Fault::FinTakesNoNumber) {
            SYN
        } else {
            SYN | FIN
        };
        let taken = u32::try_from(data).expect("a packet") + (flags & numbers).count_ones();
        let sequence = u32::from_be_bytes(bytes(&header, 4).expect("within the header"));
        segment.extend([0; 4]);
        segment.extend(sequence.wrapping_add(taken).to_be_bytes());
    }
    let flags = if flags & ACK != 0 { RST } else { RST | ACK };
    // Five words, no window, no urgent data.
    segment.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
    segment
}

/// Whether these flags ask for a new connection.
pub fn opens(flags: u8, fault: Option<Fault>) -> bool {
    match fault {
        Some(Fault::NoSynOpens) => false,
        Some(Fault::SynAckOpens) => flags & SYN != 0,
        _ => flags & (SYN | ACK) == SYN,
    }
}
