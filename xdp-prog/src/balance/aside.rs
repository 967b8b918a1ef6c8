//! The whole way, for packets that are not plain, and for those that are not
//! for a service: each step on its own, out of the way of all others.

use super::{Apart, Decision, Parcel, Sent, deliver, ended, is_behind_tunnel, send};
use crate::abi::state::{destination, service};
use crate::abi::{Outcome, Service};
use crate::choose::{Choice, Role, choose};
use crate::packet::Frame;
use crate::packet::ethernet::{self, EtherType, Ethernet};
use crate::packet::icmp::{Icmp, Meaning};
use crate::packet::transport::{Tcp, opens};
use crate::parse::{Family, Packet, Part, has_ports};
use crate::reply::{self, Reply};
use crate::select::Flow;
use crate::tables::Tables;
use crate::verifier::forget;
use crate::vip;
use core::num::NonZeroU16;

/// Balances one frame, whatever it is.
#[inline(always)]
pub fn balance<B: Apart, T: Tables>(mut buffer: B, tables: &T) -> Decision {
    let (ether_type, offset) = match network(&buffer.frame(), tables) {
        Ok(found) => found,
        Err(outcome) => return ended(tables, outcome),
    };
    if ether_type.is(EtherType::IPV4) {
        buffer.walk_v4(tables, offset)
    } else {
        buffer.walk_v6(tables, offset)
    }
}

/// Which IP header there is, and where, if the frame is addressed to us.
#[inline(always)]
fn network<T: Tables>(frame: &Frame, tables: &T) -> Result<(EtherType, usize), Outcome> {
    let (ether_type, offset) = ethernet::payload(frame).ok_or(Outcome::BadHeader)?;
    if !ether_type.is(EtherType::IPV4) && !ether_type.is(EtherType::IPV6) {
        return Err(Outcome::NotIp);
    }
    // A switch floods frames for stations it does not know: they reach XDP
    // before the kernel would sort them out, on every balancer of a segment.
    let ethernet: Option<&Ethernet> = frame.header(0);
    let ethernet = ethernet.ok_or(Outcome::BadHeader)?;
    if !ethernet.is_for(tables.port().mac.get()) {
        return Err(Outcome::OtherStation);
    }
    Ok((ether_type, forget::<32>(offset, ethernet.macs_low.raw())))
}

/// What a packet for a VIP asks for.
enum Errand<F> {
    /// To be sent to the backend of a flow.
    Flow(Flow<F>, Role),
    /// To be sent after its first fragment.
    Fragment(u16),
    /// An echo.
    Echo,
}

/// The way of a packet whose IP header stands at this offset, to its end.
#[inline(always)]
pub fn walk<F: Reply, B: Apart, T: Tables>(buffer: B, tables: &T, offset: usize) -> Decision {
    match way::<F, B, T>(buffer, tables, offset) {
        Ok(decision) => decision,
        Err(outcome) => ended(tables, outcome),
    }
}

