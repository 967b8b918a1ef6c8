//! The trace pipe: one line for each packet for a VIP, while switched on.
//!
//! A print costs far more than the balancing itself, so it stands out of the
//! way and reads the packet once more.

use super::maps::Maps;
use super::{Received, helper};
use crate::abi::outcome::{Outcome, Verdict};
use crate::abi::state::{destination, unmapped};
use crate::balance::Decision;
use crate::packet::ethernet::{self, EtherType};
use crate::packet::frame::Wire16;
use crate::packet::ip::Ip;
use crate::packet::ipv4::{self, Protocol};
use crate::packet::ipv6;
use crate::packet::transport::{Ports, Udp};
use crate::packet::{Buffer, Frame};
use crate::parse::{Family, Packet, Part, has_ports};
use crate::select::{V4, V6};
use crate::tables::Tables;
use crate::verifier::forget;

/// Longest name with its final zero.
const NAME: usize = 24;

/// What a line is made of.
#[repr(C)]
struct Names {
    /// By the version of the packet, and by that of the backend's address.
    v4: [[u8; 64]; 2],
    v6: [[u8; 64]; 2],
    new: [u8; 8],
    known: [u8; 8],
    none: [u8; 8],
    outcomes: [[u8; NAME]; Outcome::ALL.len()],
}

#[unsafe(no_mangle)]
#[unsafe(link_section = ".rodata.names")]
static NAMES: Names = Names {
    v4: [
        text("dsrload: %pI4:%u to %pI4:%u, %s flow, backend %pI4, %s\n"),
        text("dsrload: %pI4:%u to %pI4:%u, %s flow, backend %pI6, %s\n"),
    ],
    v6: [
        text("dsrload: [%pI6]:%u to [%pI6]:%u, %s flow, backend %pI4, %s\n"),
        text("dsrload: [%pI6]:%u to [%pI6]:%u, %s flow, backend %pI6, %s\n"),
    ],
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

/// Whether a packet was for a VIP.
#[inline(always)]
fn is_for_vip(outcome: usize) -> bool {
    outcome != Outcome::NotIp as usize
        && outcome != Outcome::OtherStation as usize
        && outcome != Outcome::BadHeader as usize
        && outcome != Outcome::NotVip as usize
        && outcome < Outcome::ALL.len()
}

/// Shows a packet for a VIP in the trace pipe.
#[inline(always)]
pub fn show(mut received: Received, decision: Decision) {
    if !is_for_vip(decision.outcome_number()) {
        return;
    }
    let mut frame = received.frame();
    let Some((ether_type, offset)) = ethernet::payload(&frame) else {
        return;
    };
    let (ether_type, offset) = inside(&frame, decision, ether_type, offset);
    if ether_type.is(EtherType::IPV4) {
        show_packet::<V4>(&mut frame, offset, decision, &NAMES.v4, as_v4);
    } else if ether_type.is(EtherType::IPV6) {
        show_packet::<V6>(&mut frame, offset, decision, &NAMES.v6, |address| address);
    }
}

/// What the format of an IPv4 address wants to see.
#[inline(always)]
fn as_v4(address: [u64; 2]) -> [u64; 2] {
    [address[1] >> 32, 0]
}

/// The packet that came, where it has been wrapped up; else the same.
#[inline(always)]
fn inside(
    frame: &Frame,
    decision: Decision,
    ether_type: EtherType,
    offset: usize,
) -> (EtherType, usize) {
    let flags = Maps.destination(decision.destination()).flags.get();
    let is_sent = decision.outcome_number() == Outcome::Forwarded as usize;
    if !is_sent || flags & destination::TUNNEL == 0 {
        return (ether_type, offset);
    }
    let outer = if ether_type.is(EtherType::IPV4) {
        ipv4::LENGTH
    } else {
        ipv6::LENGTH
    };
    let udp = if flags & destination::GUE != 0 {
        size_of::<Udp>()
    } else {
        0
    };
    let offset = forget::<128>(offset + outer + udp, decision.word());
    match frame.header::<Wire16>(offset) {
        Some(word) if word.number() >> 12 == 6 => (EtherType::IPV6, offset),
        _ => (EtherType::IPV4, offset),
    }
}

/// Shows a packet whose IP header stands at this offset. `shown` is what the
/// format wants to see of an address.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "lengths of a few bytes")]
fn show_packet<F: Family>(
    frame: &mut Frame,
    offset: usize,
    decision: Decision,
    formats: &'static [[u8; 64]; 2],
    shown: impl Fn([u64; 2]) -> [u64; 2],
) {
    let Some(mut packet) = Packet::<F>::at(frame, offset) else {
        return;
    };
    // What cannot be gone over is shown without ports.
    let has_ports = F::follow(frame.reborrow(), &mut packet).is_ok()
        && packet.part != Part::Later
        && has_ports(packet.protocol);
    let ports = match packet.header::<Ports>(frame) {
        Ok(ports) if has_ports => ports.number(),
        _ => 0,
    };
    let ends = [
        (packet.addresses.client(), ports >> 16),
        (packet.addresses.vip(), ports & 0xffff),
    ];
    // An answer has been turned round already.
    let is_answer = decision.outcome_number() != Outcome::Forwarded as usize
        && decision.action() == Verdict::Transmit as u32;
    let [from, to] = if is_answer { [ends[1], ends[0]] } else { ends };
    let (source, destination) = (shown(from.0), shown(to.0));
    let backend = &Maps.destination(decision.destination()).address;
    let backend = [backend[0].get(), backend[1].get()];
    // Where none was chosen, its address is 0, of the packet's version.
    let is_v4 = if decision.destination() == 0 {
        F::Header::INSIDE == Protocol::IPV4
    } else {
        unmapped(backend).is_some()
    };
    let (format, backend) = if is_v4 {
        (&formats[0], as_v4(backend))
    } else {
        (&formats[1], backend)
    };
    let flow = match (decision.destination(), decision.is_new()) {
        (0, _) => &NAMES.none,
        (_, false) => &NAMES.known,
        _ => &NAMES.new,
    };
    let data = [
        (&raw const source) as u64,
        from.1 as u64,
        (&raw const destination) as u64,
        to.1 as u64,
        flow.as_ptr() as u64,
        (&raw const backend) as u64,
        NAMES.outcomes[decision.outcome_number() % Outcome::ALL.len()].as_ptr() as u64,
    ];
    // SAFETY: the format names seven values, and all that they point to lives
    // until the call returns.
    unsafe {
        helper::trace_vprintk(
            format.as_ptr(),
            format.len() as u32,
            data.as_ptr(),
            size_of_val(&data) as u32,
        );
    }
}
