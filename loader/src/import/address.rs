//! Addresses, ranges of them, and masks, as IPVS's tools write them.

use crate::model::service::parse_address;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use xdp_prog::abi::limits;

/// `ADDRESS:PORT`, `[ADDRESS]:PORT`, or an address alone, which is any port: 0.
///
/// # Errors
///
/// A sentence that says what is wrong with the text.
pub fn endpoint(text: &str) -> Result<(IpAddr, u16), String> {
    let (address, digits) = match text.rsplit_once(':') {
        // Of an IPv6 address without brackets the last group is no port.
        Some((address, digits)) if address.ends_with(']') || !address.contains(':') => {
            (address, Some(digits))
        }
        _ => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let address = parse_address(bare.unwrap_or(address))?;
    Ok((address, digits.map_or(Ok(0), port)?))
}

/// A port; 0 for any.
///
/// # Errors
///
/// A sentence that says what is wrong with the text.
pub fn port(text: &str) -> Result<u16, String> {
    number(text).ok_or_else(|| format!("port '{text}' is no number from 0 to 65535"))
}

/// Digits and nothing else: `parse` would take a sign.
pub fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// One address, or all of `192.0.2.1-10`, `192.0.2.250-192.0.3.4` or `192.0.2.8/29`; of
/// IPv6, what stands alone behind the dash is hexadecimal.
///
/// # Errors
///
/// A sentence that says what is wrong with the text, or that it is more than there is
/// `room` for.
pub fn range(text: &str, room: usize) -> Result<Vec<IpAddr>, String> {
    let (first, count) = if let Some((base, length)) = text.split_once('/') {
        let base: IpAddr = base.parse().map_err(|_| no_range(text))?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let length: u32 = number(length)
            .filter(|&length| length <= bits)
            .ok_or_else(|| no_range(text))?;
        let more = 1u128
            .checked_shl(bits - length)
            .unwrap_or(0)
            .wrapping_sub(1);
        (of_bits(base, to_bits(base) & !more), more)
    } else if let Some((first, last)) = text.split_once('-') {
        let first: IpAddr = first.parse().map_err(|_| no_range(text))?;
        let last = last_of(first, last).ok_or_else(|| no_range(text))?;
        let more = to_bits(last).checked_sub(to_bits(first));
        (first, more.ok_or_else(|| no_range(text))?)
    } else {
        (parse_address(text)?, 0)
    };
    // Before there are any: a short text may mean very many.
    if usize::try_from(count).is_ok_and(|count| count < room) {
        all(first, count)
    } else {
        Err(format!(
            "{text} is more than the {} addresses of a balancer leave room for",
            limits::SERVICES
        ))
    }
}

fn all(first: IpAddr, count: u128) -> Result<Vec<IpAddr>, String> {
    (0..=count)
        .map(|step| {
            let address = of_bits(first, to_bits(first).saturating_add(step));
            // One at a time: a range may lead out of what a VIP can be.
            parse_address(&address.to_string())
        })
        .collect()
}

fn no_range(text: &str) -> String {
    format!("'{text}' is no address, and no range such as 192.0.2.1-10 or 192.0.2.8/29")
}

/// The last address of a range: whole, or only its last part.
fn last_of(first: IpAddr, text: &str) -> Option<IpAddr> {
    if let Ok(last) = text.parse::<IpAddr>() {
        return Some(last).filter(|last| last.is_ipv4() == first.is_ipv4());
    }
    match first {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Some(Ipv4Addr::new(a, b, c, number(text)?).into())
        }
        IpAddr::V6(v6) => {
            let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let group = u16::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
            Some(Ipv6Addr::from_bits(v6.to_bits() >> 16 << 16 | u128::from(group)).into())
        }
    }
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// An address of the same version; the last one, if there is none for the bits.
fn of_bits(like: IpAddr, bits: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

/// The length of the prefix that a mask of IPv4 leaves, or that of IPv6 in digits.
#[must_use]
pub fn mask(text: &str) -> Option<Mask> {
    if let Some(length) = number(text).filter(|&length| length <= 128) {
        return Some(Mask::V6(length));
    }
    let bits = text.parse::<Ipv4Addr>().ok()?.to_bits();
    let is_prefix = bits.leading_ones() + bits.trailing_zeros() >= 32;
    let length = u8::try_from(bits.leading_ones()).ok()?;
    Some(Mask::V4(length)).filter(|_| is_prefix)
}

/// Bits that clients have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Of IPv4 addresses.
    V4(u8),
    /// Of IPv6 addresses.
    V6(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let range = range(text, 1024).expect(text);
        range.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_endpoint_has_a_port_or_any() {
        let is = |text: &str, address: &str, port: u16| {
            let address: IpAddr = address.parse().expect(address);
            assert_eq!(endpoint(text), Ok((address, port)), "{text}");
        };
        is("192.0.2.1:80", "192.0.2.1", 80);
        is("192.0.2.1:0", "192.0.2.1", 0);
        is("192.0.2.1", "192.0.2.1", 0);
        is("[2001:db8::1]:443", "2001:db8::1", 443);
        is("[2001:db8::1]", "2001:db8::1", 0);
        is("2001:db8::1", "2001:db8::1", 0);
        for text in ["", ":", "192.0.2.1:", "192.0.2.1:+1", "192.0.2.1:65536"] {
            assert!(endpoint(text).is_err(), "{text}");
        }
        for text in [
            "web:http",
            "[192.0.2.1:80",
            "127.0.0.1:80",
            "[::]:80",
            "[]:1",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_has_all_of_its_addresses() {
        assert_eq!(texts("192.0.2.9"), ["192.0.2.9"]);
        assert_eq!(
            texts("192.0.2.1-3"),
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        );
        assert_eq!(texts("192.0.2.255-192.0.3.0"), ["192.0.2.255", "192.0.3.0"]);
        assert_eq!(texts("192.0.2.9/31"), ["192.0.2.8", "192.0.2.9"]);
        assert_eq!(texts("2001:db8::f-10"), ["2001:db8::f", "2001:db8::10"]);
        assert_eq!(texts("2001:db8::/127").len(), 2);
        assert_eq!(texts("192.0.0.0-192.0.3.255").len(), 1024);
        for text in [
            "192.0.2.3-1",
            "192.0.2.1-256",
            "192.0.2.1-2001:db8::1",
            "192.0.2.1/33",
            "192.0.2.1/",
            "192.0.2.0/21",
            "::/0",
            "0.0.0.0-255.255.255.255",
            "192.0.2.1-",
            "-",
            "223.255.255.255-224.0.0.0",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff-+1",
        ] {
            assert!(range(text, 1024).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mask_is_a_prefix_or_none() {
        assert_eq!(mask("255.255.255.0"), Some(Mask::V4(24)));
        assert_eq!(mask("255.255.255.255"), Some(Mask::V4(32)));
        assert_eq!(mask("0.0.0.0"), Some(Mask::V4(0)));
        assert_eq!(mask("64"), Some(Mask::V6(64)));
        for text in ["255.0.255.0", "129", "", "+1", "2001:db8::", "x"] {
            assert_eq!(mask(text), None, "{text}");
        }
    }
}
