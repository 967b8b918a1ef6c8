//! How services are found: the forms of addresses and keys, and the word that
//! says which table is in force.

/// The bit of a VIP, in the form of [`Service::address`](super::Service::address),
/// in [`Control::vips`](super::Control::vips):
/// that of the last byte's six low bits.
#[inline(always)]
#[must_use]
pub const fn vip_bit(vip: [u64; 2]) -> u32 {
    (vip[1] >> 56) as u32 & 63
}

/// What finds services ([`Control::index`](super::Control::index)): an odd number, whose second bit
/// says which of the two copies of the table it is for. 0 for none.
pub mod index {
    /// An index for this copy, made of any number.
    #[inline(always)]
    #[must_use]
    pub const fn of(number: u64, copy: u32) -> u64 {
        number & !3 | (copy as u64 & 1) << 1 | 1
    }

    /// The copy that `index` is for.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the index apart")]
    pub const fn copy(index: u64) -> u32 {
        (index >> 1) as u32 & 1
    }
}

/// What a service of this VIP is found by: port (network order), protocol, and a
/// mark that no empty place has and that tells IPv4 from IPv6, so that an address
/// which looks like another one's is not taken for it.
#[inline(always)]
#[must_use]
pub const fn service_key(vip: [u64; 2], port: [u8; 2], protocol: u8) -> u32 {
    let mark = if unmapped(vip).is_some() {
        mark::V4
    } else {
        mark::V6
    };
    u32::from_le_bytes([port[0], port[1], protocol, mark])
}

/// Marks in the upper byte of a [`service_key`].
pub mod mark {
    /// IPv6
    pub const V6: u8 = 1;
    /// IPv4
    pub const V4: u8 = 3;
}

/// An IPv4 address (wire order, read as one word) as a VIP of the table.
#[inline(always)]
#[must_use]
pub const fn mapped(address: u32) -> [u64; 2] {
    [0, 0xffff_0000 | (address as u64) << 32]
}

/// The IPv4 address in such an address, if it is one.
#[inline(always)]
#[must_use]
#[allow(clippy::cast_possible_truncation, reason = "takes the address apart")]
pub const fn unmapped([high, low]: [u64; 2]) -> Option<u32> {
    let [_, prefix] = mapped(0);
    if high == 0 && low & 0xffff_ffff == prefix {
        Some((low >> 32) as u32)
    } else {
        None
    }
}
