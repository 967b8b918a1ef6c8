//! The keys of the maps that are not arrays. Each is written and read as a
//! whole: plain integers, no words.

/// Names a fragmented packet (RFC 791, section 3.2; RFC 8200, section 4.5).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FragmentKey {
    /// Where it comes from, in the form of [`Service::address`](super::Service::address).
    pub source: [u64; 2],
    /// Where it goes to, in the same form.
    pub destination: [u64; 2],
    /// The identification that its fragments share, wire order; that of IPv4
    /// in the low half.
    pub identification: u32,
    /// The IPv4 header's protocol, or the fragment header's next header.
    pub protocol: u32,
}

const _: () = assert!(size_of::<FragmentKey>() == 40);

/// A prefix of clients' addresses in a list of sources. Of the
/// prefixes that an address is in, the longest decides.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceKey {
    /// Bits of all that follows that count: the list's 32, and those of the
    /// address, of which IPv4 has 96 before its own.
    pub prefix: u32,
    /// [`Service::sources`](super::Service::sources), host order: all of it
    /// counts.
    pub list: u32,
    /// The address, in the form of [`Service::address`](super::Service::address).
    pub address: [u64; 2],
}

const _: () = assert!(size_of::<SourceKey>() == 24);

impl SourceKey {
    /// The key of one address.
    #[inline(always)]
    #[must_use]
    pub const fn of_address(list: u16, address: [u64; 2]) -> Self {
        Self::new(list, address, 128)
    }

    /// The key of the prefix of this many bits, 128 at most. IPv4's prefixes
    /// count 96 bits more than they are written with.
    #[inline(always)]
    #[must_use]
    pub const fn new(list: u16, address: [u64; 2], bits: u8) -> Self {
        Self {
            prefix: 32 + bits as u32,
            list: list as u32,
            address,
        }
    }

    /// The key as it stands in memory.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        bytes[..4].copy_from_slice(&self.prefix.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.list.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.address[0].to_le_bytes());
        bytes[16..].copy_from_slice(&self.address[1].to_le_bytes());
        bytes
    }
}

/// What a service's list says of a source.
pub mod source {
    /// It is served.
    pub const ALLOWED: u32 = 1;
    /// It is not.
    pub const DENIED: u32 = 2;
    /// In addition: nobody listed it. It keeps a short prefix of IPv6, in which
    /// all of IPv4 lies as it stands in the tables, from deciding for IPv4.
    pub const IMPLIED: u32 = 4;
}
