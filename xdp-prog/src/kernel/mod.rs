//! The kernel's side: maps, helpers, the entry point. Built only with
//! `--cfg bpf`; never part of the host library.

mod helper;
mod maps;
mod trace;

use crate::abi::settings::feature;
use crate::balance::balance;
use crate::packet::Frame;
use crate::tables::Tables;
use maps::Maps;

/// `struct xdp_md` (Linux, `include/uapi/linux/bpf.h`), as far as it is read.
#[repr(C)]
pub struct Context {
    data: u32,
    data_end: u32,
}

/// The packet of this run.
///
/// # Safety
///
/// `context` is what the kernel gave to this run.
#[inline(always)]
unsafe fn frame(context: *mut Context) -> Frame {
    // SAFETY: the caller's promise. The verifier turns these two loads into
    // pointers, so they must stay as they are written.
    let start = unsafe { (&raw const (*context).data).read_volatile() };
    // SAFETY: as above.
    let end = unsafe { (&raw const (*context).data_end).read_volatile() };
    // SAFETY: the kernel keeps the packet for this run alone.
    unsafe { Frame::from_range(start as usize as *mut u8, end as usize as *mut u8) }
}

/// The entry point. Its name is [`PROGRAM`](crate::abi::PROGRAM).
#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn dsrload(context: *mut Context) -> u32 {
    // SAFETY: the kernel's own argument.
    let mut frame = unsafe { frame(context) };
    let decision = balance(&mut frame, &Maps);
    // The first half is known to the verifier, which drops all of it where the
    // kernel cannot trace. The second is the one branch when tracing is off.
    if Maps.settings().features.get() & feature::TRACE != 0 && Maps.control().trace.get() != 0 {
        trace::show(context, trace::pack(&decision));
    }
    decision.action
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

// The build proves that no panic is reachable; the language wants a handler.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
