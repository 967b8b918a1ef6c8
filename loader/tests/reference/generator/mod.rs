//! Frames without end, by classes; the same for the same seed.

mod build;
mod message;

use std::collections::VecDeque;
use std::net::IpAddr;

/// What kind of frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Segments and datagrams as clients send them.
    Plain,
    /// With IP options or extension headers.
    Headers,
    /// In VLANs.
    Tagged,
    /// Fragments of packets, in and out of order.
    Fragments,
    /// ICMP errors with quotes.
    Errors,
    /// Other ICMP: echo, neighbour discovery, anything.
    Messages,
    /// Some bits or bytes of a frame changed.
    Mutated,
    /// Cut, at every length in turn.
    Cut,
    /// Random bytes.
    Noise,
    /// Bytes behind the packet, or a length that is not true.
    Padded,
    /// From 14 bytes to more than a page.
    Sizes,
    /// Frames that somebody thought of.
    Fixtures,
}

impl Class {
    /// All of them, with names for a table.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::Plain, "plain"),
        (Self::Headers, "headers"),
        (Self::Tagged, "tagged"),
        (Self::Fragments, "fragments"),
        (Self::Errors, "errors"),
        (Self::Messages, "messages"),
        (Self::Mutated, "mutated"),
        (Self::Cut, "cut"),
        (Self::Noise, "noise"),
        (Self::Padded, "padded"),
        (Self::Sizes, "sizes"),
        (Self::Fixtures, "fixtures"),
    ];
}

/// What packets are sent to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The address,
    pub vip: IpAddr,
    /// the protocol,
    pub protocol: u8,
    /// and the port, if it is not any.
    pub port: Option<u16>,
}

/// A source of frames.
pub struct Generator {
    state: u64,
    station: [u8; 6],
    targets: Vec<Target>,
    models: Vec<Vec<u8>>,
    /// Fragments that are still to come.
    train: VecDeque<Vec<u8>>,
    /// A frame that is cut, and where next.
    cut: (Vec<u8>, usize),
}

/// The shortest frame that the kernel takes for a test: an Ethernet header.
pub const SHORTEST: usize = 14;

/// A frame that is cut or changed is no longer than this.
const MODEST: usize = 400;

impl Generator {
    /// Frames for this station about these targets; `models` are frames to
    /// take as they are, and to change.
    pub fn new(seed: u64, station: [u8; 6], targets: Vec<Target>, models: Vec<Vec<u8>>) -> Self {
        assert!(!targets.is_empty() && !models.is_empty());
        Self {
            state: seed,
            station,
            targets,
            models,
            train: VecDeque::new(),
            cut: (Vec::new(), 0),
        }
    }

    /// The next frame.
    pub fn frame(&mut self) -> (Class, Vec<u8>) {
        let class = match self.below(24) {
            0..=6 => Class::Plain,
            7..=8 => Class::Headers,
            9..=10 => Class::Tagged,
            11..=13 => Class::Fragments,
            14..=15 => Class::Errors,
            16 => Class::Messages,
            17..=18 => Class::Mutated,
            19 => Class::Cut,
            20 => Class::Noise,
            21 => Class::Padded,
            22 => Class::Fixtures,
            // Long frames take long.
            _ if self.below(4) == 0 => Class::Sizes,
            _ => Class::Plain,
        };
        let mut frame = self.of_class(class);
        if frame.len() < SHORTEST {
            frame.resize(SHORTEST, 0);
        }
        (class, frame)
    }

