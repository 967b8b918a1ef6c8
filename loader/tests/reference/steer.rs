//! The packet's way: what it is for, who gets it, what is written.

use super::answer::{self, RST};
use super::choose::{About, Choice, Own};
use super::fault::Fault;
use super::hash::{Flow, Hash};
use super::outcome::{Action, Outcome};
use super::quote;
use super::tunnel;
use super::wire::{self, Content, ICMP, ICMPV6, Packet, TCP, UDP};
use super::world::{RESETS, State, Vip, Way, World};

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Where its way ended.
    pub outcome: Outcome,
    /// What the kernel is told.
    pub action: Action,
    /// The flow that it is about, if a service has it.
    pub about: Option<About>,
}

impl World {
    /// What becomes of a frame. It is rewritten in place.
    pub fn run(&mut self, frame: &mut Vec<u8>) -> Walk {
        let mut about = None;
        let outcome = match self.steer(frame, &mut about) {
            Ok(destination) => return self.redirected(destination, about),
            Err(outcome) => outcome,
        };
        Walk {
            outcome,
            action: outcome.row().1,
            about,
        }
    }

    /// A frame that was forwarded may leave by another interface, or stay.
    fn redirected(&self, destination: u16, about: Option<About>) -> Walk {
        Walk {
            outcome: Outcome::Forwarded,
            action: match self.destinations[&destination].way {
                Way::Other => Action::Redirect,
                Way::Here => Action::Pass,
                Way::Back | Way::Gone => Outcome::Forwarded.row().1,
            },
            about,
        }
    }

    /// The destination that the frame was forwarded to, or what else became of
    /// it.
    fn steer(&mut self, frame: &mut Vec<u8>, about: &mut Option<About>) -> Result<u16, Outcome> {
        let link = wire::link(frame, self.fault)?;
        if link.station != self.station {
            return Err(Outcome::OtherStation);
        }
        let packet = wire::packet(frame, &link, self.fault).ok_or(Outcome::BadHeader)?;
        let vip = *self.vips.get(&packet.destination).ok_or(Outcome::NotVip)?;
        let chosen = match packet.content {
            Content::Tcp(at) | Content::Udp(at) => self.own(frame, &packet, at, about),
            Content::Icmp(at) => self.message(frame, &packet, at, vip, about),
            Content::Later => self.later_fragment(&packet),
            Content::Nothing(outcome) => Err(outcome),
        };
        let result = chosen.and_then(|(destination, flow)| {
            let hash = match about {
                Some(about) if self.errs(Fault::ClientNamesTunnel) => about.hash,
                _ => Hash::of_flow(&flow, &self.keys),
            };
            self.forward(frame, &packet, destination, hash)
        });
        match result {
            Err(outcome) if vip.is_local && outcome.is_for_no_service() => Err(Outcome::LocalVip),
            result => result,
        }
    }

    /// A packet with ports of its own.
    fn own(
        &mut self,
        frame: &mut Vec<u8>,
        packet: &Packet,
        at: usize,
        about: &mut Option<About>,
    ) -> Result<(u16, Flow), Outcome> {
        let is_tcp = packet.content == Content::Tcp(at);
        let [c0, c1, v0, v1] = wire::bytes(frame, at).ok_or(Outcome::Truncated)?;
        let own = Own {
            packet,
            flow: Flow {
                client: packet.source,
                vip: packet.destination,
                client_port: [c0, c1],
                vip_port: [v0, v1],
                protocol: if is_tcp { TCP } else { UDP },
            },
            // Only TCP has flags.
            flags: if is_tcp { frame[at + 13] } else { 0 },
            sequence: wire::bytes(frame, at + 4).ok_or(Outcome::Truncated)?,
        };
        let service = self.service_of(&own.flow).ok_or(Outcome::NoService)?;
        if !self.serves(&self.services[&service].sources, packet.source) {
            return Err(Outcome::SourceDenied);
        }
        let hash = self.hash(&own.flow, service);
        *about = Some(About { service, hash });
        match self.choose(&own, service, hash) {
            Choice::To(destination) => {
                if let Some(id) = packet.fragment
                    && (self.obstacle(packet, destination).is_none()
                        || self.errs(Fault::UnsentIsFollowed))
                {
                    self.fragments.insert(id, destination);
                }
                Ok((destination, own.flow))
            }
            Choice::Nobody => Err(Outcome::NoBackend),
            Choice::Reset => Err(self.reset(frame, packet, at, own.flags)),
        }
    }

