//! Ranges of client addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An address prefix, as in `192.0.2.0/24`. Bits behind it are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// Its first address.
    pub address: IpAddr,
    /// Its length in bits, of the address's family.
    pub length: u8,
}

impl Prefix {
    /// As the tables hold it: the IPv6 or IPv4-mapped address, and the length
    /// in bits of that.
    #[must_use]
    pub fn mapped(&self) -> (Ipv6Addr, u8) {
        match self.address {
            IpAddr::V4(address) => (address.to_ipv6_mapped(), self.length + 96),
            IpAddr::V6(address) => (address, self.length),
        }
    }

    /// The prefix that the tables hold.
    #[must_use]
    pub fn from_mapped(address: Ipv6Addr, length: u8) -> Self {
        match (address.to_ipv4_mapped(), length.checked_sub(96)) {
            (Some(address), Some(length)) => Self {
                address: address.into(),
                length,
            },
            _ => Self {
                address: address.into(),
                length,
            },
        }
    }

    /// Whether all of `other` lies in it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let ((own, length), (theirs, longer)) = (self.mapped(), other.mapped());
        length <= longer && masked(theirs, length) == own
    }
}

/// `address` with the bits behind the first `length` cleared.
fn masked(address: Ipv6Addr, length: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & mask(length))
}

/// The first `length` bits of 128.
fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length.min(128)))
        .unwrap_or(0)
}

/// Whether an address is in the subnet of an interface that has the address
/// `own`. An address alone, /32 or /128, has none.
#[must_use]
pub fn is_in_subnet(address: IpAddr, own: IpAddr, prefix_len: u8) -> bool {
    let (base, address, bits) = match (own, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (
            u128::from(base.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let host_bits = bits - u32::from(prefix_len).min(bits);
    host_bits > 0 && (base ^ address).checked_shr(host_bits).unwrap_or(0) == 0
}

/// A mask for client addresses, as
/// [`Service::client_mask`](xdp_prog::abi::Service::client_mask) holds it.
#[must_use]
pub fn client_mask(v4: u8, v6: u8, is_v6: bool) -> [u64; 2] {
    let length = if is_v6 { v6 } else { v4 + 96 };
    words(Ipv6Addr::from_bits(mask(length)))
}

/// An IPv6 address as two words of the tables.
#[must_use]
pub fn words(address: Ipv6Addr) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address.octets();
    [
        u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        u64::from_le_bytes([i, j, k, l, m, n, o, p]),
    ]
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a prefix such as 192.0.2.0/24");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().map_err(|_| wrong())?,
            None => longest,
        };
        if length > longest {
            return Err(format!("prefix {text} is longer than an address"));
        }
        let given = Self { address, length };
        let (full, bits) = given.mapped();
        let first = Self::from_mapped(masked(full, bits), bits);
        if first != given {
            return Err(format!(
                "prefix {text} has bits behind its length; {first} was meant"
            ));
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect(text)
    }

    #[test]
    fn a_prefix_is_read_and_written_alike() {
        for text in [
            "192.0.2.0/24",
            "0.0.0.0/0",
            "10.1.2.3/32",
            "2001:db8::/32",
            "::/0",
        ] {
            let read = prefix(text);
            assert_eq!(read.to_string(), text);
            let (address, length) = read.mapped();
            assert_eq!(Prefix::from_mapped(address, length), read);
        }
        assert_eq!(prefix("10.1.2.3").to_string(), "10.1.2.3/32");
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/24",
            "2001:db8::1/64",
            "10.0.0.0/x",
            "a/8",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_prefix_contains_what_lies_in_it() {
        assert!(prefix("10.0.0.0/8").contains(&prefix("10.1.0.0/16")));
        assert!(!prefix("10.1.0.0/16").contains(&prefix("10.0.0.0/8")));
        assert!(!prefix("10.0.0.0/8").contains(&prefix("11.0.0.0/16")));
        assert!(!prefix("0.0.0.0/0").contains(&prefix("2001:db8::/32")));
    }
}
