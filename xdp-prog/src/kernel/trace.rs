//! The trace pipe: one line for each packet for a VIP, while switched on.
//!
//! A print costs far more than the balancing itself, so it stands out of the
//! way and reads the packet once more.

use super::maps::Maps;
use super::{Context, frame, helper};
use crate::abi::outcome::Outcome;
use crate::balance::Decision;
use crate::packet::ethernet;
use crate::packet::frame::Wire32;
use crate::packet::ipv4::Ipv4;
use crate::tables::Tables;

/// Longest name with its final zero.
const NAME: usize = 24;

/// What a line is made of.
#[repr(C)]
struct Names {
    line: [u8; 64],
    new: [u8; 8],
    known: [u8; 8],
    none: [u8; 8],
    outcomes: [[u8; NAME]; Outcome::ALL.len()],
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata.names")]
static NAMES: Names = Names {
    line: text("dsrload: %pI4:%u to %pI4:%u, %s flow, backend %pI4, %s\n"),
    new: text("new"),
    known: text("known"),
    none: text("no"),
    outcomes: {
        let mut names = [[0; NAME]; Outcome::ALL.len()];
        let mut i = 0;
        while i < names.len() {
            names[i] = text(Outcome::ALL[i].name());
            i += 1;
        }
        names
    },
};

const fn text<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    // The last byte stays zero; a longer text does not compile.
    assert!(text.len() < N);
    while i < text.len() {
        bytes[i] = text.as_bytes()[i];
        i += 1;
    }
    bytes
}

/// A decision in one register.
#[inline(always)]
pub fn pack(decision: &Decision) -> u64 {
    decision.destination as u64 | (decision.outcome as u64) << 16 | (decision.is_new as u64) << 32
}

/// Shows a packet for a VIP in the trace pipe.
#[inline(never)]
pub fn show(context: *mut Context, decision: u64) -> u32 {
    let outcome = (decision >> 16) as u16 as usize;
    if outcome == Outcome::NotIpv4 as usize
        || outcome == Outcome::OtherStation as usize
        || outcome == Outcome::BadHeader as usize
        || outcome == Outcome::NotVip as usize
        || outcome >= Outcome::ALL.len()
    {
        return 0;
    }
    // SAFETY: the kernel's own argument, handed on by the entry point.
    let frame = unsafe { frame(context) };
    let Some(ip) = Ipv4::at(&frame, ethernet::LENGTH) else {
        return 0;
    };
    // Eight bytes each, of which the first four are read: the compiler may join
    // two words into one store, and the stack takes aligned stores only.
    let addresses = [ip.source.raw() as u64, ip.destination.raw() as u64];
    let ports = ip
        .header_length()
        .and_then(|length| frame.header::<Wire32>(ethernet::LENGTH + length))
        .map_or([0, 0], |ports| {
            let ports = ports.number();
            [ports >> 16, ports & 0xffff]
        });
    let destination = decision as u16;
    let backend = Maps.destination(destination).address[1].get() >> 32;
    let flow = match (destination, decision >> 32) {
        (0, _) => &NAMES.none,
        (_, 0) => &NAMES.known,
        _ => &NAMES.new,
    };
    let data = [
        (&raw const addresses[0]) as u64,
        ports[0] as u64,
        (&raw const addresses[1]) as u64,
        ports[1] as u64,
        flow.as_ptr() as u64,
        (&raw const backend) as u64,
        NAMES.outcomes[outcome].as_ptr() as u64,
    ];
    // SAFETY: the format names seven values, and all that they point to lives
    // until the call returns.
    unsafe {
        helper::trace_vprintk(
            NAMES.line.as_ptr(),
            NAMES.line.len() as u32,
            data.as_ptr(),
            size_of_val(&data) as u32,
        );
    }
    0
}
