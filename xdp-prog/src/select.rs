//! From a packet to a place in a table: the keyed hash of flows, and the
//! perfect hash of services.

use crate::abi::Control;

#[cfg(not(bpf))]
pub mod index;

/// What identifies a flow: the words that are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address, wire order.
    pub source: u32,
    /// Destination address, wire order.
    pub destination: u32,
    /// Source port and destination port, wire order.
    pub ports: u32,
    /// IANA protocol number.
    pub protocol: u8,
    /// TCP flags; 0 for UDP.
    pub tcp_flags: u8,
    /// TCP sequence number, wire order; 0 for UDP.
    pub sequence: u32,
    /// Length of the IP packet in bytes.
    pub length: u16,
}

impl Flow {
    /// Destination port, wire order.
    #[inline(always)]
    #[must_use]
    pub fn port(&self) -> [u8; 2] {
        let [_, _, high, low] = self.ports.to_le_bytes();
        [high, low]
    }

    /// The flow's hash: keyed, so that a client cannot aim at one backend.
    ///
    /// NH of UMAC (RFC 4418, 5.2.2) over ports, protocol and addresses, each
    /// word with a key of its own, then xor-shift, multiply, xor-shift. As
    /// cheap as hashes without a key, and even on structured input.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, control: &Control) -> u64 {
        mix(self.sum(control))
    }

    /// The hash that chooses a random backend for a new connection: the flow
    /// and the client's initial sequence number, which is random for every
    /// connection (RFC 6528). A retransmitted SYN repeats it, and so finds
    /// the same backend even where no entry could be made, or on another
    /// balancer.
    #[inline(always)]
    #[must_use]
    pub fn roll(&self, control: &Control) -> u64 {
        let sequence = nh(self.sequence as u64, control.keys[2].get());
        mix(self.sum(control).wrapping_add(sequence))
    }

    #[inline(always)]
    fn sum(&self, control: &Control) -> u64 {
        let addresses = self.source as u64 | (self.destination as u64) << 32;
        let rest = self.ports as u64 | (self.protocol as u64) << 32;
        nh(addresses, control.keys[0].get()).wrapping_add(nh(rest, control.keys[1].get()))
    }
}

/// One step of NH: the product of both halves, each with its half of the key.
#[inline(always)]
fn nh(word: u64, key: u64) -> u64 {
    let [word, key] = [split(word), split(key)];
    let low = word[0].wrapping_add(key[0]);
    let high = word[1].wrapping_add(key[1]);
    (low as u64).wrapping_mul(high as u64)
}

#[inline(always)]
fn split(word: u64) -> [u32; 2] {
    // Truncation is the point: the low half, then the high one.
    #[allow(clippy::cast_possible_truncation, reason = "takes the word apart")]
    [word as u32, (word >> 32) as u32]
}

/// Spreads what NH has gathered over all bits.
#[inline(always)]
fn mix(mut hash: u64) -> u64 {
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ hash >> 32
}

/// Where a service may stand: its displacement and, with that, its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the displacement, before it is masked.
    pub displacement: u32,
    /// Place of the service before it is displaced and masked.
    pub start: u32,
}

impl Place {
    /// The place for this address and [key](crate::abi::state::service_key)
    /// under the table's `seed`.
    ///
    /// Nobody gains by colliding here: only configured services are in the
    /// table, and every hit is compared exactly.
    #[inline(always)]
    #[must_use]
    pub fn of(address: [u64; 2], key: u32, seed: u64) -> Self {
        let mut hash = (address[0] ^ (key as u64) << 20 ^ seed)
            .wrapping_mul(0xff51_afd7_ed55_8ccd)
            .wrapping_add(address[1].wrapping_mul(0xc4ce_b9fe_1a85_ec53));
        hash ^= hash >> 32;
        hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
        let [displacement, start] = split(hash);
        Self {
            displacement,
            start,
        }
    }
}
