//! Frames without end, the same for the same seed.

use crate::packets::fixture::Fixture;
use crate::packets::site::{SITES, Site};
use crate::packets::world::OUR_MAC;

/// The longest frame that fixtures give to the generator. A cut or changed
/// super-frame shows nothing that a cut or changed small one does not.
const LONGEST: usize = 1600;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FRAGMENT: u8 = 44;
const ICMPV6: u8 = 58;

/// A source of frames: random bytes, packets for the world, and fixtures, cut
/// and changed.
pub struct Generator {
    state: u64,
    models: Vec<Vec<u8>>,
}

impl Generator {
    /// `seed` is any number but 0.
    pub fn new(seed: u64, fixtures: &[Fixture]) -> Self {
        let steps = fixtures.iter().flat_map(|fixture| &fixture.steps);
        let frames = steps.map(|step| &step.frame);
        let models: Vec<Vec<u8>> = frames.filter(|f| f.len() <= LONGEST).cloned().collect();
        assert!(seed != 0 && !models.is_empty());
        Self {
            state: seed,
            models,
        }
    }

    /// The next frame.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut frame = match self.below(8) {
            0 => self.noise(),
            1..=3 => self.model(),
            _ => self.packet(),
        };
        // A third as it is, a third changed, a third cut or continued.
        match self.below(6) {
            0..=1 => {
                for _ in 0..=self.below(4) {
                    self.flip(&mut frame);
                }
            }
            2 => frame.truncate(self.below(frame.len() + 1)),
            3 => {
                let more = self.below(32);
                frame.extend(self.bytes(more));
            }
            _ => {}
        }
        frame
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// Marsaglia's xorshift (2003), all but its weakest bits.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 16
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn flip(&mut self, frame: &mut [u8]) {
        if !frame.is_empty() {
            // Mostly among the headers.
            let reach = self.one_of(&[14, 40, 60, 80, frame.len()]);
            let at = self.below(reach.min(frame.len()));
            frame[at] ^= 1 << self.below(8);
        }
    }

    /// Random bytes; now and then behind our own MAC, else no more of them
    /// would ever be read.
    fn noise(&mut self) -> Vec<u8> {
        let length = self.below(128);
        let mut frame = self.bytes(length);
        let ether_type = self.one_of(&[[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00]]);
        if self.below(2) == 0 {
            for (to, from) in frame.iter_mut().zip(OUR_MAC) {
                *to = from;
            }
            for (to, from) in frame.iter_mut().skip(12).zip(ether_type) {
                *to = from;
            }
        }
        frame
    }

    fn model(&mut self) -> Vec<u8> {
        let n = self.below(self.models.len());
        self.models[n].clone()
    }

    /// A packet that makes sense, for a service more often than not.
    fn packet(&mut self) -> Vec<u8> {
        let n = self.below(SITES.len());
        let is_v6 = self.below(2) == 0;
        let about = Subject::new(self, &SITES[n], is_v6);
        let mut frame = OUR_MAC.to_vec();
        frame.extend(self.bytes(6));
        for _ in 0..self.one_of(&[0, 0, 0, 0, 1, 2, 3]) {
            frame.extend(self.one_of(&[[0x81, 0x00], [0x88, 0xa8]]));
            frame.extend(self.bytes(2));
        }
        if is_v6 {
            frame.extend([0x86, 0xdd]);
            frame.extend(self.v6(&about));
        } else {
            frame.extend([0x08, 0x00]);
            frame.extend(self.v4(&about));
        }
        frame
    }

    fn v4(&mut self, about: &Subject) -> Vec<u8> {
        let (protocol, payload) = self.message(about);
        let options: u8 = self.one_of(&[0, 0, 0, 0, 1, 2, 5, 10]);
        let total = 20 + usize::from(options) * 4 + payload.len();
        let total = self.length(total);
        let mut packet = vec![0x45 + options, 0];
        packet.extend(short(total));
        packet.extend([0, self.byte() % 8]);
        let fragment = self.one_of(&[0x4000, 0x4000, 0, 0, 0x8000, 0x2000, 0x00b9]);
        packet.extend(u16::to_be_bytes(fragment));
        packet.extend([self.hops(), protocol, 0, 0]);
        packet.extend(&about.client);
        packet.extend(&about.vip);
        packet.extend(self.bytes(usize::from(options) * 4));
        packet.extend(payload);
        packet
    }

    fn v6(&mut self, about: &Subject) -> Vec<u8> {
        let (mut next, mut payload) = self.message(about);
        // From the last extension header to the first.
        for _ in 0..self.one_of(&[0, 0, 0, 0, 1, 1, 2, 3, 6, 7]) {
            let header = self.one_of(&[0, 43, FRAGMENT, FRAGMENT, 60]);
            let units = self.one_of(&[0, 0, 0, 1, 3, 40]);
            let mut bytes = vec![next, units];
            if header == FRAGMENT {
                let field = self.one_of(&[0, 1, 0x05a9, 0x0b50]);
                bytes = vec![next, 0];
                bytes.extend(u16::to_be_bytes(field));
                bytes.extend([0, 0, 0, self.byte() % 8]);
            } else {
                bytes.extend(self.bytes(6 + usize::from(units) * 8));
            }
            bytes.extend(payload);
            (next, payload) = (header, bytes);
        }
        let length = self.length(payload.len());
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(short(length));
        packet.extend([next, self.hops()]);
        packet.extend(&about.client);
        packet.extend(&about.vip);
        packet.extend(payload);
        packet
    }

    /// A time to live, or a hop limit, which ends here now and then.
    fn hops(&mut self) -> u8 {
        match self.below(16) {
            0 => self.one_of(&[0, 1, 2]),
            _ => self.byte(),
        }
    }

    /// A length that is wrong now and then.
    fn length(&mut self, length: usize) -> usize {
        match self.below(16) {
            0 => self.below(length + 20),
            _ => length,
        }
    }

    /// What the packet carries: protocol and payload.
    fn message(&mut self, about: &Subject) -> (u8, Vec<u8>) {
        let icmp = if about.is_v6 { ICMPV6 } else { ICMP };
        match self.below(8) {
            0 => (icmp, self.error(about)),
            1 => (icmp, self.icmp(about)),
            _ => (about.protocol, self.segment(about)),
        }
    }

    /// Any control message, an echo request more often than not.
    fn icmp(&mut self, about: &Subject) -> Vec<u8> {
        let echo = if about.is_v6 { 128 } else { 8 };
        let kind = match self.below(4) {
            0 => self.byte(),
            1 => self.one_of(&[5, 129, 133, 135, 136, 143]),
            _ => echo,
        };
        let mut message = vec![kind, self.one_of(&[0, 0, 0, 1])];
        message.extend(self.bytes(20));
        message
    }

    /// An error about a packet that the VIP sent.
    fn error(&mut self, about: &Subject) -> Vec<u8> {
        let kinds: [u8; 4] = if about.is_v6 {
            [1, 2, 3, 4]
        } else {
            [3, 11, 12, 4]
        };
        let mut message = vec![self.one_of(&kinds), self.byte() % 4];
        message.extend(self.bytes(6));
        let mut segment = self.segment(about);
        segment.swap(0, 2);
        segment.swap(1, 3);
        segment.truncate(self.one_of(&[8, 8, 20, 4, 2]));
        let is_fragment = self.below(4) == 0;
        if about.is_v6 {
            message.extend([0x60, 0, 0, 0, 0, 20]);
            if is_fragment {
                message.extend([FRAGMENT, 60]);
            } else {
                message.extend([about.protocol, 60]);
            }
            message.extend(&about.vip);
            message.extend(&about.client);
            if is_fragment {
                message.extend([about.protocol, 0, 0, self.one_of(&[0, 1, 8])]);
                message.extend(self.bytes(4));
            }
        } else {
            let options: u8 = self.one_of(&[0, 0, 1, 10]);
            message.extend([0x45 + options, 0, 0, 40, 0, 1]);
            message.extend([if is_fragment { 0x20 } else { 0 }, 0]);
            message.extend([60, about.protocol, 0, 0]);
            message.extend(&about.vip);
            message.extend(&about.client);
            message.extend(self.bytes(usize::from(options) * 4));
        }
        message.extend(segment);
        message
    }

    fn segment(&mut self, about: &Subject) -> Vec<u8> {
        let mut segment = vec![0xc3, self.byte() % 64];
        segment.extend(about.port.to_be_bytes());
        let payload = self.one_of(&[0, 0, 1, 100, 1400]);
        if about.protocol == UDP {
            segment.extend(short(payload + 8));
            segment.extend([0; 2]);
        } else {
            // SYN, ACK, PSH with ACK, FIN with ACK, RST, SYN with ACK, FIN.
            let flags = self.one_of(&[0x02, 0x02, 0x10, 0x18, 0x11, 0x04, 0x12, 0x01]);
            segment.extend([0, 0, 0, self.byte() % 4, 0, 0, 0, 0]);
            segment.extend([self.one_of(&[0x50, 0x50, 0x80, 0xf0]), flags]);
            segment.extend([0xff, 0xff, 0, 0, 0, 0]);
        }
        segment.extend(self.bytes(payload));
        segment
    }
}

