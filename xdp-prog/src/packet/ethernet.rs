//! Ethernet II (IEEE 802.3, clause 3): two MACs and an EtherType, and the VLAN
//! tags before it (IEEE 802.1Q, clause 9).

use super::Frame;
use super::frame::{Wire, Wire16, Wire32, Wire64};

/// Length of the header in bytes, without tags.
pub const LENGTH: usize = 14;

/// Tags that are read over: one of a customer, one of a provider.
const TAGS: usize = 2;

/// The header. Both MACs are read and written as eight and four bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Ethernet {
    /// Destination MAC, and the first two bytes of the source MAC.
    pub macs_low: Wire64,
    /// The rest of the source MAC.
    pub macs_high: Wire32,
    /// What follows.
    pub ether_type: EtherType,
}

const _: () = assert!(size_of::<Ethernet>() == LENGTH);

// SAFETY: made of wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Ethernet {}

/// What follows an EtherType of a VLAN tag.
#[repr(C)]
#[derive(Clone, Copy)]
struct Tag {
    /// Priority and VLAN number.
    _control: Wire16,
    /// What follows.
    ether_type: EtherType,
}

// SAFETY: made of wire words alone.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for Tag {}

/// The `EtherType` field, as on the wire.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(Wire16);

// SAFETY: a transparent wrapper of a wire word.
#[allow(unsafe_code, reason = "see the trait")]
unsafe impl Wire for EtherType {}

impl EtherType {
    /// `0x0800`
    pub const IPV4: Self = Self(Wire16::of_number(0x0800));
    /// `0x86dd`
    pub const IPV6: Self = Self(Wire16::of_number(0x86dd));
    /// `0x8100`: a VLAN tag.
    const VLAN: Self = Self(Wire16::of_number(0x8100));
    /// `0x88a8`: a provider's VLAN tag.
    const PROVIDER_VLAN: Self = Self(Wire16::of_number(0x88a8));

    /// Whether it is this one.
    #[inline(always)]
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        self.0.raw() == other.0.raw()
    }
}

impl Ethernet {
    /// Whether the frame is addressed to this MAC, which stands in the six low
    /// bytes; the others are 0.
    #[inline(always)]
    #[must_use]
    pub fn is_for(&self, mac: u64) -> bool {
        (self.macs_low.raw() ^ mac) << 16 == 0
    }

    /// Sends the frame back to where it came from, by our own MAC.
    #[inline(always)]
    pub fn turn(&mut self, own: u64) {
        let (low, high) = (self.macs_low.raw(), self.macs_high.raw());
        let back = low >> 48 | (high as u64) << 16;
        self.macs_low.set_raw(back | own << 48);
        let [_, _, b2, b3, b4, b5, _, _] = own.to_le_bytes();
        self.macs_high.set_raw(u32::from_le_bytes([b2, b3, b4, b5]));
    }
}

/// What stands behind the Ethernet header and its tags, and where. `None` if
/// the frame ends before.
#[inline(always)]
#[must_use]
pub fn payload(frame: &Frame) -> Option<(EtherType, usize)> {
    let mut ether_type = frame.header::<Ethernet>(0)?.ether_type;
    let mut offset = LENGTH;
    for _ in 0..TAGS {
        if !ether_type.is(EtherType::VLAN) && !ether_type.is(EtherType::PROVIDER_VLAN) {
            break;
        }
        ether_type = frame.header::<Tag>(offset)?.ether_type;
        offset += size_of::<Tag>();
    }
    Some((ether_type, offset))
}

/// Moves the Ethernet header and its tags to the front of a frame, from `by`
/// bytes behind it. They are `length` bytes long. `None` if the frame ends
/// before.
#[inline(always)]
pub fn move_up(frame: &mut Frame, by: usize, length: usize) -> Option<()> {
    // From the first to the last: a tag may lie where the header stood.
    *frame.header_mut::<Ethernet>(0)? = *frame.header(by)?;
    for n in 0..TAGS {
        let at = LENGTH + n * size_of::<Tag>();
        if at >= length {
            break;
        }
        *frame.header_mut::<Tag>(at)? = *frame.header(by + at)?;
    }
    Some(())
}

/// Moves them from the front of a frame to `by` bytes behind it: at least as far
/// as one IP header is long. `None` if the frame ends before.
#[inline(always)]
pub fn move_down(frame: &mut Frame, by: usize, length: usize) -> Option<()> {
    // The tags first: the header may go to where the last of them stands.
    for n in 0..TAGS {
        let at = LENGTH + n * size_of::<Tag>();
        if at >= length {
            break;
        }
        *frame.header_mut::<Tag>(by + at)? = *frame.header(at)?;
    }
    *frame.header_mut::<Ethernet>(by)? = *frame.header(0)?;
    Some(())
}

/// Says what follows the Ethernet header and its tags, which are `length` bytes
/// long. `None` if they cannot be, or the frame ends before.
#[inline(always)]
pub fn set_payload(frame: &mut Frame, length: usize, ether_type: EtherType) -> Option<()> {
    for n in 0..=TAGS {
        let end = LENGTH + n * size_of::<Tag>();
        if length == end {
            *frame.header_mut(end - size_of::<EtherType>())? = ether_type;
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_back_by_our_own_mac() {
        let mut ethernet = Ethernet {
            macs_low: Wire64::of_number(0x0102_0304_0506_0a0b),
            macs_high: Wire32::of_number(0x0c0d_0e0f),
            ether_type: EtherType::IPV4,
        };
        let own = Wire64::of_number(0x0102_0304_0506_0000).raw();
        assert!(ethernet.is_for(own) && !ethernet.is_for(own ^ 1));
        ethernet.turn(own);
        assert_eq!(ethernet.macs_low.number(), 0x0a0b_0c0d_0e0f_0102);
        assert_eq!(ethernet.macs_high.number(), 0x0304_0506);
    }
}