    /// A control message for a VIP.
    fn message(
        &mut self,
        frame: &mut [u8],
        packet: &Packet,
        at: usize,
        vip: Vip,
        about: &mut Option<About>,
    ) -> Result<(u16, Flow), Outcome> {
        let (kind, code) = (frame[at], frame[at + 1]);
        let is_v6 = packet.destination.is_ipv6();
        if is_v6 && matches!(kind, 130..=137 | 143) {
            return Err(Outcome::Neighbour);
        }
        let request = if is_v6 { 128 } else { 8 };
        let code = if self.errs(Fault::EchoOfAnyCode) {
            0
        } else {
            code
        };
        if (kind, code) == (request, 0) && vip.answers_echo && !vip.is_local {
            answer::echo(frame, packet, at, self.fault);
            return Err(Outcome::EchoAnswered);
        }
        let protocol = if is_v6 { ICMPV6 } else { ICMP };
        if !quote::is_error(kind, protocol) {
            return Err(Outcome::IcmpUnrelated);
        }
        let flow = quote::flow(frame, packet, at, self.fault).ok_or(Outcome::IcmpUnrelated)?;
        let service = self.service_of(&flow).ok_or(Outcome::IcmpUnrelated)?;
        let hash = self.hash(&flow, service);
        *about = Some(About { service, hash });
        let owner = self.owner(service, hash).ok_or(Outcome::NoBackend)?;
        if self.errs(Fault::ErrorRefreshes) && self.flows.find(hash).is_some() {
            self.flows.enter(hash, owner, 0);
        }
        Ok((owner, flow))
    }

    /// A fragment without ports follows the first one, if that was seen and its
    /// backend is there. What it is told by on its way is its number, in the
    /// place of the ports.
    fn later_fragment(&self, packet: &Packet) -> Result<(u16, Flow), Outcome> {
        let id = packet.fragment.ok_or(Outcome::FragmentUnknown)?;
        let noted = self.fragments.get(&id).copied();
        let [n0, n1, n2, n3] = id.identification.to_be_bytes();
        let is_v4 = id.source.is_ipv4();
        let flow = Flow {
            client: id.source,
            vip: id.destination,
            client_port: if is_v4 { [n2, n3] } else { [n0, n1] },
            vip_port: if is_v4 { [0, 0] } else { [n2, n3] },
            protocol: id.protocol,
        };
        noted
            .filter(|destination| {
                self.state(*destination) == State::Live || self.errs(Fault::FragmentsFollowTheDead)
            })
            .map(|destination| (destination, flow))
            .ok_or(Outcome::FragmentUnknown)
    }

    /// Answers a segment whose backend is out.
    fn reset(&mut self, frame: &mut Vec<u8>, packet: &Packet, at: usize, flags: u8) -> Outcome {
        let budget = if self.errs(Fault::OneResetMore) {
            RESETS + 1
        } else {
            RESETS
        };
        if flags & RST != 0 || self.resets >= budget {
            return Outcome::ResetLimited;
        }
        self.resets += 1;
        *frame = answer::reset(frame, packet, at, self.fault);
        Outcome::ResetSent
    }

    /// Wraps the packet up if it is to be, writes both MACs, and counts.
    fn forward(
        &mut self,
        frame: &mut Vec<u8>,
        packet: &Packet,
        number: u16,
        hash: Hash,
    ) -> Result<u16, Outcome> {
        if let Some(obstacle) = self.obstacle(packet, number) {
            return Err(self.refuse(frame, packet, obstacle));
        }
        let destination = &self.destinations[&number];
        if let Some(tunnel) = &destination.tunnel {
            *frame = tunnel::wrapped(
                frame,
                packet,
                (destination.address, tunnel),
                hash,
                self.fault,
            );
        }
        if destination.way != Way::Here || self.errs(Fault::HereIsAddressed) {
            frame[..6].copy_from_slice(&destination.mac);
            frame[6..12].copy_from_slice(&destination.from);
        }
        let count = self.count(number);
        count.packets += 1;
        count.bytes += packet.length;
        Ok(number)
    }
}
