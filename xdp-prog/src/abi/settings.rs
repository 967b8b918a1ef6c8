//! What never changes while a program runs.

use super::word::{Word32, Word64};

macro_rules! settings {
    ($($(#[$meta:meta])* $field:ident,)+) => {
        /// Frozen, read-only data of one program, so that the verifier knows each
        /// value, removes dead branches and accepts masked indices.
        ///
        /// Every interface has a program of its own, whose `port` tells it which;
        /// all other tables are shared. Words although nobody writes them: the
        /// compiler must not take the values of the object for the final ones.
        #[derive(Debug, Default)]
        #[repr(C)]
        pub struct Settings {
            /// [`MAGIC`](super::MAGIC): tells our programs from others'.
            pub magic: Word64,
            $($(#[$meta])* pub $field: Word32,)+
        }

        impl Settings {
            /// What stands in the object: who it is, and which tables it knows.
            #[must_use]
            pub const fn of_object() -> Self {
                Self {
                    magic: Word64::new(super::MAGIC),
                    $($field: Word32::new(0),)+
                }
                .with_abi()
            }

            /// The settings as they stand in memory.
            #[must_use]
            pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
                let mut bytes = [0; size_of::<Self>()];
                bytes[..8].copy_from_slice(&self.magic.get().to_le_bytes());
                let words = [$(self.$field.get()),+];
                for (to, word) in bytes[8..].as_chunks_mut::<4>().0.iter_mut().zip(words) {
                    *to = word.to_le_bytes();
                }
                bytes
            }

            /// Settings read from memory, or `None` if these are not ours:
            /// another length, or no [`MAGIC`](super::MAGIC).
            #[must_use]
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let bytes: &[u8; size_of::<Self>()] = bytes.try_into().ok()?;
                let (magic, words) = bytes.split_first_chunk::<8>()?;
                let mut words = words.as_chunks::<4>().0.iter();
                let settings = Self {
                    magic: Word64::new(u64::from_le_bytes(*magic)),
                    $($field: Word32::new(u32::from_le_bytes(*words.next()?)),)+
                };
                (settings.magic.get() == super::MAGIC).then_some(settings)
            }
        }
    };
}

settings! {
    /// [`ABI_VERSION`](super::ABI_VERSION) of the tables.
    abi,
    /// Bits of [`feature`].
    features,
    /// This program's interface: index into the ports and the devices.
    port,
    /// Rows of counters less one.
    cpu_mask,
    /// Slots less one.
    slot_mask,
    /// Buckets of the flow table less one.
    bucket_mask,
    /// An epoch of the flow table lasts `1 << epoch_shift` ticks (jiffies).
    epoch_shift,
    /// Always zero.
    zero,
}

const _: () = assert!(size_of::<Settings>() == 8 + 8 * 4);

impl Settings {
    const fn with_abi(mut self) -> Self {
        self.abi = Word32::new(super::ABI_VERSION);
        self
    }
}

/// Bits of [`Settings::features`]: what the running kernel has.
pub mod feature {
    /// `bpf_trace_vprintk` (Linux 5.16), which the trace pipe takes.
    pub const TRACE: u32 = 1;
    /// Frames of several buffers, and `bpf_xdp_get_buff_len` (Linux 5.18),
    /// which tells how long they are.
    pub const BUFFERS: u32 = 1 << 1;
}

/// The version of the tables of a program of ours, of whatever version: magic
/// and version stand first in all of them. `None` for what is not ours.
#[must_use]
pub fn abi_of(bytes: &[u8]) -> Option<u32> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (abi, _) = rest.split_first_chunk::<4>()?;
    (u64::from_le_bytes(*magic) == super::MAGIC).then(|| u32::from_le_bytes(*abi))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            magic: Word64::new(crate::abi::MAGIC),
            port: Word32::new(3),
            epoch_shift: Word32::new(10),
            ..Settings::default()
        }
    }

    #[test]
    fn settings_survive_their_bytes() {
        let back = Settings::from_bytes(&settings().to_bytes()).expect("ours");
        assert_eq!(back.to_bytes(), settings().to_bytes());
        assert_eq!((back.port.get(), back.epoch_shift.get()), (3, 10));
    }

    #[test]
    fn bytes_without_the_magic_are_not_ours() {
        let mut bytes = settings().to_bytes();
        bytes[0] ^= 1;
        assert!(Settings::from_bytes(&bytes).is_none());
        assert!(Settings::from_bytes(&[]).is_none());
    }
}
