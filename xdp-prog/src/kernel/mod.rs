//! The kernel's side: maps, helpers, the entry point. Built only with
//! `--cfg bpf`; never part of the host library.

mod apart;
mod bench;
mod clamp;
mod decap;
mod helper;
mod maps;
mod trace;

use crate::abi::settings::feature;
use crate::balance::{Straight, finish, straight};
use crate::packet::{Buffer, Frame};
use crate::tables::Tables;
use core::mem::offset_of;
use maps::Maps;

/// The kernel's argument (`include/uapi/linux/bpf.h`), as far as it is read. By
/// this name the verifier knows it as the argument of a function that it looks
/// at alone.
#[allow(non_camel_case_types, reason = "the kernel's name")]
#[repr(C)]
pub struct xdp_md {
    data: u32,
    data_end: u32,
}

/// The frame of this run.
pub struct Received(*mut xdp_md);

impl Received {
    /// Where the frame's first buffer starts and ends.
    #[inline(always)]
    fn range(&self) -> (usize, usize) {
        let field = |offset| self.0.wrapping_byte_add(offset).cast::<u32>();
        let (start, end) = (
            field(offset_of!(xdp_md, data)),
            field(offset_of!(xdp_md, data_end)),
        );
        // SAFETY: a field of the kernel's own argument. The verifier turns these
        // two loads into pointers, so they must stay as they are written.
        let start = unsafe { start.read_volatile() };
        // SAFETY: as above.
        let end = unsafe { end.read_volatile() };
        (start as usize, end as usize)
    }

    /// Length of the frame in all of its buffers.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation, reason = "BPF has 64 bits")]
    fn length(&self) -> usize {
        // Known to the verifier, which drops the half that does not apply.
        if Maps.settings().features.get() & feature::BUFFERS != 0 {
            // SAFETY: the kernel's own argument.
            return unsafe { helper::xdp_get_buff_len(self.0.cast()) } as usize;
        }
        let (start, end) = self.range();
        end.wrapping_sub(start)
    }
}

impl Buffer for Received {
    #[inline(always)]
    fn frame(&mut self) -> Frame<'_> {
        let (start, end) = self.range();
        // SAFETY: the kernel keeps the packet for this run alone, which has one
        // `Received`; that is borrowed for as long as the frame lives.
        unsafe { Frame::from_range(start as *mut u8, end as *mut u8) }
    }

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "no frame is longer than 31 bits can say"
    )]
    fn cut(&mut self, length: usize) -> bool {
        let by = (length as i32).wrapping_sub(self.length() as i32);
        // SAFETY: the kernel's own argument. No pointer into the frame is left:
        // each borrows `self`, which is borrowed mutably here.
        by <= 0 && unsafe { helper::xdp_adjust_tail(self.0.cast(), by) } == 0
    }

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a few headers"
    )]
    fn grow(&mut self, by: usize) -> bool {
        let by = (by as i32).wrapping_neg();
        // SAFETY: as in `cut`.
        unsafe { helper::xdp_adjust_head(self.0.cast(), by) == 0 }
    }

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a few headers"
    )]
    fn shrink(&mut self, by: usize) -> bool {
        // SAFETY: as in `cut`.
        unsafe { helper::xdp_adjust_head(self.0.cast(), by as i32) == 0 }
    }
}

/// The entry point. Its name is [`PROGRAM`](crate::abi::PROGRAM).
#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn dsrload(context: *mut xdp_md) -> u32 {
    let mut received = Received(context);
    let decision = match straight(&mut received.frame(), &Maps) {
        // Nearly all end here, and are not shown.
        Straight::Sent(action, _) => return action,
        Straight::Ended(outcome) => return outcome.verdict() as u32,
        begun => finish(received, &Maps, begun),
    };
    // The first half is known to the verifier, which drops all of it where the
    // kernel cannot trace.
    if Maps.settings().features.get() & feature::TRACE != 0 && Maps.control().trace.get() != 0 {
        apart::show(context, decision.word());
    }
    decision.action()
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

// The build proves that no panic is reachable; the language wants a handler.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
