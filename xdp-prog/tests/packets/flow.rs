//! Which flow a frame is of, read with fixed steps that owe nothing to the
//! program's parser.

use xdp_prog::select::Flow;

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The flow of a frame that is one for the balancer: IPv4, whole, TCP or UDP,
/// with ports. What else the program asks of it is not asked here.
pub fn of(frame: &[u8]) -> Option<Flow> {
    if frame.get(12..ETHERNET)? != [0x08, 0x00] {
        return None;
    }
    let packet = &frame[ETHERNET..];
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 || packet.len() < header {
        return None;
    }
    // More fragments, or an offset.
    if packet[6] & 0x3f != 0 || packet[7] != 0 {
        return None;
    }
    let word = |bytes: &[u8], at: usize| -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let segment = &packet[header..];
    let protocol = packet[9];
    let (tcp_flags, sequence) = match protocol {
        TCP => (*segment.get(13)?, word(segment, 4)?),
        UDP => (0, 0),
        _ => return None,
    };
    Some(Flow {
        source: word(packet, 12)?,
        destination: word(packet, 16)?,
        ports: word(segment, 0)?,
        protocol,
        tcp_flags,
        sequence,
        length: u16::from_be_bytes([packet[2], packet[3]]),
    })
}
