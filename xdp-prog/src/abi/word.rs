//! Integers that both sides touch while packets flow.
//!
//! Each is a relaxed atomic: one plain load or store, never torn, never
//! reordered into two. What becomes visible in which order is decided by the
//! writer in user space (see ARCHITECTURE.md, "The kernel/user boundary").

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident($atomic:ty) $value:ty;)*) => {$(
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(Debug, Default)]
        pub struct $name($atomic);

        impl $name {
            /// Holds `value`.
            #[must_use]
            pub const fn new(value: $value) -> Self {
                Self(<$atomic>::new(value))
            }

            /// What it holds now.
            #[inline(always)]
            #[must_use]
            pub fn get(&self) -> $value {
                self.0.load(Relaxed)
            }

            /// One store, which others see whole.
            #[inline(always)]
            pub fn set(&self, value: $value) {
                self.0.store(value, Relaxed);
            }
        }
    )*};
}

words! {
    /// A shared `u8`.
    Word8(AtomicU8) u8;
    /// A shared `u16`.
    Word16(AtomicU16) u16;
    /// A shared `u32`.
    Word32(AtomicU32) u32;
    /// A shared `u64`.
    Word64(AtomicU64) u64;
}

impl Word64 {
    /// Adds without an atomic addition: for counters with one writer, such as
    /// the rows that each CPU has for itself.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Puts `new` in the place of `old`; `false` if it holds something else.
    #[inline(always)]
    #[must_use]
    pub fn replace(&self, old: u64, new: u64) -> bool {
        self.0.compare_exchange(old, new, Relaxed, Relaxed).is_ok()
    }
}

/// May be mapped and shared with the kernel and other processes.
///
/// # Safety
///
/// Every bit pattern is valid, all of it is made of words of this module, and
/// there is no padding: then any other writer can do no more than change
/// values.
#[allow(
    unsafe_code,
    reason = "the promise that makes a mapping of a table sound"
)]
pub unsafe trait Shared: Sync {}

macro_rules! shared {
    ($($name:ty)*) => {$(
        // SAFETY: a transparent wrapper of an atomic integer.
        #[allow(unsafe_code, reason = "see the trait")]
        unsafe impl Shared for $name {}
    )*};
}

shared! { Word8 Word16 Word32 Word64 }
