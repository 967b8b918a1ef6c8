//! The tc program that clamps the MSS of what leaves.

use super::decap::Maps;
use super::helper;
use crate::decap::clamp::{Change, Segment, clamp};
use crate::packet::Frame;
use core::ffi::c_void;
use core::mem::offset_of;

/// `struct __sk_buff` (Linux, `include/uapi/linux/bpf.h`), as far as it is read.
#[repr(C)]
struct Context {
    before: [u32; 19],
    data: u32,
    data_end: u32,
}

const _: () = assert!(offset_of!(Context, data) == 76);

/// `TC_ACT_UNSPEC`: whoever comes next decides.
const GO_ON: i32 = -1;

/// In the flags of `bpf_l4_csum_replace`: how many bytes are replaced.
const TWO_BYTES: u64 = 2;

/// The packet of this run.
struct Leaving(*mut c_void);

impl Leaving {
    #[inline(always)]
    fn field(&self, offset: usize) -> usize {
        let field = self.0.wrapping_byte_add(offset).cast::<u32>();
        // SAFETY: a field of the kernel's own argument. The verifier turns this
        // load into a pointer, so it must stay as it is written.
        let address = unsafe { field.read_volatile() };
        address as usize
    }
}

impl Segment for Leaving {
    #[inline(always)]
    fn frame(&mut self) -> Frame<'_> {
        let start = self.field(offset_of!(Context, data));
        let end = self.field(offset_of!(Context, data_end));
        // SAFETY: the kernel keeps the packet for this run alone, which has one
        // `Leaving`; that is borrowed for as long as the frame lives.
        unsafe { Frame::from_range(start as *mut u8, end as *mut u8) }
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "places in a few headers")]
    fn replace(&mut self, change: &Change) -> bool {
        let [old, new] = change.summands().map(u64::from);
        let (at, checksum) = (change.at as u32, change.checksum as u32);
        // The kernel knows whether the checksum is whole or left to the hardware.
        // SAFETY: the kernel's own argument. No pointer into the packet is left:
        // each borrows `self`, which is borrowed mutably here.
        let adjusted =
            unsafe { helper::l4_csum_replace(self.0, checksum, old, new, TWO_BYTES) } == 0;
        let value = (&raw const change.new).cast();
        // SAFETY: as above, and two bytes to be read.
        adjusted && unsafe { helper::skb_store_bytes(self.0, at, value, 2, 0) } == 0
    }
}

/// The entry point. Its name is [`CLAMP`](crate::abi::decap::CLAMP).
#[unsafe(no_mangle)]
#[unsafe(link_section = "classifier")]
extern "C" fn dsrclamp(context: *mut c_void) -> i32 {
    clamp(Leaving(context), &Maps);
    GO_ON
}
