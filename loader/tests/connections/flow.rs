//! What a client knows of its flow.

use super::dice::Dice;
use super::segment::{ACK, FIN_ACK, SYN, Segment};
use super::site::Service;
use dsrload::model::{Affinity, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Balancers of a site, at the most.
pub const BALANCERS: usize = 3;

/// What a client sends, or what is sent about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first packet of a connection: of TCP a SYN.
    Open,
    /// The same SYN again.
    Again,
    /// A packet of the connection.
    Data,
    /// Its last one.
    Close,
    /// An ICMP error about it.
    Error,
}

/// Why a packet of a living connection may go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    /// Its last packet found no room in the flow table.
    NoRoom,
    /// It was idle for long, and another flow has its place.
    Evicted,
    /// It has moved to another balancer while its slot was unsettled.
    Moved,
    /// It has moved, and only the former balancer remembered it: its backend is
    /// not the owner of its slot.
    MovedRandom,
    /// Its SYN was sent again, and its slot has become unsettled in between: it
    /// looks like the SYN of a new connection.
    HalfOpen,
    /// It was silent beyond the window: UDP, affinity.
    Window,
    /// It was silent beyond the idle time of settling.
    Idle,
}

/// All of them, with what they are called.
pub const EXCUSES: [(Excuse, &str); 7] = [
    (Excuse::NoRoom, "no room in the flow table"),
    (Excuse::Evicted, "evicted while idle"),
    (Excuse::Moved, "moved balancer while unsettled"),
    (
        Excuse::MovedRandom,
        "moved balancer, remembered by the former",
    ),
    (Excuse::HalfOpen, "SYN again, slot changed in between"),
    (Excuse::Window, "UDP or affinity idle beyond the window"),
    (Excuse::Idle, "TCP idle beyond the settle idle"),
];

/// What is known of a flow at the balancer that it goes to.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// It has come from another one, in a way that the design excuses.
    pub moved: Option<Excuse>,
    /// It has come from another one, and sent nothing since.
    pub is_guest: bool,
    /// A sweep has given it up after it was silent for long enough.
    pub given_up: Option<Excuse>,
    /// Its last packet found no room: where its slot sent it then.
    pub without_room: Option<Option<u8>>,
    /// Its slot was settled when its last packet came, or later.
    pub was_settled: bool,
    /// Its last packet is noted in its entry.
    pub is_noted: bool,
}

/// A flow: all packets that have to go to one backend.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Which one.
    pub number: u16,
    /// Of which service.
    pub service: u8,
    pub protocol: Protocol,
    /// The balancer that it goes to.
    pub at: usize,
    /// The backend of its living connection.
    pub owed: Option<u8>,
    /// The client got an answer to its SYN.
    pub is_established: bool,
    /// Its SYN went where the program sends a new connection, not where an entry
    /// of an older one said or where there was no room for one.
    pub is_chosen: bool,
    /// Changes that had been made when its connection was opened.
    pub changes: u64,
    /// Its connection was closed by the client, or came to a bad end.
    pub is_over: bool,
    /// When its last packet came, in seconds.
    pub last: u64,
    /// Of its connection's SYN.
    pub sequence: u32,
    /// Where each balancer has sent its last packet.
    pub went: [Option<u8>; BALANCERS],
    pub memory: Memory,
}

impl Flow {
    /// One that has never sent a packet.
    pub fn new(number: u16, service: &Service, dice: &mut Dice) -> Self {
        let (protocol, _) = dice.pick(&service.ports);
        Self {
            number,
            service: service.number,
            protocol,
            at: 0,
            owed: None,
            is_established: false,
            is_chosen: false,
            changes: 0,
            is_over: false,
            last: 0,
            sequence: 0,
            went: [None; BALANCERS],
            memory: Memory::default(),
        }
    }

    /// Its segment of this kind. Clients with affinity use several ports.
    pub fn segment(&self, service: &Service, kind: Kind, dice: &mut Dice) -> Segment {
        let flags = match kind {
            Kind::Open | Kind::Again => SYN,
            Kind::Close => FIN_ACK,
            _ if service.manner.affinity != Affinity::Flow => dice.pick(&[SYN, ACK]),
            _ => ACK,
        };
        let segment = self.any_segment(service);
        match service.manner.affinity {
            Affinity::Flow => Segment { flags, ..segment },
            Affinity::Client(bits, _) => {
                let (protocol, port) = dice.pick(&service.ports);
                let host = if bits == 32 { 0 } else { dice.below(200) };
                Segment {
                    flags,
                    client: self.client(service, u8::try_from(host).expect("below 200")),
                    client_port: 20_000 + u16::try_from(dice.below(10_000)).expect("a port"),
                    port,
                    protocol,
                    ..segment
                }
            }
        }
    }

    /// A segment of the flow, always the same.
    pub fn any_segment(&self, service: &Service) -> Segment {
        let is_its_own = |(protocol, _): &&(Protocol, u16)| *protocol == self.protocol;
        let (protocol, port) = *service.ports.iter().find(is_its_own).expect("a port");
        Segment {
            client: self.client(service, 0),
            client_port: 20_000 + self.number,
            vip: service.vip(),
            port,
            protocol,
            flags: ACK,
            sequence: self.sequence,
        }
    }

    /// An address of its client, or of its network.
    fn client(&self, service: &Service, host: u8) -> IpAddr {
        // Without affinity four flows share an address.
        let client = match service.manner.affinity {
            Affinity::Flow => self.number / 4,
            Affinity::Client(..) => self.number,
        };
        let [high, low] = client.to_be_bytes();
        if service.is_v6 {
            let interface = 1 + u16::from(host);
            Ipv6Addr::new(0x2001, 0xdb8, 0xc, client, 0, 0, 0, interface).into()
        } else {
            Ipv4Addr::new(10 + high, low, 7, 1 + host).into()
        }
    }
}
