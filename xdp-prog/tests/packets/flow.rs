//! What a frame is about, read with plain steps that owe nothing to the
//! program's parser. Frames are taken as they are meant: what the program must
//! refuse is not looked for here.

use xdp_prog::abi::{Control, FragmentKey, Service};
use xdp_prog::select::{self, Addresses, V4, V6};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// What a frame is about.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The flow of its packet, or the one that its packet, an error, quotes.
    pub flow: Option<Flow>,
    /// The flow is the packet's own.
    pub is_own: bool,
    /// Length of the packet, as its IP header says.
    pub length: u64,
    /// What it has in common with the other fragments, if it is one.
    pub fragment: Option<FragmentKey>,
}

/// A flow of either family, and the TCP sequence number of its packet, as on the
/// wire; 0 for UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Of IPv4.
    V4(select::Flow<V4>, u32),
    /// Of IPv6.
    V6(select::Flow<V6>, u32),
}

impl Flow {
    /// Its hash.
    pub fn hash(&self, control: &Control, service: &Service) -> u64 {
        match self {
            Self::V4(flow, _) => flow.hash(control, service),
            Self::V6(flow, _) => flow.hash(control, service),
        }
    }

    /// Its hash as a new connection.
    pub fn roll(&self, control: &Control) -> u64 {
        let (Self::V4(_, sequence) | Self::V6(_, sequence)) = self;
        select::roll(self.hash(control, &Service::default()), *sequence, control)
    }

    /// Its VIP, as the table of services has it.
    pub fn vip(&self) -> [u64; 2] {
        match self {
            Self::V4(flow, _) => flow.addresses.vip(),
            Self::V6(flow, _) => flow.addresses.vip(),
        }
    }

    /// The service's port.
    pub fn port(&self) -> u16 {
        match self {
            Self::V4(flow, _) => u16::from_be_bytes(flow.port()),
            Self::V6(flow, _) => u16::from_be_bytes(flow.port()),
        }
    }

    /// Its protocol.
    pub fn protocol(&self) -> u8 {
        match self {
            Self::V4(flow, _) => flow.protocol,
            Self::V6(flow, _) => flow.protocol,
        }
    }
}

/// Where the IP header starts, and the version that the frame says it has.
pub fn ip(frame: &[u8]) -> Option<(usize, u8)> {
    let mut at = 12;
    loop {
        match frame.get(at..at + 2)? {
            [0x81, 0x00] | [0x88, 0xa8] if at < 20 => at += 4,
            [0x08, 0x00] => return Some((at + 2, 4)),
            [0x86, 0xdd] => return Some((at + 2, 6)),
            _ => return None,
        }
    }
}

/// What a frame is about; `None` if it holds no IP.
pub fn of(frame: &[u8]) -> Option<Seen> {
    let (at, version) = ip(frame)?;
    let packet = Packet::of(&frame[at..], version)?;
    let own = packet.flow(false);
    Some(Seen {
        flow: own.or_else(|| packet.quoted()),
        is_own: own.is_some(),
        length: packet.length,
        fragment: packet.fragment,
    })
}

