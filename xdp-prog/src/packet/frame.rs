//! A bounds-checked window on one packet.

/// No header that is read starts further in than this.
const MAX_OFFSET: usize = 256;

/// The bytes between the driver's `data` and `data_end`.
///
/// In a frame of several buffers (`xdp.frags`, or a generic-mode packet that
/// is not linear) these are the first buffer's bytes.
pub struct Frame {
    start: *mut u8,
    end: *mut u8,
}

/// A header as it stands on the wire.
///
/// # Safety
///
/// Alignment 1, no padding, every bit pattern valid.
pub unsafe trait Wire {}

macro_rules! wire_words {
    ($($(#[$meta:meta])* $name:ident $value:ty;)*) => {$(
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name([u8; size_of::<$value>()]);

        // SAFETY: a transparent wrapper of bytes.
        unsafe impl Wire for $name {}

        impl $name {
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

impl Frame {
    /// The window from `start` up to, but not including, `end`.
    ///
    /// # Safety
    ///
    /// `start..end` must be one live range that nobody else reads or writes
    /// while the `Frame` exists.
    #[inline(always)]
    #[must_use]
    pub unsafe fn from_range(start: *mut u8, end: *mut u8) -> Self {
        Self { start, end }
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

    // Pointers are compared, not lengths: that is the form of check from which
    // the kernel's verifier learns how far the packet reaches.
    #[inline(always)]
    fn place<T: Wire>(&self, offset: usize) -> Option<*mut T> {
        const { assert!(align_of::<T>() == 1) };
        if offset > MAX_OFFSET {
            return None;
        }
        let header = self.start.wrapping_add(offset);
        (header.wrapping_add(size_of::<T>()) <= self.end).then_some(header.cast())
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
    }
}
