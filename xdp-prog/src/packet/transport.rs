//! TCP (RFC 9293) and UDP (RFC 768), as far as a balancer reads them.

use super::frame::{Wire, Wire16, Wire32};

/// A TCP header without its options. In its first four bytes are the ports,
/// which UDP has in the same place.
#[repr(C)]
pub struct Tcp {
    /// Source and destination port.
    pub ports: Ports,
    /// Sequence number.
    pub sequence: Wire32,
    /// Acknowledgment number.
    pub acknowledgment: Wire32,
    /// Header length in its high half, as a count of four-byte words.
    pub data_offset: u8,
    /// SYN, ACK and the others.
    pub flags: u8,
    /// Receive window.
    pub window: Wire16,
    /// Over header, payload and pseudo header.
    pub checksum: Wire16,
    /// Urgent pointer.
    pub urgent: Wire16,
}

// SAFETY: bytes and wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Tcp {}

/// A UDP header.
#[repr(C)]
pub struct Udp {
    /// Source and destination port.
    pub ports: Ports,
    /// Length of header and payload.
    pub length: Wire16,
    /// Over header, payload and pseudo header; 0 for none.
    pub checksum: Wire16,
}

impl Udp {
    /// The header of a tunnel's packet, for a payload of this many bytes. It has
    /// no checksum, as tunnels may do over IPv6, too (RFC 6935, RFC 6936): what
    /// is inside has one of its own.
    #[inline(always)]
    #[must_use]
    pub fn of_tunnel(ports: Ports, payload: u16) -> Self {
        Self {
            ports,
            length: Wire16::of_number(payload.wrapping_add(LENGTH)),
            checksum: Wire16::default(),
        }
    }
}

/// Length of a UDP header in bytes.
const LENGTH: u16 = 8;

// SAFETY: wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Udp {}

const _: () = assert!(size_of::<Tcp>() == 20 && size_of::<Udp>() == LENGTH as usize);

// SAFETY: a transparent wrapper of a wire word.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Ports {}

/// Source port and destination port, as on the wire.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports(Wire32);

impl Ports {
    /// Both as one word.
    #[inline(always)]
    #[must_use]
    pub fn raw(self) -> u32 {
        self.0.raw()
    }

    /// The source port in the high half, the destination port in the low one.
    #[inline(always)]
    #[must_use]
    pub fn number(self) -> u32 {
        self.0.number()
    }

    /// The ports that stand in this word.
    #[inline(always)]
    #[must_use]
    pub const fn of(word: Wire32) -> Self {
        Self(word)
    }

    /// This source port, and a destination port as it stands on the wire.
    #[inline(always)]
    #[must_use]
    pub fn new(source: u16, destination: u16) -> Self {
        Self(Wire32::of_raw(
            source.to_be() as u32 | (destination as u32) << 16,
        ))
    }

    /// Those of the other direction.
    #[inline(always)]
    #[must_use]
    pub fn reversed(self) -> Self {
        Self(Wire32::of_raw(self.0.raw().rotate_left(16)))
    }
}

/// Bits of [`Tcp::flags`].
pub mod flag {
    /// The sender has no more data.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Ends a connection at once.
    pub const RST: u8 = 0x04;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
}

/// A TCP segment with SYN and without ACK: the client opens a connection.
///
/// ACK stands three bits above SYN, so that one shift takes the place of two
/// compares and no branch is needed.
#[inline(always)]
#[must_use]
pub const fn opens(flags: u8) -> bool {
    flags & (flag::SYN | flag::ACK) == flag::SYN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_syn_without_ack_opens_a_connection() {
        for flags in 0..=u8::MAX {
            let expected = flags & flag::SYN != 0 && flags & flag::ACK == 0;
            assert_eq!(opens(flags), expected, "{flags:#04x}");
        }
    }
}
