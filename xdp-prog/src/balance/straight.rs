//! The straight way: of plain packets, in constant steps. Nearly every packet
//! goes it from end to end, so here every instruction counts
//! (`loader/tests/hot_path.rs` counts them).

use super::{deliver, ended, is_behind_tunnel};
use crate::abi::Outcome;
use crate::abi::state::service;
use crate::choose::{self, Choice, Risk, Role};
use crate::packet::Frame;
use crate::packet::ethernet::EtherType;
use crate::packet::ip::Ip;
use crate::packet::ipv4::Ipv4;
use crate::packet::ipv6::Ipv6;
use crate::packet::start::Start;
use crate::packet::transport::opens;
use crate::parse::{Family, plain};
use crate::select::{self, V4, V6};
use crate::tables::Tables;
use crate::vip;

/// Where the straight way of a packet ends.
pub enum Straight {
    /// The packet is gone, by this XDP action.
    Sent(u32, Settled),
    /// It went to no backend. That is counted.
    Ended(Outcome),
    /// It is to be wrapped up yet: with this entropy (0 for what is to be found
    /// still), a packet of this version of IP.
    Wrapped(Settled, u32, u8),
    /// The flow table decides about this many bytes.
    AtRisk(Risk, u32),
    /// It is not plain, or for no service: nothing has been changed or counted
    /// yet.
    Aside,
}

/// The owner of a settled slot, and a packet for it.
#[derive(Clone, Copy)]
pub struct Settled {
    destination: u16,
    pub(super) tcp_flags: u8,
}

impl Settled {
    #[inline(always)]
    pub(super) const fn choice(self) -> Choice {
        Choice::new(self.destination, opens(self.tcp_flags))
    }
}

/// The way of a plain packet for a service, or for no VIP.
#[inline(always)]
pub fn straight<T: Tables>(frame: &mut Frame, tables: &T) -> Straight {
    let Some(start) = frame.header_mut::<Start<Ipv4>>(0) else {
        return Straight::Aside;
    };
    let is_ours = start.ethernet.is_for(tables.port().mac.get());
    // Shown is what goes the whole way.
    if !is_ours || tables.control().trace.get() != 0 {
        return Straight::Aside;
    }
    if start.ethernet.ether_type.is(EtherType::IPV4) {
        return serve::<V4, T>(start, tables);
    }
    if start.ethernet.ether_type.is(EtherType::IPV6)
        && let Some(start) = frame.header_mut::<Start<Ipv6>>(0)
    {
        return serve::<V6, T>(start, tables);
    }
    Straight::Aside
}

/// What few services ask for.
const SPECIAL: u16 = service::SOURCES | service::CLIENT | service::TRACK_ALL | service::TRACK_NONE;

/// The second half of the straight way.
#[inline(always)]
fn serve<F: Family, T: Tables>(start: &mut Start<F::Header>, tables: &T) -> Straight {
    let Some(protocol) = start.ip.plain_protocol() else {
        return Straight::Aside;
    };
    if !vip::may_be_vip(tables, &F::of(&start.ip)) {
        tables.outcomes().of(Outcome::NotVip).add(1);
        return Straight::Ended(Outcome::NotVip);
    }
    let Some(flow) = plain::flow::<F>(start, protocol) else {
        return Straight::Aside;
    };
    let Some(service) = vip::own(tables, &flow) else {
        return Straight::Aside;
    };
    let flags = service.flags.get();
    let sequence = || start.transport.sequence.raw();
    let settled = if flags & SPECIAL == 0 {
        // Compiled without what these services do not ask for.
        choose::settled(&flow, service, 0, tables, Role::Own, sequence)
    } else if flags & service::SOURCES != 0 {
        return Straight::Aside;
    } else {
        choose::settled(&flow, service, flags, tables, Role::Own, sequence)
    };
    let found = match settled {
        Ok(found) => found,
        Err(risk) => match choose::glance(tables, &risk) {
            Some(found) => found,
            None => return Straight::AtRisk(risk, flow.length),
        },
    };
    let number = found.destination;
    if number == 0 {
        ended(tables, Outcome::NoBackend);
        return Straight::Ended(Outcome::NoBackend);
    }
    let to = Settled {
        destination: number,
        tcp_flags: flow.tcp_flags,
    };
    let destination = tables.destination(number);
    if is_behind_tunnel(destination) {
        return Straight::Wrapped(to, select::entropy(found.stirred), F::VERSION);
    }
    let length = flow.length as u64;
    match deliver(&mut start.ethernet, tables, number, destination, length) {
        Ok(action) => {
            // Late: as a truth that is kept it would cost registers all the way.
            if opens(flow.tcp_flags) {
                tables.counter(number).connections.add(1);
            }
            Straight::Sent(action, to)
        }
        Err(outcome) => {
            ended(tables, outcome);
            Straight::Ended(outcome)
        }
    }
}
