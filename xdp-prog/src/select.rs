//! From a packet to a place in a table: the keyed hash of flows, and the
//! perfect hash of services.

use crate::abi::limits::{DISPLACEMENTS, SERVICE_PLACES};
use crate::abi::state::{mapped, mark, service};
use crate::abi::{Control, Service};

#[cfg(not(bpf))]
pub mod index;

/// The addresses of a packet. The packet's way is compiled once for each
/// family, so that no branch and no unused word is left in either.
pub trait Addresses: Copy {
    /// What marks its services: of [`mark`].
    const MARK: u8;

    /// The destination, as [`Service::address`] holds it.
    fn vip(&self) -> [u64; 2];
    /// The source, in the same form.
    fn client(&self) -> [u64; 2];
    /// NH over both.
    fn sum(&self, control: &Control) -> u64;
    /// What of the destination tells [places](Place) of services apart.
    fn word(&self) -> u64;
    /// Whether `entry`, which has the mark, is of the destination.
    fn is_vip_of(&self, entry: &Service) -> bool;

    /// What a service of this port (network order) and protocol is found by.
    #[inline(always)]
    #[must_use]
    fn key(port: [u8; 2], protocol: u8) -> u32 {
        u32::from_le_bytes([port[0], port[1], protocol, Self::MARK])
    }
}

/// IPv4 addresses, wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V4 {
    /// Where the packet comes from.
    pub source: u32,
    /// Where it goes to.
    pub destination: u32,
}

impl Addresses for V4 {
    const MARK: u8 = mark::V4;

    #[inline(always)]
    fn is_vip_of(&self, entry: &Service) -> bool {
        // The upper half is the address, the lower the same in all of them.
        entry.address[1].get() >> 32 == self.destination as u64
    }
    #[inline(always)]
    fn word(&self) -> u64 {
        (self.destination as u64) << 32
    }
    #[inline(always)]
    fn vip(&self) -> [u64; 2] {
        mapped(self.destination)
    }
    #[inline(always)]
    fn client(&self) -> [u64; 2] {
        mapped(self.source)
    }
    #[inline(always)]
    fn sum(&self, control: &Control) -> u64 {
        let word = self.source as u64 | (self.destination as u64) << 32;
        nh(word, control.keys[0].get())
    }
}

/// IPv6 addresses, wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V6 {
    /// Where the packet comes from.
    pub source: [u64; 2],
    /// Where it goes to.
    pub destination: [u64; 2],
}

impl Addresses for V6 {
    const MARK: u8 = mark::V6;

    #[inline(always)]
    fn is_vip_of(&self, entry: &Service) -> bool {
        let [high, low] = self.destination;
        entry.address[1].get() == low && entry.address[0].get() == high
    }
    #[inline(always)]
    fn word(&self) -> u64 {
        let [high, low] = self.destination;
        high.wrapping_mul(0xff51_afd7_ed55_8ccd).wrapping_add(low)
    }
    #[inline(always)]
    fn vip(&self) -> [u64; 2] {
        self.destination
    }
    #[inline(always)]
    fn client(&self) -> [u64; 2] {
        self.source
    }
    #[inline(always)]
    fn sum(&self, control: &Control) -> u64 {
        let [a, b] = self.source;
        let [c, d] = self.destination;
        let keys = &control.keys6;
        nh(a, keys[0].get())
            .wrapping_add(nh(b, keys[1].get()))
            .wrapping_add(nh(c, keys[2].get()))
            .wrapping_add(nh(d, keys[3].get()))
    }
}

/// What identifies a flow, and what its packet says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<A> {
    /// Both addresses.
    pub addresses: A,
    /// Source port and destination port, wire order.
    pub ports: u32,
    /// IANA protocol number.
    pub protocol: u8,
    /// TCP flags; 0 for UDP.
    pub tcp_flags: u8,
    /// Length of the IP packet in bytes.
    pub length: u32,
}

impl<A: Addresses> Flow<A> {
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
    ///
    /// With client affinity it is the hash of what the client's flows have in
    /// common, and of the service.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, control: &Control, service: &Service) -> u64 {
        finish(self.stirred(control, service, service.flags.get()))
    }

    /// The same, where the flags of the service are known, and before it is
    /// [`finish`]ed: the upper half, which tells the slot, is what it will be.
    #[inline(always)]
    #[must_use]
    pub fn stirred(&self, control: &Control, service: &Service, flags: u16) -> u64 {
        if flags & service::CLIENT != 0 {
            return self.client_hash(control, service);
        }
        stir(self.sum(control))
    }

    /// What a path through a network that spreads flows over several is chosen
    /// by. Of flows alone, whatever else they have in common.
    #[inline(always)]
    #[must_use]
    pub fn entropy(&self, control: &Control) -> u32 {
        entropy(stir(self.sum(control)))
    }

    #[inline(always)]
    fn sum(&self, control: &Control) -> u64 {
        let rest = self.ports as u64 | (self.protocol as u64) << 32;
        self.addresses
            .sum(control)
            .wrapping_add(nh(rest, control.keys[1].get()))
    }

    #[inline(always)]
    fn client_hash(&self, control: &Control, service: &Service) -> u64 {
        let [high, low] = self.addresses.client();
        let mask = &service.client_mask;
        stir(
            nh(high & mask[0].get(), control.keys6[0].get())
                .wrapping_add(nh(low & mask[1].get(), control.keys6[1].get()))
                .wrapping_add(nh(service.id.get() as u64, control.keys[1].get())),
        )
    }
}

