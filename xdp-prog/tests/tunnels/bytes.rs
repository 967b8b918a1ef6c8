//! Headers as bytes.

/// Our MAC, and that of whoever sends to us.
pub const MAC: [u8; 6] = [0x02, 0xde, 0xca, 0x00, 0x00, 0x01];
pub const SENDER: [u8; 6] = [0x02, 0x5e, 0x4d, 0xe2, 0x00, 0x99];

/// Tags: a customer's of VLAN 100, and a provider's of VLAN 7.
pub const TAG: [u8; 4] = [0x81, 0x00, 0x60, 0x64];
pub const PROVIDER_TAG: [u8; 4] = [0x88, 0xa8, 0x00, 0x07];

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// An Ethernet frame to us: tags, EtherType by the version of the packet.
pub fn frame(tags: &[[u8; 4]], packet: &[u8]) -> Vec<u8> {
    frame_to(MAC, tags, packet)
}

pub fn frame_to(mac: [u8; 6], tags: &[[u8; 4]], packet: &[u8]) -> Vec<u8> {
    let ether_type = match packet.first().map(|first| first >> 4) {
        Some(6) => [0x86, 0xdd],
        _ => [0x08, 0x00],
    };
    [&mac[..], &SENDER, &tags.concat(), &ether_type, packet].concat()
}

/// An IPv4 header and its payload.
#[derive(Clone)]
pub struct V4 {
    pub source: [u8; 4],
    pub destination: [u8; 4],
    pub protocol: u8,
    pub class: u8,
    pub fragment: u16,
    pub options: Vec<u8>,
}

impl V4 {
    pub fn new(source: [u8; 4], destination: [u8; 4], protocol: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            class: 0,
            fragment: 0x4000,
            options: Vec::new(),
        }
    }

    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let words = u8::try_from(header / 4).expect("options of whole words");
        let total = u16::try_from(header + payload.len()).expect("an IP packet");
        let mut packet = vec![0x40 | words, self.class];
        packet.extend(total.to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([61, self.protocol, 0, 0]);
        packet.extend(self.source);
        packet.extend(self.destination);
        packet.extend(&self.options);
        let checksum = checksum(&packet);
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        packet.extend(payload);
        packet
    }
}

/// An IPv6 header and its payload.
#[derive(Clone)]
pub struct V6 {
    pub source: [u8; 16],
    pub destination: [u8; 16],
    pub next: u8,
    pub class: u8,
}

impl V6 {
    pub fn new(source: [u8; 16], destination: [u8; 16], next: u8) -> Self {
        Self {
            source,
            destination,
            next,
            class: 0,
        }
    }

    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).expect("an IP packet");
        // A flow label of all ones, which no mark may touch.
        let mut packet = vec![0x60 | self.class >> 4, self.class << 4 | 0x0f, 0xff, 0xff];
        packet.extend(length.to_be_bytes());
        packet.extend([self.next, 61]);
        packet.extend(self.source);
        packet.extend(self.destination);
        packet.extend(payload);
        packet
    }
}

/// A UDP header, without a checksum, and its payload.
pub fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram");
    let head = [0xc123, port, length, 0].map(u16::to_be_bytes).concat();
    [&head, payload].concat()
}

/// The complement of the sum of all 16-bit words (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("carries were added")
}

/// The checksum of a TCP segment between these addresses.
pub fn tcp_checksum(addresses: &[u8], segment: &[u8]) -> u16 {
    let length = u32::try_from(segment.len()).expect("a segment");
    let rest = [&length.to_be_bytes()[..], &[0, 0, 0, TCP]].concat();
    checksum(&[addresses, &rest, segment].concat())
}
