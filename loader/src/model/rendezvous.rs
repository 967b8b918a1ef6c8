//! Which backend owns a slot: rendezvous hashing (Thaler and Ravishankar,
//! 1998). Each backend bids for each slot, the highest bid wins. Whoever
//! leaves gives up its own slots alone, whoever comes takes its share from
//! all, and the order of the backends does not matter.

use super::ServiceAddress;
use std::net::Ipv4Addr;

/// For each of `slots` slots the index of the backend that owns it. Empty if
/// there is no backend.
#[must_use]
pub fn owners(service: ServiceAddress, backends: &[Ipv4Addr], slots: u32) -> Vec<usize> {
    let salt = mix(u64::from(service.vip.to_bits()) << 32
        | u64::from(service.port) << 16
        | u64::from(service.protocol.number()));
    let names: Vec<u64> = backends
        .iter()
        .map(|backend| mix(salt ^ u64::from(backend.to_bits())))
        .collect();
    (0..slots)
        .filter_map(|slot| {
            let bid = |name: u64| mix(name ^ mix(u64::from(slot)));
            // Equal bids of 64 bits do not come up; the address would decide.
            (0..names.len()).max_by_key(|&i| (bid(names[i]), backends[i]))
        })
        .collect()
}

/// `splitmix64`'s finisher (Steele, Lea, Flood, 2014).
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Protocol;

    const SLOTS: u32 = 1 << 14;

    fn service() -> ServiceAddress {
        ServiceAddress::parse("192.0.2.10:80", Protocol::Tcp).expect("a service")
    }

    fn backends(n: u8) -> Vec<Ipv4Addr> {
        (1..=n).map(|i| Ipv4Addr::new(10, 0, 0, i)).collect()
    }

    fn named(backends: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
        owners(service(), backends, SLOTS)
            .into_iter()
            .map(|i| backends[i])
            .collect()
    }

    #[test]
    fn a_backend_that_leaves_gives_up_its_own_slots_alone() {
        let all = backends(10);
        let before = named(&all);
        let after = named(&all[1..]);
        for (old, new) in before.iter().zip(&after) {
            assert!(old == new || *old == all[0]);
        }
    }

    #[test]
    fn the_order_of_the_backends_does_not_matter() {
        let mut reversed = backends(10);
        reversed.reverse();
        assert_eq!(named(&backends(10)), named(&reversed));
    }

    #[test]
    fn the_slots_are_shared_evenly() {
        let all = backends(10);
        let owned = named(&all);
        for backend in &all {
            let n = owned.iter().filter(|o| *o == backend).count();
            let ideal = SLOTS as usize / all.len();
            assert!(n.abs_diff(ideal) < ideal / 10, "{backend}: {n} of {ideal}");
        }
    }

    #[test]
    fn without_backends_no_slot_has_an_owner() {
        assert_eq!(owners(service(), &[], SLOTS), Vec::<usize>::new());
    }
}
