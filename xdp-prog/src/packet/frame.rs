//! A bounds-checked window on one packet.

use super::checksum::Sum;
use crate::verifier::forget;
use core::marker::PhantomData;

/// Words that are summed up at a time.
const EIGHT: usize = 8;

/// No header that is read starts further in than this.
pub const REACH: usize = 512;

/// Who holds the frame of this run: the kernel, or a test.
pub trait Buffer {
    /// A window on the frame as it is now.
    fn frame(&mut self) -> Frame<'_>;

    /// Cuts the frame off behind its first `length` bytes. `false` if it is
    /// shorter, or cannot be cut: it is then as it was.
    fn cut(&mut self, length: usize) -> bool;

    /// Puts `by` bytes before the frame, of any content. `false` if there is no
    /// room: it is then as it was.
    fn grow(&mut self, by: usize) -> bool;

    /// Takes the frame's first `by` bytes off. `false` if that cannot be: it is
    /// then as it was.
    fn shrink(&mut self, by: usize) -> bool;
}

/// The bytes between the driver's `data` and `data_end`.
///
/// In a frame of several buffers (`xdp.frags`, or a generic-mode packet that
/// is not linear) these are the first buffer's bytes.
pub struct Frame<'a> {
    start: *mut u8,
    end: *mut u8,
    bytes: PhantomData<&'a mut [u8]>,
}

/// A header as it stands on the wire.
///
/// # Safety
///
/// Alignment 1, no padding, every bit pattern valid.
pub unsafe trait Wire {}

// SAFETY: an array has no padding of its own.
unsafe impl<T: Wire, const N: usize> Wire for [T; N] {}

