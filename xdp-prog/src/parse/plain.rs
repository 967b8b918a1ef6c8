//! The plain packet, as nearly every one is: Ethernet, IP, TCP or UDP, nothing
//! in between, all headers in the frame. It is read at constant offsets.

use super::{Family, Packet, Part, has_ports};
use crate::packet::Frame;
use crate::packet::ethernet;
use crate::packet::start::Start;
use crate::select::Flow;

/// The flow of a plain packet; `None` if it is not one.
#[inline(always)]
#[must_use]
pub fn flow<F: Family>(frame: &Frame, start: &Start<F::Header>) -> Option<Flow<F>> {
    let packet = F::describe(&start.ip, ethernet::LENGTH)?;
    let is_plain = packet.headers == size_of::<F::Header>()
        && packet.part == Part::Whole
        && !packet.addresses.is_mapped()
        && has_ports(packet.protocol);
    if !is_plain {
        return None;
    }
    let packet = Packet {
        headers: size_of::<F::Header>(),
        ..packet
    };
    packet.flow(frame).ok()
}