    fn of_class(&mut self, class: Class) -> Vec<u8> {
        match class {
            Class::Plain => self.plain(),
            Class::Headers => self.with_headers(),
            Class::Tagged => self.tagged(),
            Class::Fragments => self.fragment(),
            Class::Errors => self.error(),
            Class::Messages => self.message(),
            Class::Mutated => self.mutated(),
            Class::Cut => self.cut(),
            Class::Noise => self.noise(),
            Class::Padded => self.padded(),
            Class::Sizes => self.sized(),
            Class::Fixtures => self.model(),
        }
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// Steele's SplitMix64 (2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let words = (0..count.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        let mut bytes: Vec<u8> = words.collect();
        bytes.truncate(count);
        bytes
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn model(&mut self) -> Vec<u8> {
        let n = self.below(self.models.len());
        self.models[n].clone()
    }

    /// A frame of any class that makes sense, not a long one.
    fn modest(&mut self) -> Vec<u8> {
        loop {
            let frame = match self.below(8) {
                0 => self.plain(),
                1 => self.with_headers(),
                2 => self.tagged(),
                3 => self.fragment(),
                4 => self.error(),
                5 => self.message(),
                _ => self.model(),
            };
            if frame.len() <= MODEST {
                return frame;
            }
        }
    }

    fn mutated(&mut self) -> Vec<u8> {
        let mut frame = self.modest();
        for _ in 0..=self.below(4) {
            // Mostly among the headers.
            let reach = self.one_of(&[14, 24, 40, 60, 80, frame.len()]);
            let at = self.below(reach.min(frame.len()).max(1));
            let Some(byte) = frame.get(at).copied() else {
                return frame;
            };
            frame[at] = match self.below(4) {
                0 => self.one_of(&[0, 1, 0x7f, 0x80, 0xff, 6, 17, 44, 58, 60]),
                1 => byte.wrapping_add(self.one_of(&[1, 0xff])),
                _ => byte ^ 1 << self.below(8),
            };
        }
        frame
    }

    fn cut(&mut self) -> Vec<u8> {
        if self.cut.1 > self.cut.0.len() {
            self.cut = (Vec::new(), 0);
        }
        if self.cut.0.is_empty() {
            self.cut = (self.modest(), SHORTEST);
        }
        let (frame, length) = &mut self.cut;
        *length += 1;
        frame[..(*length - 1).min(frame.len())].to_vec()
    }

    /// Random bytes; mostly behind our own MAC and an EtherType, else no more
    /// of them would be read.
    fn noise(&mut self) -> Vec<u8> {
        let length = self.below(160);
        let mut frame = self.bytes(length);
        let ether_type = self.one_of(&[[0x08, 0x00], [0x86, 0xdd], [0x81, 0x00], [0x88, 0xa8]]);
        let starts: &[(usize, &[u8])] = match self.below(4) {
            0 => &[],
            1 => &[(0, &self.station.clone())],
            _ => &[(0, &self.station.clone()), (12, &ether_type)],
        };
        for (at, bytes) in starts {
            for (to, from) in frame.iter_mut().skip(*at).zip(*bytes) {
                *to = *from;
            }
        }
        if let Some(first) = frame.get_mut(14) {
            *first = match ether_type {
                [0x08, 0x00] => 0x40 | *first & 0x0f,
                [0x86, 0xdd] => 0x60 | *first & 0x0f,
                _ => *first,
            };
        }
        frame
    }

    fn padded(&mut self) -> Vec<u8> {
        let mut frame = self.modest();
        match self.below(3) {
            // The IP length of a frame without tags.
            0 if frame.len() > 20 => {
                let at = if frame[12] == 0x86 { 18 } else { 16 };
                let length = self.one_of(&[0, 8, 20, 27, 28, 39, 40, 41, 60, 1500, 65535]);
                frame[at..at + 2].copy_from_slice(&u16::to_be_bytes(length));
            }
            _ => {
                let more = self.one_of(&[1, 2, 6, 18, 46, 200]);
                frame.extend(self.bytes(more));
            }
        }
        frame
    }

    fn sized(&mut self) -> Vec<u8> {
        let longest = self.one_of(&[0, 10, 1400, 3500, 3600, 4200, 9000]);
        let about = self.about();
        let payload = self.below(longest + 1);
        let is_ping = self.below(4) == 0;
        let (protocol, payload) = if is_ping {
            self.echo(&about, payload)
        } else {
            (about.protocol, self.segment(&about, payload))
        };
        let packet = self.packet(&about, protocol, payload, 0);
        self.framed(&about, 0, packet)
    }
}
