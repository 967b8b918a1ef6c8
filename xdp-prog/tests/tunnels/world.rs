//! Who is who, and the tables that say so.

use super::bytes::MAC;
use xdp_prog::abi::SourceKey;
use xdp_prog::abi::decap::{GUE_PORT, Settings, address, family};
use xdp_prog::abi::word::{Word32, Word64};
use xdp_prog::decap::host::HostTables;

/// Where tunnels end.
pub const OWN: [u8; 4] = [10, 0, 0, 2];
pub const OWN6: [u8; 16] = v6(0x02);
/// Who is allowed: one address, and a prefix, in each family.
pub const BALANCER: [u8; 4] = [10, 0, 0, 1];
pub const BALANCER6: [u8; 16] = v6(0x01);
pub const PREFIX: ([u8; 4], u8) = ([10, 9, 8, 0], 22);
pub const IN_PREFIX: [u8; 4] = [10, 9, 11, 255];
pub const OUT_OF_PREFIX: [u8; 4] = [10, 9, 12, 0];
/// What is served.
pub const VIP: [u8; 4] = [192, 0, 2, 10];
pub const VIP6: [u8; 16] = v6(0x10);
/// Who asks.
pub const CLIENT: [u8; 4] = [198, 51, 100, 7];
pub const CLIENT6: [u8; 16] = v6(0xc1);

/// The MTU of the way.
pub const MTU: u32 = 1500;

const fn v6(last: u8) -> [u8; 16] {
    [
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last,
    ]
}

/// An address as the tables hold it.
pub fn words(address: &[u8]) -> [u64; 2] {
    let mut bytes = [0; 16];
    if address.len() == 4 {
        bytes[10..12].fill(0xff);
    }
    bytes[16 - address.len()..].copy_from_slice(address);
    let (longs, _) = bytes.as_chunks::<8>();
    [0, 1].map(|n: usize| u64::from_le_bytes(longs[n]))
}

/// The addresses that matter.
pub fn addresses() -> Vec<([u64; 2], u32)> {
    vec![
        (words(&OWN), address::OWN),
        (words(&OWN6), address::OWN),
        (words(&VIP), address::OWN | address::VIP),
        (words(&VIP6), address::OWN | address::VIP),
    ]
}

/// Those who are allowed.
pub fn balancers() -> Vec<SourceKey> {
    vec![
        SourceKey::new(family::V4, words(&BALANCER), 128),
        SourceKey::new(family::V4, words(&PREFIX.0), 96 + PREFIX.1),
        SourceKey::new(family::V6, words(&BALANCER6), 128),
    ]
}

pub fn settings() -> Settings {
    let [a, b, c, d, e, f] = MAC;
    Settings {
        mac: Word64::new(u64::from_le_bytes([a, b, c, d, e, f, 0, 0])),
        gue_port: Word32::new(u32::from(GUE_PORT)),
        mtu: Word32::new(MTU),
        ..Settings::of_object()
    }
}

/// All of it, without a kernel.
pub fn host() -> HostTables {
    HostTables {
        settings: settings(),
        addresses: addresses().into_iter().collect(),
        balancers: balancers(),
        ..HostTables::default()
    }
}