/// [`Flow::entropy`] by the [stirred](Flow::stirred) hash of a flow without
/// affinity.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "half of the hash")]
pub const fn entropy(stirred: u64) -> u32 {
    finish(stirred) as u32
}

/// The hash that chooses a random backend for a new connection: that of the flow
/// and the client's initial sequence number (wire order), which is random for
/// every connection (RFC 6528). A retransmitted SYN repeats it, and so finds the
/// same backend even where no entry could be made, or on another balancer.
#[inline(always)]
#[must_use]
pub fn roll(hash: u64, sequence: u32, control: &Control) -> u64 {
    finish(stir(
        hash.wrapping_add(nh(sequence as u64, control.keys[2].get())),
    ))
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
fn stir(sum: u64) -> u64 {
    (sum ^ sum >> 32).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// The hash: the lower half is as good as the upper one, too.
#[inline(always)]
#[must_use]
pub const fn finish(stirred: u64) -> u64 {
    stirred ^ stirred >> 32
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
    /// The place for an address, by [its word](Addresses::word), and a
    /// [key](crate::abi::state::service_key) under the table's `seed`.
    ///
    /// One multiplication, of which the upper bits count (Dietzfelbinger and
    /// others, 1997): the seed is odd. Nobody gains by colliding here: only
    /// configured services are in the table, and every hit is compared exactly.
    #[inline(always)]
    #[must_use]
    pub fn of(word: u64, key: u32, seed: u64) -> Self {
        // The key fills bits that are 0 in the word of every IPv4 address.
        let sum = word.wrapping_add(key as u64);
        let [_, high] = split(sum.wrapping_mul(seed));
        Self {
            displacement: high >> (32 - DISPLACEMENTS.ilog2()),
            start: high >> (32 - DISPLACEMENTS.ilog2() - SERVICE_PLACES.ilog2()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn control(seed: u64) -> Control {
        let control = Control::default();
        let mut word = seed;
        for key in &control.keys {
            word = word
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            key.set(word ^ word >> 29);
        }
        control
    }

    fn flow(port: u16) -> Flow<V4> {
        Flow {
            addresses: V4 {
                source: u32::from_le_bytes([172, 17, 0, 5]),
                destination: u32::from_le_bytes([192, 168, 25, 10]),
            },
            ports: u32::from(port.to_be()) | u32::from(80u16.to_be()) << 16,
            protocol: 6,
            tcp_flags: 2,
            length: 60,
        }
    }

    fn rolled(port: u16, sequence: u32, control: &Control) -> u64 {
        let hash = flow(port).hash(control, &Service::default());
        roll(hash, sequence.to_be(), control)
    }

    /// Chi-squared per degree of freedom of the slots (of 64) that these
    /// hashes name: near 1 if they are spread as by chance.
    fn unevenness(hashes: impl Iterator<Item = u64>) -> f64 {
        let mut bins = vec![0u32; 64];
        let mut n = 0.0;
        for hash in hashes {
            bins[(hash >> 40) as usize & 63] += 1;
            n += 1.0;
        }
        let ideal = n / 64.0;
        let sum: f64 = bins
            .iter()
            .map(|&b| (f64::from(b) - ideal).powi(2) / ideal)
            .sum();
        sum / 63.0
    }

    // 3.0 with 63 degrees of freedom comes up by chance once in 10^13.
    #[test]
    fn sequential_ports_are_spread_evenly() {
        for seed in 1..=20 {
            let control = control(seed);
            let hashes = (0..=u16::MAX).map(|port| flow(port).hash(&control, &Service::default()));
            let uneven = unevenness(hashes);
            assert!(uneven < 3.0, "seed {seed}: {uneven}");
        }
    }

    #[test]
    fn new_connections_are_spread_evenly_whatever_their_sequence_numbers() {
        for seed in 1..=20 {
            let control = control(seed);
            // One port reused, with numbers that grow by the clock.
            let reused = (0..1 << 16).map(|n| rolled(40_000, n * 250, &control));
            let uneven = unevenness(reused);
            assert!(uneven < 3.0, "seed {seed}: {uneven}");
            // The next port each time, as curl in a loop.
            let next = (0..1u16 << 15).map(|n| rolled(n, u32::from(n) * 64_000, &control));
            let uneven = unevenness(next);
            assert!(uneven < 3.0, "seed {seed}: {uneven}");
        }
    }

    #[test]
    fn a_retransmitted_syn_rolls_the_same_again_and_another_connection_does_not() {
        let control = control(1);
        let first = rolled(40_000, 7, &control);
        assert_eq!(first, rolled(40_000, 7, &control));
        assert_ne!(first, rolled(40_000, 8, &control));
        assert_ne!(first, flow(40_000).hash(&control, &Service::default()));
    }

    #[test]
    fn another_key_gives_another_hash() {
        assert_ne!(
            flow(1).hash(&control(1), &Service::default()),
            flow(1).hash(&control(2), &Service::default())
        );
    }
}
