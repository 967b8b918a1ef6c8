//! One flow: 40 bits of its hash (the tag), 8 bits of time (the epoch of its
//! last packet), 16 bits of destination; 0 is a free place.
//!
//! The epoch wraps after 256 steps. An entry that was idle for a multiple of
//! that looks young again: to eviction, which then spares it for a while; and
//! to the SYN rule, which then keeps the old backend for the new connection.
//! Both are harmless, and the first packet makes the entry right again.

/// An entry of the flow table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

/// The free place.
pub const FREE: Entry = Entry(0);

impl Entry {
    /// The entry of the flow with this tag.
    #[inline(always)]
    #[must_use]
    pub const fn new(tag: u64, epoch: u8, destination: u16) -> Self {
        Self(tag << 24 | (epoch as u64) << 16 | destination as u64)
    }

    /// The upper 40 bits of the flow's hash.
    #[inline(always)]
    #[must_use]
    pub const fn tag(self) -> u64 {
        self.0 >> 24
    }

    /// When its last packet came.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the entry apart")]
    pub const fn epoch(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Where its packets go; 0 in a free place.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "takes the entry apart")]
    pub const fn destination(self) -> u16 {
        self.0 as u16
    }

    /// Nobody is here.
    #[inline(always)]
    #[must_use]
    pub const fn is_free(self) -> bool {
        self.destination() == 0
    }

    /// Epochs since its last packet, modulo 256.
    #[inline(always)]
    #[must_use]
    pub const fn age(self, now: u8) -> u8 {
        now.wrapping_sub(self.epoch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_entry_come_back() {
        let entry = Entry::new(0xab_cdef_0123, 0x45, 0x6789);
        assert_eq!(entry.tag(), 0xab_cdef_0123);
        assert_eq!(entry.epoch(), 0x45);
        assert_eq!(entry.destination(), 0x6789);
        assert!(!entry.is_free() && FREE.is_free());
    }

    #[test]
    fn age_is_counted_across_the_wrap() {
        assert_eq!(Entry::new(1, 250, 1).age(4), 10);
    }
}