/// An IP packet, cut into its parts.
struct Packet<'a> {
    source: [u8; 16],
    destination: [u8; 16],
    version: u8,
    length: u64,
    fragment: Option<FragmentKey>,
    is_later: bool,
    protocol: u8,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn of(bytes: &'a [u8], version: u8) -> Option<Self> {
        if bytes.first()? >> 4 != version {
            return None;
        }
        if version == 4 {
            Self::v4(bytes)
        } else {
            Self::v6(bytes)
        }
    }

    fn v4(bytes: &'a [u8]) -> Option<Self> {
        let header = usize::from(bytes[0] & 0x0f) * 4;
        if header < 20 || bytes.len() < header {
            return None;
        }
        let mapped = |at: usize| {
            let mut address = [0; 16];
            address[10..12].copy_from_slice(&[0xff, 0xff]);
            address[12..].copy_from_slice(&bytes[at..at + 4]);
            address
        };
        let field = u16::from_be_bytes([bytes[6], bytes[7]]);
        let mut packet = Self {
            source: mapped(12),
            destination: mapped(16),
            version: 4,
            length: u16::from_be_bytes([bytes[2], bytes[3]]).into(),
            fragment: None,
            is_later: field & 0x1fff != 0,
            protocol: bytes[9],
            payload: &bytes[header..],
        };
        if field & 0x3fff != 0 {
            let identification = u16::from_le_bytes([bytes[4], bytes[5]]);
            packet.fragment = Some(packet.key(identification.into(), bytes[9]));
        }
        Some(packet)
    }

    fn v6(bytes: &'a [u8]) -> Option<Self> {
        let address = |at: usize| bytes[at..at + 16].try_into().ok();
        let mut packet = Self {
            source: bytes.get(8..24).and_then(|_| address(8))?,
            destination: bytes.get(24..40).and_then(|_| address(24))?,
            version: 6,
            length: 40 + u64::from(u16::from_be_bytes([bytes[4], bytes[5]])),
            fragment: None,
            is_later: false,
            protocol: bytes[6],
            payload: &bytes[40..],
        };
        while [0, 43, 44, 60].contains(&packet.protocol) && !packet.is_later {
            let (header, payload) = (packet.payload, packet.payload);
            if header.len() < 8 {
                break;
            }
            let mut size = 8 * (usize::from(header[1]) + 1);
            if packet.protocol == 44 {
                size = 8;
                let field = u16::from_be_bytes([header[2], header[3]]);
                packet.is_later = field & 0xfff8 != 0;
                if field & 0xfff9 != 0 {
                    let identification = header[4..8].try_into().expect("four bytes");
                    let identification = u32::from_le_bytes(identification);
                    let key = packet.key(identification, header[0]);
                    packet.fragment.get_or_insert(key);
                }
            }
            packet.protocol = header[0];
            packet.payload = payload.get(size..).unwrap_or_default();
        }
        Some(packet)
    }

    fn key(&self, identification: u32, protocol: u8) -> FragmentKey {
        FragmentKey {
            source: words(self.source),
            destination: words(self.destination),
            identification,
            protocol: protocol.into(),
        }
    }

    /// The flow of a TCP or UDP packet, or of what is left of one.
    fn flow(&self, is_quoted: bool) -> Option<Flow> {
        let word = |at: usize| -> Option<u32> {
            let bytes = self.payload.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        let (tcp_flags, sequence) = match self.protocol {
            _ if self.is_later => return None,
            TCP | UDP if is_quoted => (0, 0),
            TCP => (*self.payload.get(13)?, word(4)?),
            UDP => (0, 0),
            _ => return None,
        };
        let length = u32::try_from(self.length).expect("16 bits and a header");
        let (source, destination) = (words(self.source), words(self.destination));
        let (ports, protocol) = (word(0)?, self.protocol);
        // An error quotes what the VIP sent.
        let (source, destination, ports) = if is_quoted {
            (destination, source, ports.rotate_left(16))
        } else {
            (source, destination, ports)
        };
        Some(if self.version == 4 {
            let address = |[_, low]: [u64; 2]| u32::try_from(low >> 32).expect("half a word");
            let addresses = V4 {
                source: address(source),
                destination: address(destination),
            };
            Flow::V4(
                of_parts(addresses, ports, protocol, tcp_flags, length),
                sequence,
            )
        } else {
            let addresses = V6 {
                source,
                destination,
            };
            Flow::V6(
                of_parts(addresses, ports, protocol, tcp_flags, length),
                sequence,
            )
        })
    }

    /// The flow that an ICMP error is about.
    fn quoted(&self) -> Option<Flow> {
        let errors: &[u8] = match self.protocol {
            ICMP => &[3, 11, 12],
            ICMPV6 => &[1, 2, 3, 4],
            _ => return None,
        };
        if !errors.contains(self.payload.first()?) {
            return None;
        }
        Packet::of(self.payload.get(8..)?, self.version)?.flow(true)
    }
}

/// An address as the tables have it.
fn words(address: [u8; 16]) -> [u64; 2] {
    let (halves, _) = address.as_chunks::<8>();
    [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
}

fn of_parts<A>(
    addresses: A,
    ports: u32,
    protocol: u8,
    tcp_flags: u8,
    length: u32,
) -> select::Flow<A> {
    select::Flow {
        addresses,
        ports,
        protocol,
        tcp_flags,
        length,
    }
}
