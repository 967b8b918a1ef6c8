//! The packet's way, step by step (ARCHITECTURE.md, "A packet's way").
//!
//! Each step gives what the next one needs or ends the way with an
//! [`Outcome`]. Outcomes are counted in one place, here.

use crate::abi::state::{destination, mapped, service, service_key, slot};
use crate::abi::{Destination, Outcome, Service};
use crate::forward;
use crate::packet::ethernet::{self, EtherType, Ethernet};
use crate::packet::ipv4::{self, Ipv4, Protocol};
use crate::packet::transport::{Tcp, Udp, opens};
use crate::packet::{Frame, frame};
use crate::select::{Flow, Place};
use crate::tables::Tables;
use crate::track::Track;

/// How a packet's way ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What the kernel is told: an XDP action.
    pub action: u32,
    /// Where the way ended.
    pub outcome: Outcome,
    /// The destination it was sent to; 0 if it was not.
    pub destination: u16,
    /// It is the first packet of its flow that the flow table sees.
    pub is_new: bool,
}

/// The backend of a packet.
#[derive(Clone, Copy)]
struct Choice {
    destination: u16,
    is_new: bool,
}

/// Balances one frame: rewrites it if it is to be forwarded, and counts.
#[inline(always)]
pub fn balance<T: Tables>(frame: &mut Frame, tables: &T) -> Decision {
    match steer(frame, tables) {
        Ok((action, choice)) => Decision {
            action,
            outcome: Outcome::Forwarded,
            destination: choice.destination,
            is_new: choice.is_new,
        },
        Err(outcome) => {
            tables.outcomes().of(outcome).add(1);
            Decision {
                action: outcome.verdict() as u32,
                outcome,
                destination: 0,
                is_new: false,
            }
        }
    }
}

#[inline(always)]
fn steer<T: Tables>(frame: &mut Frame, tables: &T) -> Result<(u32, Choice), Outcome> {
    let offset = network(frame, tables)?;
    let (flow, service) = transport(frame, tables, offset)?;
    let choice = choose(&flow, service, tables)?;
    let destination = tables.destination(choice.destination);
    let action = forward::l2(frame, tables, destination)?;

    let counter = tables.counter(choice.destination);
    counter.packets.add(1);
    counter.bytes.add(flow.length as u64);
    if choice.is_new && opens(flow.tcp_flags) {
        counter.connections.add(1);
    }
    Ok((action, choice))
}

/// Where the IP header starts, if the frame is addressed to us.
#[inline(always)]
fn network<T: Tables>(frame: &Frame, tables: &T) -> Result<usize, Outcome> {
    let ethernet = Ethernet::of(frame).ok_or(Outcome::BadHeader)?;
    if !ethernet.ether_type.is(EtherType::IPV4) {
        return Err(Outcome::NotIpv4);
    }
    // A switch floods frames for stations it does not know: they reach XDP
    // before the kernel would sort them out, on every balancer of a segment.
    if ethernet.destination() != tables.port().mac.get() {
        return Err(Outcome::OtherStation);
    }
    Ok(ethernet::LENGTH)
}

/// The flow of a packet and the service it is for.
#[inline(always)]
fn transport<'a, T: Tables>(
    frame: &Frame,
    tables: &'a T,
    offset: usize,
) -> Result<(Flow, &'a Service), Outcome> {
    let ip = Ipv4::at(frame, offset).ok_or(Outcome::BadHeader)?;
    let header = ip.header_length().ok_or(Outcome::BadHeader)?;
    // The same code twice: with constant offsets for nearly every packet, and
    // with the header's own length for those with options.
    let parsed = if header == ipv4::LENGTH {
        ports(frame, ip, offset + ipv4::LENGTH, ipv4::LENGTH)
    } else {
        ports(frame, ip, offset + header, header)
    };
    let found = match &parsed {
        Ok(flow) => find_service(tables, flow.destination, flow.port(), flow.protocol),
        Err(_) => None,
    };
    match (parsed, found) {
        (Ok(flow), Some(service)) => Ok((flow, service)),
        (parsed, _) => Err(refuse(tables, ip, parsed.err())),
    }
}

/// What becomes of a packet that is for no service: the host's own traffic
/// passes, whatever its shape, also on a VIP that is its own address; else
/// what a VIP cannot take is dropped, since a stack that does not own the VIP
/// would send redirects, or loop it.
#[inline(always)]
fn refuse<T: Tables>(tables: &T, ip: &Ipv4, reason: Option<Outcome>) -> Outcome {
    let Some(vip) = find_service(tables, ip.destination.raw(), [0, 0], 0) else {
        return Outcome::NotVip;
    };
    if vip.flags.get() & service::LOCAL != 0 {
        return Outcome::LocalVip;
    }
    reason.unwrap_or(Outcome::NoService)
}

