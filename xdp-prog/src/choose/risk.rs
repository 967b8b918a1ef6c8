//! A packet whose flow may have an entry in the flow table, in words.

use super::Role;
use crate::abi::Destination;
use crate::abi::state::service;
use crate::packet::transport;

/// What decides where a packet goes whose flow may have an entry in the flow
/// table. It fits three words, so that what follows can stand apart from the
/// way of all other packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Risk {
    /// The flow's.
    pub hash: u64,
    /// What its slot holds.
    pub slot: u32,
    /// The service's number.
    pub service: u16,
    /// Bits of [`service`].
    pub flags: u16,
    /// Who gets it if it is a new connection.
    pub anew: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// TCP flags; 0 for UDP.
    pub tcp_flags: u8,
    /// Whether the packet may change what is known.
    pub role: Role,
}

impl Risk {
    /// All of it.
    #[inline(always)]
    #[must_use]
    pub const fn words(&self) -> [u64; 3] {
        [
            self.hash,
            self.slot as u64 | (self.service as u64) << 32 | (self.flags as u64) << 48,
            self.anew as u64
                | (self.protocol as u64) << 16
                | (self.tcp_flags as u64) << 24
                | (matches!(self.role, Role::About) as u64) << 32,
        ]
    }

    /// What is told by [`words`](Self::words).
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the words apart")]
    pub const fn of_words([hash, what, packet]: [u64; 3]) -> Self {
        Self {
            hash,
            slot: what as u32,
            service: (what >> 32) as u16,
            flags: (what >> 48) as u16,
            anew: packet as u16,
            protocol: (packet >> 16) as u8,
            tcp_flags: (packet >> 24) as u8,
            role: if packet >> 32 == 0 {
                Role::Own
            } else {
                Role::About
            },
        }
    }

    /// The packet opens a TCP connection of its own.
    #[inline(always)]
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.flags & service::CLIENT == 0 && transport::opens(self.tcp_flags)
    }

    /// Whether `destination` is of the service. An entry of another one is that
    /// of a flow whose tag is by accident the same.
    #[inline(always)]
    #[must_use]
    pub fn is_for(&self, destination: &Destination) -> bool {
        destination.service.get() == self.service
    }

    /// The packet opens a TCP connection, maybe one of several of its flow.
    #[inline(always)]
    #[must_use]
    pub const fn opens_connection(&self) -> bool {
        transport::opens(self.tcp_flags)
    }

    /// A client with affinity opens one more connection: all of them are one
    /// flow, so a SYN does not show that it is the first.
    #[inline(always)]
    #[must_use]
    pub const fn opens_another(&self) -> bool {
        self.flags & service::CLIENT != 0 && transport::opens(self.tcp_flags)
    }
}