/// What packets are about: a service, or nearly one.
struct Subject {
    is_v6: bool,
    vip: Vec<u8>,
    client: Vec<u8>,
    port: u16,
    protocol: u8,
}

impl Subject {
    fn new(from: &mut Generator, site: &Site, is_v6: bool) -> Self {
        let mut host = site.host;
        let mut port = match site.port {
            0 => u16::from(from.byte()),
            port => port,
        };
        let mut protocol = site.protocol;
        match from.below(16) {
            0 => host ^= from.byte(),
            1 => port = u16::from(from.byte()),
            2 => protocol = from.one_of(&[1, 4, TCP, UDP, 47, 50, 58, 59]),
            _ => {}
        }
        // Few clients with few ports, so that flows come back.
        let client = from.one_of(&[1, 2, 3, 7, 65, 100, 130, 200]);
        let (vip, client) = if is_v6 {
            let mut ends = [[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; 2];
            ends[0][15] = host;
            ends[1][5] = 0x0c;
            ends[1][14] = client;
            ends.map(|end| end.to_vec()).into()
        } else {
            (vec![192, 0, 2, host], vec![203, 0, 113, client])
        };
        Self {
            is_v6,
            vip,
            client,
            port,
            protocol,
        }
    }
}

/// A length, as on the wire.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length)
        .expect("no packet is so long")
        .to_be_bytes()
}
