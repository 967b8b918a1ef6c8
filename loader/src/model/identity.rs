//! What a backend of a service is called in hashes: the same on every balancer,
//! whatever the order of the config.

use super::ServiceAddress;
use super::maglev::Candidate;
use super::placement::address_words;
use std::net::IpAddr;

/// The candidate for the slots of the service with this first address.
#[must_use]
pub fn candidate(service: Option<&ServiceAddress>, backend: IpAddr, weight: u16) -> Candidate {
    let mut name = 0;
    if let Some(service) = service {
        let [high, low] = address_words(service.vip);
        let rest = u64::from(service.port) << 8 | u64::from(service.protocol.number());
        name = mix(mix(mix(high) ^ low) ^ rest);
    }
    let [high, low] = address_words(backend);
    Candidate {
        name: mix(mix(name ^ high) ^ low),
        weight: u32::from(weight),
    }
}

/// `splitmix64`'s finisher (Steele, Lea, Flood, 2014).
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
