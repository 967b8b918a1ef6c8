//! The packet inside.

use super::outer::{Outer, unmapped};
use crate::abi::decap::Outcome;
use crate::abi::state::mapped;
use crate::packet::Frame;
use crate::packet::ipv4::Ipv4;
use crate::packet::ipv6::{self, Ipv6};

/// A version of IP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What matters of it.
pub struct Inner {
    /// Its version.
    pub version: Version,
    /// Where it goes.
    pub destination: [u64; 2],
    /// Its length in bytes.
    pub length: usize,
}

/// The packet behind the outer headers, if it is whole.
#[inline(always)]
pub fn find(frame: &Frame, start: usize, outer: &Outer) -> Result<Inner, Outcome> {
    let at = start + outer.headers;
    let inner = match outer.inside {
        Version::V4 => v4(frame, at),
        Version::V6 => v6(frame, at)?,
    };
    inner
        .filter(|inner| inner.length <= outer.room)
        .ok_or(Outcome::BadInner)
}

#[inline(always)]
fn v4(frame: &Frame, at: usize) -> Option<Inner> {
    let ip: &Ipv4 = frame.header(at)?;
    let length = ip.total_length.number() as usize;
    (length >= ip.header_length()?).then_some(Inner {
        version: Version::V4,
        destination: mapped(ip.destination.raw()),
        length,
    })
}

#[inline(always)]
fn v6(frame: &Frame, at: usize) -> Result<Option<Inner>, Outcome> {
    let Some(ip) = frame.header::<Ipv6>(at).filter(|ip| ip.is_valid()) else {
        return Ok(None);
    };
    Ok(Some(Inner {
        version: Version::V6,
        destination: unmapped(ip.destination.raw()).ok_or(Outcome::NotLocalVip)?,
        length: ipv6::LENGTH + ip.payload_length.number() as usize,
    }))
}
