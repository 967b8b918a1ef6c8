//! Frames of many flows: for the program that is measured, or to be sent.

use super::{DRIVE, MEASURED, Received, SINKS, action, at, helper, xdp_md};
use crate::abi::bench::{Drive, LENGTH_V4, LENGTH_V6, STAMPS};
use crate::abi::limits;

/// A frame of `LENGTH` bytes, whose fields are written one by one and each as
/// widely as a program reads it: then every read is served by one earlier write,
/// and no program pays for how the frame was made.
struct Blank<const LENGTH: usize>(*mut u8);

impl<const LENGTH: usize> Blank<LENGTH> {
    /// The frame of this run, moved back to where it started. `None` if it has
    /// not room for `LENGTH` bytes.
    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a few headers"
    )]
    fn of(context: *mut xdp_md) -> Option<Self> {
        let (start, end) = Received(context).range();
        let grown = end.wrapping_sub(start).wrapping_sub(LENGTH);
        if grown != 0 {
            // SAFETY: the kernel's own argument; the old pointers are not used
            // any more.
            let moved = unsafe { helper::xdp_adjust_head(context.cast(), grown as i32) };
            if moved != 0 {
                return None;
            }
        }
        let (start, end) = Received(context).range();
        (start.wrapping_add(LENGTH) <= end).then_some(Self(start as *mut u8))
    }

    #[inline(always)]
    fn put<T>(&self, offset: usize, value: T) {
        // SAFETY: every offset below is a constant, and the fields end before
        // `LENGTH`; the verifier checks.
        unsafe { self.0.add(offset).cast::<T>().write_unaligned(value) };
    }

    /// Copies fields of the template.
    #[inline(always)]
    fn copy<T: Copy>(&self, drive: &Drive, offsets: &[usize]) {
        for &offset in offsets {
            self.put(offset, template::<T>(drive, offset));
        }
    }
}

#[inline(always)]
fn template<T: Copy>(drive: &Drive, offset: usize) -> T {
    // SAFETY: within the template, whose length is larger than every frame's.
    unsafe {
        (&raw const drive.template)
            .cast::<u8>()
            .add(offset)
            .cast::<T>()
            .read_unaligned()
    }
}

/// Where the next frame comes from, and which service it is for.
struct Turn {
    /// The flow, scattered over 32 bits.
    flow: u32,
    /// What is added to the last two bytes of the destination.
    service: u16,
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "scattered over 32 bits")]
fn next(drive: &Drive) -> Turn {
    let frame = drive.frames.get();
    drive.frames.set(frame.wrapping_add(1));
    if frame & drive.stamp_mask.get() == 0 {
        let stamps = drive.stamps.get();
        drive.stamps.set(stamps.wrapping_add(1));
        // SAFETY: takes no arguments.
        drive.times[stamps as usize % STAMPS].set(unsafe { helper::ktime_get_ns() });
    }
    let flow = turned(drive.flow.get(), drive.flows.get());
    drive.flow.set(flow);
    let service = turned(drive.service.get(), drive.services.get());
    drive.service.set(service);
    let place = flow.wrapping_add(drive.base.get());
    Turn {
        flow: place.wrapping_mul(drive.multiplier.get()) as u32,
        service: service as u16,
    }
}

/// The number after this one, of so many.
#[inline(always)]
fn turned(number: u64, numbers: u64) -> u64 {
    let next = number.wrapping_add(1);
    if next == numbers { 0 } else { next }
}

/// The last two bytes of an address that stand in the high half of `word`,
/// with `service` added.
#[inline(always)]
const fn moved(word: u64, service: u16) -> u64 {
    let last = ((word >> 48) as u16).swap_bytes().wrapping_add(service);
    word & 0xffff_ffff_ffff | (last.swap_bytes() as u64) << 48
}

#[inline(always)]
fn frame_v4(context: *mut xdp_md) -> bool {
    let drive = at(&DRIVE, 0, 0);
    let Some(blank) = Blank::<LENGTH_V4>::of(context) else {
        drive.failures.add(1);
        return false;
    };
    let turn = next(drive);
    blank.copy::<u32>(drive, &[0, 6, 14, 18, 22]);
    blank.copy::<u16>(drive, &[4, 10, 12]);
    let addresses: u64 = template(drive, 26);
    let source = addresses & !0xffff_0000 | (turn.flow as u64 >> 16) << 16;
    blank.put(26, moved(source, turn.service));
    let ports: u32 = template(drive, 34);
    blank.put(34, ports & 0xffff_0000 | turn.flow & 0xffff);
    blank.copy::<u64>(drive, &[38, 46]);
    true
}

#[inline(always)]
fn frame_v6(context: *mut xdp_md) -> bool {
    let drive = at(&DRIVE, 0, 0);
    let Some(blank) = Blank::<LENGTH_V6>::of(context) else {
        drive.failures.add(1);
        return false;
    };
    let turn = next(drive);
    blank.copy::<u32>(drive, &[0, 6, 14, 18]);
    blank.copy::<u16>(drive, &[4, 10, 12]);
    blank.copy::<u64>(drive, &[22, 38, 58, 66]);
    let source: u64 = template(drive, 30);
    blank.put(
        30,
        source & 0xffff_ffff_ffff | (turn.flow as u64 >> 16) << 48,
    );
    blank.put(46, moved(template(drive, 46), turn.service));
    let ports: u32 = template(drive, 54);
    blank.put(54, ports & 0xffff_0000 | turn.flow & 0xffff);
    true
}

/// Hands the frame on; returns only if that fails.
#[inline(always)]
fn hand_on(context: *mut xdp_md) -> u32 {
    // SAFETY: the kernel's own argument, and a map of programs.
    unsafe { helper::tail_call(context.cast(), MEASURED.raw(), 0) };
    at(&DRIVE, 0, 0).failures.add(1);
    action::ABORTED
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn drive_v4(context: *mut xdp_md) -> u32 {
    if frame_v4(context) {
        return hand_on(context);
    }
    action::ABORTED
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn drive_v6(context: *mut xdp_md) -> u32 {
    if frame_v6(context) {
        return hand_on(context);
    }
    action::ABORTED
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn generate_v4(context: *mut xdp_md) -> u32 {
    if frame_v4(context) {
        return action::TX;
    }
    action::ABORTED
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn generate_v6(context: *mut xdp_md) -> u32 {
    if frame_v6(context) {
        return action::TX;
    }
    action::ABORTED
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn sink(context: *mut xdp_md) -> u32 {
    let (start, end) = Received(context).range();
    // SAFETY: takes no arguments.
    let cpu = unsafe { helper::get_smp_processor_id() };
    let sink = at(&SINKS, cpu, limits::CPUS - 1);
    sink.frames.add(1);
    sink.bytes.add(end.wrapping_sub(start) as u64);
    action::DROP
}
