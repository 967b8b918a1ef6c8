//! What no balancer can do without, alone.

use super::{Received, action, xdp_md};
use crate::packet::ethernet::EtherType;
use crate::packet::ipv4::{Ipv4, Protocol};
use crate::packet::ipv6::Ipv6;
use crate::packet::start::Start;
use crate::packet::transport::Tcp;
use crate::packet::{Buffer, Frame, ethernet};

/// The port that packets are for, wire order.
const HTTP: u16 = 80u16.to_be();

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn floor(context: *mut xdp_md) -> u32 {
    // The kernel refuses the types of a function whose argument has no name.
    let _ = context;
    action::TX
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn floor_swap(context: *mut xdp_md) -> u32 {
    let mut received = Received(context);
    match swap(&mut received.frame()) {
        Some(()) => action::TX,
        None => action::PASS,
    }
}

/// Sends a packet for port 80 back to where it came from.
#[inline(always)]
fn swap(frame: &mut Frame) -> Option<()> {
    let start: &Start<Ipv4> = frame.header(0)?;
    let (protocol, headers) = if start.ethernet.ether_type.is(EtherType::IPV4) {
        (start.ip.protocol, size_of::<Ipv4>())
    } else if start.ethernet.ether_type.is(EtherType::IPV6) {
        (frame.header::<Start<Ipv6>>(0)?.ip.next, size_of::<Ipv6>())
    } else {
        return None;
    };
    let tcp: &Tcp = if headers == size_of::<Ipv4>() {
        frame.header(ethernet::LENGTH + size_of::<Ipv4>())?
    } else {
        frame.header(ethernet::LENGTH + size_of::<Ipv6>())?
    };
    let is_served = [Protocol::TCP, Protocol::UDP].contains(&protocol);
    if !is_served || tcp.ports.raw() >> 16 != HTTP as u32 {
        return None;
    }
    let ethernet: &mut ethernet::Ethernet = frame.header_mut(0)?;
    let own = ethernet.macs_low.raw() & 0xffff_ffff_ffff;
    ethernet.turn(own);
    Some(())
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn floor_adjust_v4(context: *mut xdp_md) -> u32 {
    adjust(context, size_of::<Ipv4>())
}

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
extern "C" fn floor_adjust_v6(context: *mut xdp_md) -> u32 {
    adjust(context, size_of::<Ipv6>())
}

#[inline(always)]
fn adjust(context: *mut xdp_md, by: usize) -> u32 {
    if Received(context).grow(by) {
        action::TX
    } else {
        action::DROP
    }
}