macro_rules! wire_words {
    ($($(#[$meta:meta])* $name:ident $value:ty;)*) => {$(
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name([u8; size_of::<$value>()]);

        // SAFETY: a transparent wrapper of bytes.
        unsafe impl Wire for $name {}

        impl $name {
            /// The word whose bytes are those of `raw`, little-endian.
            #[inline(always)]
            #[must_use]
            pub const fn of_raw(raw: $value) -> Self {
                Self(raw.to_le_bytes())
            }

            /// The word that means `number`.
            #[inline(always)]
            #[must_use]
            pub const fn of_number(number: $value) -> Self {
                Self(number.to_be_bytes())
            }

            /// Its bytes, in wire order, as one little-endian word.
            #[inline(always)]
            #[must_use]
            pub const fn raw(self) -> $value {
                <$value>::from_le_bytes(self.0)
            }

            /// The number that it means: wire order is big-endian.
            #[inline(always)]
            #[must_use]
            pub const fn number(self) -> $value {
                <$value>::from_be_bytes(self.0)
            }

            /// Overwrites its bytes with those of [`raw`](Self::raw).
            #[inline(always)]
            pub fn set_raw(&mut self, raw: $value) {
                self.0 = raw.to_le_bytes();
            }
        }
    )*};
}

wire_words! {
    /// Two bytes of a header.
    Wire16 u16;
    /// Four bytes of a header.
    Wire32 u32;
    /// Eight bytes of a header.
    Wire64 u64;
}

impl Frame<'_> {
    /// The window from `start` up to, but not including, `end`.
    ///
    /// # Safety
    ///
    /// `start..end` must be one live range that nobody else reads or writes
    /// during `'a`.
    #[inline(always)]
    #[must_use]
    pub unsafe fn from_range(start: *mut u8, end: *mut u8) -> Self {
        Self {
            start,
            end,
            bytes: PhantomData,
        }
    }

    /// The same window, for as long as this one is borrowed: two registers
    /// for a function that is not inlined, where `&mut` would take memory.
    #[inline(always)]
    #[must_use]
    pub fn reborrow(&mut self) -> Frame<'_> {
        Frame {
            start: self.start,
            end: self.end,
            bytes: PhantomData,
        }
    }

    /// The header at `offset`, or `None` when the frame ends inside it.
    #[inline(always)]
    #[must_use]
    pub fn header<T: Wire>(&self, offset: usize) -> Option<&T> {
        let header = self.place::<T>(offset)?;
        // SAFETY: `place` has just put it between `start` and `end`; `T` has
        // alignment 1 and no invalid pattern; `&self` excludes writers.
        Some(unsafe { &*header })
    }

    /// The same, to be written.
    #[inline(always)]
    pub fn header_mut<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        let header = self.place::<T>(offset)?;
        // SAFETY: as in `header`; `&mut self` makes the access exclusive.
        Some(unsafe { &mut *header })
    }

    /// Whether the frame has this many bytes, [`REACH`] at most.
    #[inline(always)]
    #[must_use]
    pub fn reaches(&self, length: usize) -> bool {
        length <= REACH && self.start.wrapping_add(length) <= self.end
    }

    /// The sum of the words of four bytes from `offset` on, and how many there
    /// are in the frame: `words` at the most, and `MAX`.
    #[inline(always)]
    #[must_use]
    pub fn sum<const MAX: usize>(&self, offset: usize, words: usize) -> (Sum, usize) {
        let reach = REACH + 4 * MAX;
        let mut sum = Sum::default();
        let mut count = 0;
        // Eight at a time, so that the verifier has fewer ways out to follow.
        while count < MAX && count + EIGHT <= words {
            let Some(eight) = self.within::<[Wire64; EIGHT / 2]>(offset + 4 * count, reach) else {
                break;
            };
            // SAFETY: as in `header`.
            for two in unsafe { *eight } {
                sum = sum.word64(two.raw());
            }
            count += EIGHT;
        }
        count = forget::<1024>(count, sum.noise());
        for _ in 0..EIGHT {
            if count >= MAX || count >= words {
                break;
            }
            let Some(word) = self.within::<Wire32>(offset + 4 * count, reach) else {
                break;
            };
            // SAFETY: as in `header`.
            sum = sum.word32(unsafe { *word }.raw());
            count += 1;
        }
        (sum, forget::<1024>(count, sum.noise()))
    }

    #[inline(always)]
    fn place<T: Wire>(&self, offset: usize) -> Option<*mut T> {
        self.within(offset, REACH)
    }

    // Pointers are compared, not lengths: that is the form of check from which
    // the kernel's verifier learns how far the packet reaches.
    #[inline(always)]
    fn within<T: Wire>(&self, offset: usize, reach: usize) -> Option<*mut T> {
        const { assert!(align_of::<T>() == 1) };
        if offset > reach {
            return None;
        }
        let header = self.start.wrapping_add(offset);
        if header.wrapping_add(size_of::<T>()) > self.end {
            return None;
        }
        // SAFETY: it is an address of the live range.
        unsafe { core::hint::assert_unchecked(!header.is_null()) };
        Some(header.cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_ends_past_the_frame_is_not_read() {
        let mut bytes = [1, 2, 3];
        let range = bytes.as_mut_ptr_range();
        // SAFETY: `bytes` is not touched again before the assertions end.
        let frame = unsafe { Frame::from_range(range.start, range.end) };
        assert_eq!(frame.header::<Wire16>(1).map(|w| w.number()), Some(0x02_03));
        assert!(frame.header::<Wire16>(2).is_none());
        assert!(frame.header::<Wire16>(usize::MAX).is_none());
        assert!(frame.header::<Wire64>(0).is_none());
        assert!(frame.reaches(3) && !frame.reaches(4) && !frame.reaches(usize::MAX));
    }

    #[test]
    fn a_sum_takes_whole_words_of_the_frame_and_no_more_than_asked_for() {
        let mut bytes: [u8; 83] = core::array::from_fn(|n| u8::try_from(n).expect("a few"));
        let words: [u32; 20] = core::array::from_fn(|n| {
            u32::from_le_bytes(core::array::from_fn(|i| bytes[3 + 4 * n + i]))
        });
        let range = bytes.as_mut_ptr_range();
        // SAFETY: `bytes` is not touched again before the assertions end.
        let frame = unsafe { Frame::from_range(range.start, range.end) };
        for asked in 0..24 {
            let (sum, count) = frame.sum::<18>(3, asked);
            let expected = words[..asked.min(18)].iter();
            let expected = expected.fold(Sum::default(), |sum, word| sum.word32(*word));
            assert_eq!(
                (sum.checksum(), count),
                (expected.checksum(), asked.min(18))
            );
            // The frame ends two bytes into a word.
            let (_, count) = frame.sum::<24>(5, asked);
            assert_eq!(count, asked.min(19));
        }
    }
}
