//! The answer to a ping: the same packet back, with another type.

use super::Reply;
use crate::abi::Outcome;
use crate::packet::Frame;
use crate::packet::ethernet::Ethernet;
use crate::packet::icmp::Icmp;
use crate::parse::Packet;
use crate::tables::Tables;

/// Makes an echo request its reply. Options and extension headers stay.
#[inline(never)]
pub fn echo<F: Reply, T: Tables>(mut frame: Frame, tables: &T, packet: &Packet<F>) -> Outcome {
    match turn(&mut frame, tables, packet) {
        Some(()) => Outcome::EchoAnswered,
        // Cannot come up after parsing; it is what the verifier needs to see.
        None => Outcome::BadHeader,
    }
}

#[inline(always)]
fn turn<F: Reply, T: Tables>(frame: &mut Frame, tables: &T, packet: &Packet<F>) -> Option<()> {
    let icmp: &mut Icmp = frame.header_mut(packet.transport())?;
    let [_, reply] = F::ECHO;
    icmp.set_kind(reply);
    F::turn(frame, packet.start)?;
    let ethernet: &mut Ethernet = frame.header_mut(0)?;
    ethernet.turn(tables.port().mac.get());
    Some(())
}
