//! Whether the checksums of a frame are right, by the definition (RFC 1071).

use super::flow::ip;

/// The sum of all 16-bit words, with carries added; `0xffff` if a checksum is
/// among them that is right.
fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("carries were added")
}

/// Checks an answer of ours: an echo reply or a TCP reset without IP options
/// that change the pseudo header.
///
/// The error says which checksum is wrong.
pub fn check(frame: &[u8]) -> Result<(), String> {
    let (at, version) = ip(frame).ok_or("no IP")?;
    let packet = &frame[at..];
    let short = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let (addresses, mut header, mut protocol, end) = if version == 4 {
        let header = usize::from(packet[0] & 0x0f) * 4;
        if sum(&[&packet[..header]]) != 0xffff {
            return Err("the IPv4 header's checksum is wrong".to_owned());
        }
        (&packet[12..20], header, packet[9], short(2))
    } else {
        (&packet[8..40], 40, packet[6], 40 + short(4))
    };
    while version == 6 && [0, 43, 44, 60].contains(&protocol) {
        let size = if protocol == 44 {
            0
        } else {
            packet[header + 1]
        };
        protocol = packet[header];
        header += 8 * (usize::from(size) + 1);
    }
    let payload = packet.get(header..end).ok_or("the packet is cut")?;
    let length = u32::try_from(payload.len()).expect("a short one");
    let pseudo = [&length.to_be_bytes()[..], &[0, 0, 0, protocol]].concat();
    let parts: &[&[u8]] = match protocol {
        1 => &[payload],
        6 | 58 => &[addresses, &pseudo, payload],
        other => return Err(format!("protocol {other} is no answer of ours")),
    };
    match sum(parts) {
        0xffff => Ok(()),
        _ => Err(format!("the checksum of protocol {protocol} is wrong")),
    }
}