/// The way of a packet whose IP header stands at this offset. What is for no
/// VIP is the host's own traffic and passes, whatever its shape. What a VIP
/// cannot take is dropped, since a stack that does not own the VIP would send
/// redirects, or loop it; unless the VIP is an address of the host, too.
#[inline(always)]
fn way<F: Reply, B: Apart, T: Tables>(
    mut buffer: B,
    tables: &T,
    offset: usize,
) -> Result<Decision, Outcome> {
    let mut frame = buffer.frame();
    let mut packet = Packet::<F>::at(&frame, offset).ok_or(Outcome::BadHeader)?;
    let vip = vip::vip(tables, &packet.addresses).ok_or(Outcome::NotVip)?;
    let followed = F::follow(frame.reborrow(), &mut packet);
    let [_, noise] = packet.addresses.client();
    packet.headers = forget::<1024>(packet.headers, noise >> 32);
    let errand = match followed.and_then(|()| errand(&frame, tables, &packet, vip)) {
        Err(_) if vip.flags.get() & service::LOCAL != 0 => return Err(Outcome::LocalVip),
        other => other?,
    };
    match errand {
        Errand::Flow(flow, role) => {
            let Some(service) = vip::service_of(tables, &flow, vip) else {
                return Err(unserved(vip, role));
            };
            if role == Role::Own && vip::is_denied(tables, &flow, service) {
                return Err(Outcome::SourceDenied);
            }
            let sequence = || {
                packet
                    .header::<Tcp>(&frame)
                    .map_or(0, |tcp| tcp.sequence.raw())
            };
            let chosen = choose(&flow, service, tables, role, sequence);
            let sent = chosen.and_then(|choice| {
                let opens = opens(flow.tcp_flags);
                send(&mut frame, tables, choice, opens, flow.length)
            });
            let decision = match sent {
                Ok(Sent::Off(decision)) => decision,
                Ok(Sent::Wrapped(parcel)) => {
                    let parcel = parcel.with(flow.entropy(tables.control()));
                    let is_error = role == Role::About;
                    buffer.wrap(tables, if is_error { parcel.mute() } else { parcel })
                }
                Err(Outcome::ResetSent) => return Err(reply::reset(buffer, tables, &packet)),
                Err(outcome) => return Err(outcome),
            };
            if packet.part == Part::First && decision.destination() != 0 {
                note_first(tables, &packet, decision.destination());
            }
            Ok(decision)
        }
        Errand::Fragment(number) => {
            let choice = Choice::new(number, false);
            let destination = tables.destination(number);
            if is_behind_tunnel(destination) {
                let entropy = packet.flow_of_fragments().entropy(tables.control());
                let parcel = Parcel::new(choice, false).with(entropy).mute();
                return Ok(buffer.wrap(tables, parcel));
            }
            let length = packet.length as u64;
            let ethernet = frame.header_mut(0).ok_or(Outcome::BadHeader)?;
            let action = deliver(ethernet, tables, number, destination, length)?;
            Ok(Decision::forwarded(action, choice))
        }
        Errand::Echo => Err(reply::echo(frame, tables, &packet)),
    }
}

fn unserved(vip: &Service, role: Role) -> Outcome {
    if vip.flags.get() & service::LOCAL != 0 {
        Outcome::LocalVip
    } else if role == Role::Own {
        Outcome::NoService
    } else {
        Outcome::IcmpUnrelated
    }
}

/// What a packet for this VIP asks for.
#[inline(always)]
fn errand<F: Family, T: Tables>(
    frame: &Frame,
    tables: &T,
    packet: &Packet<F>,
    vip: &Service,
) -> Result<Errand<F>, Outcome> {
    if packet.part == Part::Later {
        let number = first_went_to(tables, packet).ok_or(Outcome::FragmentUnknown)?;
        return Ok(Errand::Fragment(number.get()));
    }
    if has_ports(packet.protocol) {
        return Ok(Errand::Flow(packet.flow(frame)?, Role::Own));
    }
    if packet.part == Part::First {
        return Err(Outcome::FragmentUnknown);
    }
    if packet.protocol != F::ICMP {
        return Err(Outcome::OtherProtocol);
    }
    match F::meaning(packet.header::<Icmp>(frame)?) {
        Meaning::Echo if vip.flags.get() & (service::LOCAL | service::NO_ECHO) == 0 => {
            Ok(Errand::Echo)
        }
        Meaning::Error => Ok(Errand::Flow(packet.flow_in_question(frame)?, Role::About)),
        Meaning::Neighbour => Err(Outcome::Neighbour),
        _ => Err(Outcome::IcmpUnrelated),
    }
}

/// The destination that the first fragment of this packet went to, if packets
/// may still go there.
#[inline(never)]
fn first_went_to<F: Family, T: Tables>(tables: &T, packet: &Packet<F>) -> Option<NonZeroU16> {
    let number = tables.fragment(&packet.fragment_key())?;
    let flags = tables.destination(number).flags.get();
    let is_in = flags & (destination::LIVE | destination::OUT) == destination::LIVE;
    NonZeroU16::new(number).filter(|_| is_in)
}

/// Notes the destination that the first fragment of a packet goes to.
#[inline(never)]
fn note_first<F: Family, T: Tables>(tables: &T, packet: &Packet<F>, destination: u16) {
    tables.note_fragment(&packet.fragment_key(), destination);
}
