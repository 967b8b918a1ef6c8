//! Packets: addresses, headers, segments, fragments.

use super::Generator;
use crate::reference::wire::{TCP, UDP};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const FRAGMENT: u8 = 44;

/// Bytes in a fragment: few, or about as many as fit a tunnel.
const SHORT_STEPS: &[usize] = &[8, 24, 24, 32, 40];
const LONG_STEPS: &[usize] = &[552, 560, 1400, 1440, 1448, 1456, 1464, 1472];

/// What a packet is about.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub client: IpAddr,
    pub client_port: u16,
    pub vip: IpAddr,
    pub port: u16,
    pub protocol: u8,
}

/// The bytes of an address.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// A length as on the wire.
pub fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes()
}

impl Generator {
    /// A target, or nearly one, and one of a few clients, so that flows come
    /// back.
    pub fn about(&mut self) -> About {
        let n = self.below(self.targets.len());
        let target = self.targets[n];
        let any = self.one_of(&[0, 1, 80, 443, 53, 8080]);
        let mut about = About {
            client: self.client(target.vip.is_ipv6()),
            client_port: 0xc350 + u16::from(self.one_of(&[0_u8, 1, 2, 3, 5, 8, 13, 21])),
            vip: target.vip,
            port: target.port.unwrap_or(any),
            protocol: target.protocol,
        };
        match self.below(40) {
            0 => about.port ^= 1 << self.below(16),
            1 => about.protocol = self.one_of(&[0, 1, 2, 4, TCP, UDP, 47, 50, 51, 58, 59, 132]),
            2 => {
                let flip = 1_u8 << self.below(7);
                about.vip = match about.vip {
                    IpAddr::V4(v4) => Ipv4Addr::from(v4.to_bits() ^ u32::from(flip)).into(),
                    IpAddr::V6(v6) => Ipv6Addr::from(v6.to_bits() ^ u128::from(flip)).into(),
                };
            }
            3 => about.client_port = u16::from_le_bytes([self.byte(), self.byte()]),
            _ => {}
        }
        about
    }

