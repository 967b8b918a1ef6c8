//! The keyed hash of a flow: NH (RFC 4418, 5.2.2) over its words, then mixed.

use std::net::IpAddr;

/// Packets with the same addresses, ports and protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The client.
    pub client: IpAddr,
    /// The address that it calls.
    pub vip: IpAddr,
    /// The client's port, as on the wire.
    pub client_port: [u8; 2],
    /// The service's port, as on the wire.
    pub vip_port: [u8; 2],
    /// TCP or UDP.
    pub protocol: u8,
}

/// What a hash is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub u64);

/// Keys: five, and four that IPv6 and clients take.
pub type Keys = ([u64; 5], [u64; 4]);

impl Hash {
    /// Of a flow.
    pub fn of_flow(flow: &Flow, keys: &Keys) -> Self {
        mix(sum_of_flow(flow, keys))
    }

    /// Of a new connection, from its initial sequence number as on the wire.
    pub fn of_connection(flow: &Flow, sequence: [u8; 4], keys: &Keys) -> Self {
        let sequence = u64::from(u32::from_le_bytes(sequence));
        let flow = Self::of_flow(flow, keys);
        mix(flow.0.wrapping_add(nh(sequence, keys.0[2])))
    }

    /// Of a client of a service, of whose address only so many bits count.
    pub fn of_client(client: IpAddr, bits: (u8, u8), service: u16, keys: &Keys) -> Self {
        let (address, bits) = match client {
            IpAddr::V4(v4) => (v4.to_ipv6_mapped(), 96 + u32::from(bits.0)),
            IpAddr::V6(v6) => (v6, u32::from(bits.1)),
        };
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let network = (address.to_bits() & mask).to_be_bytes();
        let sum = nh(word(&network[..8]), keys.1[0])
            .wrapping_add(nh(word(&network[8..]), keys.1[1]))
            .wrapping_add(nh(service.into(), keys.0[1]));
        mix(sum)
    }

    /// The slot among so many, a power of two.
    pub fn slot(self, slots: usize) -> usize {
        usize::try_from((self.0 >> 40) % slots as u64).expect("below a usize")
    }

    /// The bucket among so many, a power of two.
    pub fn bucket(self, buckets: u32) -> u32 {
        u32::try_from(self.0 % u64::from(buckets)).expect("below a u32")
    }

    /// What tells a flow from others in its bucket.
    pub fn tag(self) -> u64 {
        self.0 >> 24
    }

    /// The place in the bucket that is tried first.
    pub fn place(self) -> usize {
        usize::try_from((self.0 >> 21) % 8).expect("below 8")
    }
}

/// The words of a flow, each with its key.
fn sum_of_flow(flow: &Flow, keys: &Keys) -> u64 {
    let addresses = match (flow.client, flow.vip) {
        (IpAddr::V4(client), IpAddr::V4(vip)) => {
            let both = [client.octets(), vip.octets()].concat();
            nh(word(&both), keys.0[0])
        }
        (IpAddr::V6(client), IpAddr::V6(vip)) => {
            let both = [client.octets(), vip.octets()].concat();
            let words = both.chunks(8).map(word).zip(keys.1);
            words.fold(0, |sum: u64, (word, key)| sum.wrapping_add(nh(word, key)))
        }
        _ => unreachable!("both ends of a flow are of one family"),
    };
    let [c0, c1] = flow.client_port;
    let [v0, v1] = flow.vip_port;
    let rest = word(&[c0, c1, v0, v1, flow.protocol, 0, 0, 0]);
    addresses.wrapping_add(nh(rest, keys.0[1]))
}

/// Eight bytes, the first one lowest.
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// The halves of a word, each with half a key added, multiplied.
fn nh(word: u64, key: u64) -> u64 {
    let half = |shift: u32| {
        let [word, key] = [word, key].map(|whole| (whole >> shift) & 0xffff_ffff);
        (word + key) & 0xffff_ffff
    };
    half(0) * half(32)
}

fn mix(sum: u64) -> Hash {
    let folded = (sum ^ sum >> 32).wrapping_mul(0xff51_afd7_ed55_8ccd);
    Hash(folded ^ folded >> 32)
}
