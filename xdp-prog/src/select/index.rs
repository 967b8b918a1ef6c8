//! Builds the perfect hash of the service table (user space only).
//!
//! Hash and displace (Belazzougui, Botelho, Dietzfelbinger, 2009): entries
//! that share a displacement are placed together, the largest groups first,
//! by trying displacements until all of a group fall on free places. The
//! look-up then reads one displacement and one entry, and compares once.

use super::{Addresses, Place, V4, V6};
use crate::abi::limits::{DISPLACEMENTS, SERVICE_PLACES};
use crate::abi::state::{index, unmapped};
use alloc::vec;
use alloc::vec::Vec;

/// What the table is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The VIP, as in [`Service::address`](crate::abi::Service::address).
    pub address: [u64; 2],
    /// Port and protocol: [`service_key`](crate::abi::state::service_key).
    pub key: u32,
}

/// Where everything goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// The seed under which it worked out: an [`index`].
    pub seed: u64,
    /// All displacements.
    pub displacements: Vec<u16>,
    /// The place of each key, in the order of the keys.
    pub places: Vec<u32>,
}

/// Seeds that are tried. One is enough for nearly every table that is half
/// full at most.
const SEEDS: u64 = 64;

/// Finds places for `keys`, which must be distinct, in this copy of the table
/// (0 or 1). `None` if there are too
/// many or two are equal.
#[must_use]
pub fn build(keys: &[Key], copy: u32) -> Option<Index> {
    (1..=SEEDS)
        .map(|n| index::of(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), copy))
        .find_map(|seed| try_seed(keys, seed))
}

fn place(key: &Key, seed: u64) -> Place {
    let word = match unmapped(key.address) {
        Some(destination) => V4 {
            source: 0,
            destination,
        }
        .word(),
        None => V6 {
            source: [0; 2],
            destination: key.address,
        }
        .word(),
    };
    Place::of(word, key.key, seed)
}

fn try_seed(keys: &[Key], seed: u64) -> Option<Index> {
    let places: Vec<Place> = keys.iter().map(|key| place(key, seed)).collect();
    let mut groups = vec![Vec::new(); DISPLACEMENTS as usize];
    for (i, place) in places.iter().enumerate() {
        groups[(place.displacement & (DISPLACEMENTS - 1)) as usize].push(i);
    }
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&g| core::cmp::Reverse(groups[g].len()));

    let mut index = Index {
        seed,
        displacements: vec![0; groups.len()],
        places: vec![0; keys.len()],
    };
    let mut taken = vec![false; SERVICE_PLACES as usize];
    for g in order.into_iter().filter(|&g| !groups[g].is_empty()) {
        let at =
            |i: usize, displacement: u32| (places[i].start ^ displacement) & (SERVICE_PLACES - 1);
        let displacement = (0..SERVICE_PLACES).find(|&d| {
            let wanted: Vec<u32> = groups[g].iter().map(|&i| at(i, d)).collect();
            let free = wanted.iter().all(|&p| !taken[p as usize]);
            free && (1..wanted.len()).all(|n| !wanted[..n].contains(&wanted[n]))
        })?;
        for &i in &groups[g] {
            index.places[i] = at(i, displacement);
            taken[index.places[i] as usize] = true;
        }
        index.displacements[g] = u16::try_from(displacement).ok()?;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::limits::SERVICES;
    use crate::abi::state::{mapped, service_key};

    fn keys(n: u32) -> Vec<Key> {
        (0..n)
            .map(|i| {
                let address = mapped((0x0a00_0000 + i / 7).to_be());
                Key {
                    address,
                    key: service_key(address, [0, (i % 7) as u8 + 1], 6),
                }
            })
            .collect()
    }

    #[test]
    fn a_full_table_is_placed_without_a_collision() {
        let keys = keys(SERVICES * 2);
        let index = build(&keys, 1).expect("a table that is half full");
        let mut seen = vec![false; SERVICE_PLACES as usize];
        for (key, &place) in keys.iter().zip(&index.places) {
            let found = super::place(key, index.seed);
            let d = index.displacements[(found.displacement & (DISPLACEMENTS - 1)) as usize];
            assert_eq!((found.start ^ u32::from(d)) & (SERVICE_PLACES - 1), place);
            assert!(!seen[place as usize], "two keys at {place}");
            seen[place as usize] = true;
        }
    }

    #[test]
    fn equal_keys_find_no_places() {
        let mut keys = keys(2);
        keys[1] = keys[0];
        assert_eq!(build(&keys, 0), None);
    }
}
