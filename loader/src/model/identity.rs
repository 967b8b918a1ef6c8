//! What a service, and a backend of it, is called in hashes: the same on every
//! balancer, whatever the order of the config.

use super::ServiceAddress;
use super::maglev::Candidate;
use super::placement::address_words;
use std::net::IpAddr;

/// The candidate for the slots of the service with this first address.
#[must_use]
pub fn candidate(service: Option<&ServiceAddress>, backend: IpAddr, weight: u16) -> Candidate {
    let [high, low] = address_words(backend);
    Candidate {
        name: mix(mix(name(service) ^ high) ^ low),
        weight: u32::from(weight),
    }
}

/// The number that the service with this first address takes if nobody has it,
/// not 0. It is in the hash of clients that have an affinity, so it must be the
/// same on every balancer. Two services of a full table want the same one now
/// and then; then the order in which they were loaded decides.
#[must_use]
pub fn number(service: Option<&ServiceAddress>) -> u16 {
    let [_, _, _, _, _, _, low, high] = name(service).to_le_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

fn name(service: Option<&ServiceAddress>) -> u64 {
    let Some(service) = service else { return 0 };
    let [high, low] = address_words(service.vip);
    let rest = u64::from(service.port) << 8 | u64::from(service.protocol.number());
    mix(mix(mix(high) ^ low) ^ rest)
}

/// `splitmix64`'s finisher (Steele, Lea, Flood, 2014).
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