    fn client(&mut self, is_v6: bool) -> IpAddr {
        if self.below(50) == 0 {
            return self.odd_client(is_v6);
        }
        let last = self.one_of(&[1, 7, 16, 17, 19, 65, 100, 130, 200]);
        let v4 = match self.below(12) {
            0 => Ipv4Addr::new(198, 51, 100, last),
            _ => Ipv4Addr::new(203, 0, 113, last),
        };
        if !is_v6 {
            return v4.into();
        }
        let place = u16::from(last) << 8 | u16::from(last);
        match self.below(24) {
            // Never on a wire, but who knows?
            0 => v4.to_ipv6_mapped().into(),
            1 => Ipv6Addr::new(0x2001, 0xdb8, 0xd, 0, 0, 0, 0, place).into(),
            _ => Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, place).into(),
        }
    }

    /// One whom no answer would reach, or just not.
    fn odd_client(&mut self, is_v6: bool) -> IpAddr {
        if is_v6 {
            let first = self.one_of(&[0, 0, 0xff02, 0xff0e, 0xfeff, 0x2001]);
            let last = self.one_of(&[0, 1, 2]);
            return Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last).into();
        }
        let first = self.one_of(&[0, 1, 126, 127, 128, 223, 224, 239, 240, 254, 255]);
        let last = self.one_of(&[0, 1, 255]);
        Ipv4Addr::new(first, last, last, last).into()
    }

    pub fn plain(&mut self) -> Vec<u8> {
        let about = self.about();
        let payload = match self.below(12) {
            0 => self.long(),
            _ => self.one_of(&[0, 0, 0, 1, 5, 33]),
        };
        let segment = self.segment(&about, payload);
        let packet = self.packet(&about, about.protocol, segment, 0);
        self.framed(&about, 0, packet)
    }

    /// So much that it fits a tunnel just so, or not: 1,400 to 1,600 bytes, or
    /// about 600 where the way is narrow.
    pub fn long(&mut self) -> usize {
        match self.below(4) {
            0 => 520 + self.below(80),
            1 => self.one_of(&[1400, 1412, 1420, 1432, 1440, 1452, 1460]) + self.below(3),
            _ => 1360 + self.below(200),
        }
    }

    pub fn with_headers(&mut self) -> Vec<u8> {
        let about = self.about();
        let payload = if self.below(12) == 0 { self.long() } else { 3 };
        let segment = self.segment(&about, payload);
        let packet = self.packet(&about, about.protocol, segment, 1);
        self.framed(&about, 0, packet)
    }

    pub fn tagged(&mut self) -> Vec<u8> {
        let about = self.about();
        let (protocol, payload) = match self.below(6) {
            0 => self.echo(&about, 4),
            1 => self.error_message(&about),
            2 => {
                let payload = self.long();
                (about.protocol, self.segment(&about, payload))
            }
            _ => (about.protocol, self.segment(&about, 3)),
        };
        let extra = self.one_of(&[0, 0, 1]);
        let packet = self.packet(&about, protocol, payload, extra);
        let tags = self.one_of(&[1, 1, 2, 2, 3]);
        self.framed(&about, tags, packet)
    }

    /// The frame around a packet; for somebody else now and then.
    pub fn framed(&mut self, about: &About, tags: usize, packet: Vec<u8>) -> Vec<u8> {
        let mut frame = self.station.to_vec();
        match self.below(120) {
            0 => frame[self.below(6)] ^= 1 << self.below(8),
            1 => frame = vec![0xff; 6],
            _ => {}
        }
        frame.extend([0x0a, 0x55, 0x66, 0x77, 0x88, self.byte()]);
        for _ in 0..tags {
            frame.extend(self.one_of(&[[0x81, 0x00], [0x88, 0xa8]]));
            frame.extend(self.bytes(2));
        }
        let ether_type = match self.below(240) {
            0 => [0x08, 0x06],
            1 => [0x91, 0x00],
            2 => [0x08, 0x00],
            _ if about.vip.is_ipv6() => [0x86, 0xdd],
            _ => [0x08, 0x00],
        };
        frame.extend(ether_type);
        frame.extend(packet);
        frame
    }

    /// The IP packet around a payload, with options or extension headers if
    /// `extra` is not 0.
    pub fn packet(
        &mut self,
        about: &About,
        protocol: u8,
        payload: Vec<u8>,
        extra: usize,
    ) -> Vec<u8> {
        if about.vip.is_ipv4() {
            let words = match extra {
                0 => 0,
                _ => 1 + self.below(10),
            };
            return self.v4(about, protocol, payload, words, (0, 0x4000));
        }
        let (next, payload) = match extra {
            0 => (protocol, payload),
            _ => self.extensions(protocol, payload),
        };
        self.v6(about, next, payload)
    }

    /// An IPv4 packet; `fragment` is its identification and its fragment field.
    pub fn v4(
        &mut self,
        about: &About,
        protocol: u8,
        payload: Vec<u8>,
        words: usize,
        fragment: (u16, u16),
    ) -> Vec<u8> {
        let first = u8::try_from(0x45 + words).expect("at most ten words");
        let mut packet = vec![first, self.one_of(&[0, 0x28, 0xb9, 0xff])];
        packet.extend(short(20 + words * 4 + payload.len()));
        packet.extend(fragment.0.to_be_bytes());
        packet.extend(fragment.1.to_be_bytes());
        packet.extend([self.one_of(&[64, 63, 64, 2, 3, 1, 0, 255]), protocol, 0, 0]);
        packet.extend(octets(about.client));
        packet.extend(octets(about.vip));
        packet.extend(self.bytes(words * 4));
        let checksum = match self.below(16) {
            0..=3 => [0, 0],
            4 => self.one_of(&[[0xff, 0xff], [0xfe, 0xff], [0xff, 0x00], [0xfe, 0xfe]]),
            // What becomes zero when the TTL becomes 64.
            5 => u16::wrapping_sub(0x4000, u16::from(packet[8]) << 8).to_be_bytes(),
            6 => u16::wrapping_sub(0x3fff, u16::from(packet[8]) << 8).to_be_bytes(),
            _ => super::message::checksum(&[&packet]),
        };
        packet[10..12].copy_from_slice(&checksum);
        packet.extend(payload);
        packet
    }

    /// An IPv6 packet.
    pub fn v6(&mut self, about: &About, next: u8, payload: Vec<u8>) -> Vec<u8> {
        let mut packet = vec![0x60 | self.byte() & 0x0f, self.byte(), 0, 0];
        packet.extend(short(payload.len()));
        packet.extend([next, self.one_of(&[64, 63, 64, 2, 3, 1, 0, 255])]);
        packet.extend(octets(about.client));
        packet.extend(octets(about.vip));
        packet.extend(payload);
        packet
    }

    /// Extension headers before a payload, built from the last to the first.
    fn extensions(&mut self, protocol: u8, payload: Vec<u8>) -> (u8, Vec<u8>) {
        let (mut next, mut payload) = (protocol, payload);
        // How many, and how long the longest is: up to where no more is read.
        let count = self.one_of(&[1, 1, 1, 2, 3, 5, 6, 6, 7]);
        let long = self.one_of(&[0, 0, 0, 52, 53, 54, 55, 56, 57, 58, 59, 255]);
        for n in 0..count {
            let header = self.one_of(&[0, 43, 60, 60, FRAGMENT]);
            let units = if n == 0 {
                long
            } else {
                self.one_of(&[0, 0, 1])
            };
            let mut bytes = vec![next, units];
            if header == FRAGMENT {
                // Whole, mostly; the number is one of a few.
                bytes = vec![
                    next,
                    self.one_of(&[0, 0, 9]),
                    0,
                    self.one_of(&[0, 0, 6, 1, 8, 9]),
                ];
                bytes.extend([0, 0, 0, self.byte() % 8]);
            } else {
                bytes.extend(self.bytes(6 + usize::from(units) * 8));
            }
            bytes.extend(payload);
            (next, payload) = (header, bytes);
        }
        (next, payload)
    }

    /// A segment or datagram, or as many bytes for another protocol.
    pub fn segment(&mut self, about: &About, payload: usize) -> Vec<u8> {
        let mut segment = about.client_port.to_be_bytes().to_vec();
        segment.extend(about.port.to_be_bytes());
        if about.protocol == UDP {
            segment.extend(short(payload + 8));
            segment.extend([0; 2]);
        } else {
            // SYN, ACK, PSH with ACK, FIN with ACK, RST, RST with ACK, SYN with
            // ACK, FIN, SYN for ECN, SYN with RST or FIN, nothing, PSH.
            let flags = self.one_of(&[
                0x02, 0x02, 0x02, 0x10, 0x10, 0x10, 0x18, 0x11, 0x04, 0x14, 0x12, 0x01, 0xc2, 0x06,
                0x03, 0x00, 0x08,
            ]);
            segment.extend([0, 0, 0, self.byte() % 4]);
            segment.extend(self.bytes(4));
            let offset = self.one_of(&[0x50, 0x50, 0x50, 0x80, 0xf0, 0x00, 0x40]);
            segment.extend([offset, flags, 0xff, 0xff, 0, 0, 0, 0]);
        }
        segment.extend(self.bytes(payload));
        segment
    }

    /// The next fragment of a train: a packet that was cut into some, which
    /// come in order or not, and some not at all.
    pub fn fragment(&mut self) -> Vec<u8> {
        if let Some(frame) = self.train.pop_front() {
            return frame;
        }
        let about = self.about();
        let (whole, steps) = match self.below(10) {
            0 => (self.error_message(&about).1, SHORT_STEPS),
            1 => (self.echo(&about, 60).1, SHORT_STEPS),
            2 => (self.segment(&about, 3000), LONG_STEPS),
            _ => (self.segment(&about, 60), SHORT_STEPS),
        };
        // Few numbers, so that packets are mixed up.
        let number = u16::from(self.byte() % 32);
        let step = self.one_of(steps);
        let count = whole.len().div_ceil(step);
        let options = self.one_of(&[0, 0, 0, 3]);
        let mut fragments = Vec::new();
        for (n, piece) in whole.chunks(step).enumerate() {
            let more = n + 1 < count;
            let offset = u16::try_from(n * step / 8).expect("a short packet");
            let packet = if about.vip.is_ipv4() {
                let field = offset | if more { 0x2000 } else { 0 };
                self.v4(
                    &about,
                    about.protocol,
                    piece.to_vec(),
                    options,
                    (number, field),
                )
            } else {
                let field = offset << 3 | u16::from(more);
                self.v6_fragment(&about, piece, number, field)
            };
            fragments.push(self.framed(&about, usize::from(options == 3), packet));
        }
        if self.below(3) == 0 {
            let n = self.below(fragments.len());
            fragments.rotate_left(n);
        }
        if self.below(6) == 0 {
            let n = self.below(fragments.len());
            fragments.remove(n);
        }
        // Two trains side by side, now and then.
        self.train.extend(fragments);
        self.train.pop_front().unwrap_or_default()
    }

    /// A fragment of IPv6, behind another extension header now and then.
    fn v6_fragment(&mut self, about: &About, piece: &[u8], number: u16, field: u16) -> Vec<u8> {
        let mut bytes = vec![about.protocol, self.one_of(&[0, 0xff])];
        bytes.extend(field.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(number.to_be_bytes());
        bytes.extend(piece);
        let mut next = FRAGMENT;
        match self.below(12) {
            0 => {
                let mut outer = vec![FRAGMENT, 0];
                outer.extend(self.bytes(6));
                outer.extend(bytes);
                (next, bytes) = (self.one_of(&[0, 60, 43]), outer);
            }
            1 => {
                // A fragment in a fragment.
                let mut outer = vec![FRAGMENT, 0, 0, self.one_of(&[0, 1]), 0, 0, 0, 77];
                outer.extend(bytes);
                bytes = outer;
            }
            _ => {}
        }
        self.v6(about, next, bytes)
    }
}