/// The flow, read from the transport header at `offset`, which the IP header
/// of `header` bytes says follows it.
#[inline(always)]
fn ports(frame: &Frame, ip: &Ipv4, offset: usize, header: usize) -> Result<Flow, Outcome> {
    if ip.is_fragment() {
        return Err(Outcome::Fragment);
    }
    let mut flow = Flow {
        source: ip.source.raw(),
        destination: ip.destination.raw(),
        ports: 0,
        protocol: ip.protocol.0,
        tcp_flags: 0,
        sequence: 0,
        length: ip.total_length.number(),
    };
    // Short frames are padded: a header counts only as far as the IP packet
    // reaches. That the frame may hold less than the IP packet is no fault: the
    // rest can lie in further buffers.
    let reaches = |length: usize| flow.length as usize >= header + length;
    match ip.protocol {
        Protocol::TCP if reaches(size_of::<Tcp>()) => {
            let tcp: &Tcp = header_at(frame, offset)?;
            flow.ports = tcp.ports.raw();
            flow.tcp_flags = tcp.flags;
            flow.sequence = tcp.sequence.raw();
        }
        Protocol::UDP if reaches(size_of::<Udp>()) => {
            flow.ports = header_at::<Udp>(frame, offset)?.ports.raw();
        }
        Protocol::TCP | Protocol::UDP => return Err(Outcome::Truncated),
        _ => return Err(Outcome::OtherProtocol),
    }
    Ok(flow)
}

#[inline(always)]
fn header_at<T: frame::Wire>(frame: &Frame, offset: usize) -> Result<&T, Outcome> {
    frame.header(offset).ok_or(Outcome::Truncated)
}

/// The service at this address, port and protocol: one displacement, one
/// entry, one exact compare.
#[inline(always)]
fn find_service<T: Tables>(
    tables: &T,
    address: u32,
    port: [u8; 2],
    protocol: u8,
) -> Option<&Service> {
    let control = tables.control();
    let copy = control.active.get();
    let seed = control.seeds[copy as usize & 1].get();
    let (address, key) = (mapped(address), service_key(port, protocol));
    let place = Place::of(address, key, seed);
    let displacement = tables.displacement(copy, place.displacement).get();
    let entry = tables.service(copy, place.start ^ displacement as u32);
    let same = entry.key.get() == key
        && entry.address[1].get() == address[1]
        && entry.address[0].get() == address[0];
    same.then_some(entry)
}

/// The backend of a flow.
///
/// A new TCP connection goes to a random backend and is entered in the flow
/// table; so is every other flow that is met without an entry, with the
/// backend of its slot. Where the table has no room a flow stays with its
/// slot: the choice then needs no memory, and no packet rolls again.
#[inline(always)]
fn choose<T: Tables>(flow: &Flow, service: &Service, tables: &T) -> Result<Choice, Outcome> {
    let control = tables.control();
    let hash = flow.hash(control);
    let track = Track::of(tables, hash);
    if let Some(known) = track.find()
        && belongs(tables.destination(known.destination()), service)
        && !(opens(flow.tcp_flags) && track.is_stale(&known))
    {
        track.refresh(&known);
        return Ok(Choice {
            destination: known.destination(),
            is_new: false,
        });
    }

    let settled = owner(tables, service, hash);
    let wanted = if opens(flow.tcp_flags) {
        owner(tables, service, flow.roll(control))
    } else {
        settled
    };
    let destination = if wanted != 0 && track.enter(wanted) {
        wanted
    } else {
        settled
    };
    if destination == 0 {
        return Err(Outcome::NoBackend);
    }
    Ok(Choice {
        destination,
        is_new: true,
    })
}

/// Whether flows of `service` may go to `destination`: it names a backend,
/// and one of this service. The second half also makes a flow harmless whose
/// tag is by accident that of another.
#[inline(always)]
fn belongs(destination: &Destination, service: &Service) -> bool {
    destination.flags.get() & destination::LIVE != 0
        && destination.service.get() == service.id.get()
}

/// The destination that owns the slot of `hash`; 0 for none.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "takes bits out of the hash and of the slot"
)]
fn owner<T: Tables>(tables: &T, service: &Service, hash: u64) -> u16 {
    let index = (hash >> 40) as u32 & service.slot_mask.get();
    let slot = tables.slot(service.first_slot.get().wrapping_add(index));
    slot::current(slot.get()) as u16
}
