//! Explicit congestion notification at the end of a tunnel (RFC 6040, section
//! 4.2): a router's mark on the outer packet is carried over to the inner one.

use super::inner::{Inner, Version};
use crate::abi::decap::Outcome;
use crate::packet::Frame;
use crate::packet::checksum::replaced;
use crate::packet::frame::Wire16;
use crate::packet::ipv4::Ipv4;

/// The sender takes no marks.
const NOT_ECT: u16 = 0b00;
/// It does, and says so in one of two ways.
const ECT_1: u16 = 0b01;
const ECT_0: u16 = 0b10;
/// Marked: congestion experienced.
const CE: u16 = 0b11;

/// What the inner packet is marked with; `None` for a packet that is to be
/// dropped, which is the only mark that its sender takes.
#[inline(always)]
const fn combined(inner: u16, outer: u16) -> Option<u16> {
    match (inner, outer) {
        (NOT_ECT, CE) => None,
        (_, CE) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        _ => Some(inner),
    }
}

impl Version {
    /// How far the mark stands from the low end of the header's first sixteen
    /// bits.
    const fn shift(self) -> u32 {
        match self {
            Self::V4 => 0,
            Self::V6 => 4,
        }
    }
}

/// The mark in a traffic class: its two low bits.
#[inline(always)]
pub const fn of_class(class: u8) -> u16 {
    class as u16 & CE
}

/// Marks the inner packet, whose header stands at `at`, as the outer one is.
#[inline(always)]
pub fn carry_over(frame: &mut Frame, inner: &Inner, at: usize, outer: u16) -> Result<(), Outcome> {
    let word: &mut Wire16 = frame.header_mut(at).ok_or(Outcome::BadInner)?;
    let old = *word;
    let shift = inner.version.shift();
    let mark = old.number() >> shift & CE;
    let new = combined(mark, outer).ok_or(Outcome::EcnDrop)?;
    if new == mark {
        return Ok(());
    }
    *word = Wire16::of_number(old.number() ^ (mark ^ new) << shift);
    let word = *word;
    if inner.version == Version::V4 {
        let ip: &mut Ipv4 = frame.header_mut(at).ok_or(Outcome::BadInner)?;
        let checksum = replaced(ip.checksum.raw(), old.raw(), word.raw());
        ip.checksum.set_raw(checksum);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_rfc_6040() {
        // Figure 4: rows by inner, columns Not-ECT, ECT(0), ECT(1), CE.
        let outer = [NOT_ECT, ECT_0, ECT_1, CE];
        let rows = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE); 4]),
        ];
        for (inner, row) in rows {
            assert_eq!(outer.map(|outer| combined(inner, outer)), row, "{inner:b}");
        }
    }
}
