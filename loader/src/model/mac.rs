//! Station addresses.

use std::fmt;
use std::str::FromStr;

/// A MAC, in the order of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether frames can be addressed to it as to one station: not a group
    /// (IEEE 802, the first byte's lowest bit), not all zero.
    #[must_use]
    pub fn is_station(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// In the six low bytes of a word, as
    /// [`Port::mac`](xdp_prog::abi::Port::mac) holds it.
    #[must_use]
    pub fn word(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    }

    /// The MAC in the six low bytes of a word.
    #[must_use]
    pub fn from_word(word: u64) -> Self {
        let [a, b, c, d, e, f, ..] = word.to_le_bytes();
        Self([a, b, c, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a MAC such as 02:00:00:00:00:0a");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(wrong)?;
            let hex = part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit());
            *byte = u8::from_str_radix(part, 16)
                .ok()
                .filter(|_| hex)
                .ok_or_else(wrong)?;
        }
        let mac = Self(bytes);
        match (parts.next(), mac.is_station()) {
            (None, true) => Ok(mac),
            (None, false) => Err(format!("{mac} is no single station's MAC")),
            (Some(_), _) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_and_written_alike() {
        let mac: Mac = "02:00:5e:10:00:fF".parse().expect("a MAC");
        assert_eq!(mac.to_string(), "02:00:5e:10:00:ff");
        assert_eq!(Mac::from_word(mac.word()), mac);
    }

    #[test]
    fn what_is_no_station_address_is_refused() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "02:00:00:00:00:0g",
            "02:00:00:00:00:+1",
            "2:0:0:0:0:1",
            "ff:ff:ff:ff:ff:ff",
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}
