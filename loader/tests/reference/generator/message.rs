//! Control messages: echo requests, errors and what they quote.

use super::Generator;
use super::build::{About, FRAGMENT, octets, short};
use crate::reference::wire::{ICMP, ICMPV6, TCP, UDP};

/// The checksum of these parts (RFC 1071), as on the wire.
pub fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0_u64;
    for pair in parts.concat().chunks(2) {
        sum += u64::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(!sum & 0xffff)
        .expect("sixteen bits")
        .to_be_bytes()
}

impl Generator {
    /// A control message that is no error: an echo request mostly.
    pub fn message(&mut self) -> Vec<u8> {
        let about = self.about();
        let payload = self.one_of(&[0, 0, 1, 8, 31]);
        let (protocol, payload) = self.echo(&about, payload);
        let extra = self.one_of(&[0, 0, 0, 1]);
        let packet = self.packet(&about, protocol, payload, extra);
        self.framed(&about, 0, packet)
    }

    /// An echo request, nearly always; its protocol and bytes.
    pub fn echo(&mut self, about: &About, payload: usize) -> (u8, Vec<u8>) {
        let is_v6 = about.vip.is_ipv6();
        let request = if is_v6 { 128 } else { 8 };
        let kind = match self.below(8) {
            0 => self.byte(),
            1 => self.one_of(&[
                0, 5, 8, 13, 128, 129, 130, 132, 133, 137, 138, 142, 143, 144,
            ]),
            _ => request,
        };
        let mut message = vec![kind, self.one_of(&[0, 0, 0, 0, 0, 1]), 0, 0];
        let fill = self.one_of(&[0, 0xff, 1]);
        message.extend(match fill {
            1 => self.bytes(4 + payload),
            _ => vec![fill; 4 + payload],
        });
        let protocol = if is_v6 { ICMPV6 } else { ICMP };
        // Right mostly, else anything, and both forms of zero.
        let right = if is_v6 {
            let ends = [octets(about.client), octets(about.vip)].concat();
            let [high, low] = short(message.len());
            checksum(&[&ends, &[0, 0, high, low, 0, 0, 0, protocol], &message])
        } else {
            checksum(&[&message])
        };
        let sum = match self.below(8) {
            0 => [self.byte(), self.byte()],
            1 => self.one_of(&[
                [0, 0],
                [0xff, 0xff],
                [0xf7, 0xff],
                [0xf8, 0x00],
                [0x00, 0xff],
                [0x01, 0x00],
                [0x01, 0x01],
                [0xfe, 0xff],
            ]),
            _ => right,
        };
        message[2..4].copy_from_slice(&sum);
        (protocol, message)
    }

    pub fn error(&mut self) -> Vec<u8> {
        let about = self.about();
        let (protocol, mut message) = self.error_message(&about);
        if self.below(20) == 0 {
            let more = self.long();
            message.extend(self.bytes(more));
        }
        let extra = self.one_of(&[0, 0, 0, 1]);
        // From a router, or from the client itself.
        let mut sender = about;
        if self.below(2) == 0 {
            sender.client = self.about_like(&about).client;
        }
        let packet = self.packet(&sender, protocol, message, extra);
        self.framed(&about, 0, packet)
    }

    /// Somebody else of the same family.
    fn about_like(&mut self, about: &About) -> About {
        loop {
            let other = self.about();
            if other.vip.is_ipv4() == about.vip.is_ipv4() {
                return other;
            }
        }
    }

    /// An error about a packet that the VIP sent; its protocol and bytes.
    pub fn error_message(&mut self, about: &About) -> (u8, Vec<u8>) {
        let is_v6 = about.vip.is_ipv6();
        let kinds: &[u8] = if is_v6 {
            &[1, 2, 2, 3, 4, 5, 100, 127]
        } else {
            &[3, 3, 3, 11, 12, 4, 5]
        };
        let mut message = vec![self.one_of(kinds), self.byte() % 6];
        message.extend(self.bytes(2));
        // Unused, or the length of RFC 4884, or an MTU.
        message.extend([0, self.one_of(&[0, 0, 5, 32]), 5, 0x78]);
        let mut quote = self.quote(about);
        if self.below(5) == 0 {
            quote.truncate(self.below(quote.len() + 1));
        }
        message.extend(quote);
        // An extension structure behind the quote (RFC 4884).
        if self.below(8) == 0 {
            message.extend([0x20, 0, 0, 0, 0, 8, 1, 1, 0, 0, 0, 0]);
        }
        (if is_v6 { ICMPV6 } else { ICMP }, message)
    }

    /// What the VIP sent: a segment to a client mostly, else an error that
    /// quotes one, a tunnel that has one in it, or something that it did not
    /// send.
    fn quote(&mut self, about: &About) -> Vec<u8> {
        let mut sent = About {
            client: about.vip,
            client_port: about.port,
            vip: about.client,
            port: about.client_port,
            protocol: about.protocol,
        };
        match self.below(16) {
            0 => (sent.client, sent.vip) = (sent.vip, sent.client),
            1 => sent.client = self.about_like(about).vip,
            _ => {}
        }
        let length = self.one_of(&[4, 8, 8, 8, 20, 32]);
        let (protocol, mut payload) = match self.below(12) {
            0 => {
                let inner = self.segment(&sent, 0);
                let inner = self.packet(&sent, sent.protocol, inner, 0);
                (if about.vip.is_ipv4() { 4 } else { 41 }, inner)
            }
            1 => {
                let mut inner = vec![3, 3, 0, 0, 0, 0, 0, 0];
                let segment = self.segment(&sent, 0);
                inner.extend(self.packet(&sent, sent.protocol, segment, 0));
                (if about.vip.is_ipv4() { ICMP } else { ICMPV6 }, inner)
            }
            2 => (self.one_of(&[TCP, UDP, 1, 58, 50]), self.segment(&sent, 0)),
            _ => (sent.protocol, self.segment(&sent, 0)),
        };
        payload.truncate(length.max(if protocol == sent.protocol { 0 } else { 60 }));
        if about.vip.is_ipv4() {
            let words = self.one_of(&[0, 0, 0, 1, 10]);
            // Whole, a first fragment, later ones.
            let field = self.one_of(&[0x4000, 0x4000, 0x4000, 0, 0x2000, 0x00b9, 0x20b9]);
            let mut packet = self.v4(&sent, protocol, payload, words, (7, field));
            if self.below(12) == 0 {
                packet[0] = self.one_of(&[0x44, 0x40, 0x55, 0x65, 0x4f]);
            }
            return packet;
        }
        let next = self.one_of(&[protocol, protocol, protocol, FRAGMENT, 60]);
        if next != protocol {
            let field = self.one_of(&[0, 1, 6, 8, 9]);
            payload = [&[protocol, 0, 0, field, 0, 0, 0, 7], &payload[..]].concat();
        }
        let mut packet = self.v6(&sent, next, payload);
        if self.below(20) == 0 {
            packet[0] = self.one_of(&[0x45, 0x70]);
        }
        packet
    }
}
