//! Frames without end, the same for the same seed.

use crate::packets::fixture::Fixture;
use crate::packets::world::{OUR_MAC, SITES};

/// The longest frame that fixtures give to the generator. A cut or changed
/// super-frame shows nothing that a cut or changed small one does not.
const LONGEST: usize = 1600;

/// A source of frames: random bytes, packets for the world, and fixtures, cut
/// and changed.
pub struct Generator {
    state: u64,
    models: Vec<Vec<u8>>,
}

impl Generator {
    /// `seed` is any number but 0.
    pub fn new(seed: u64, fixtures: &[Fixture]) -> Self {
        let frames = fixtures.iter().map(|fixture| &fixture.frame);
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
            let reach = self.one_of(&[14, 40, 60, frame.len()]);
            let at = self.below(reach.min(frame.len()));
            frame[at] ^= 1 << self.below(8);
        }
    }

    /// Random bytes; now and then behind our own MAC, else no more of them
    /// would ever be read.
    fn noise(&mut self) -> Vec<u8> {
        let length = self.below(128);
        let mut frame = self.bytes(length);
        if self.below(2) == 0 {
            for (to, from) in frame.iter_mut().zip(OUR_MAC) {
                *to = from;
            }
            for (to, from) in frame.iter_mut().skip(12).zip([0x08, 0x00]) {
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
        let site = &SITES[n];
        let mut address = site.address;
        let mut port = site.port;
        let mut protocol = site.protocol;
        match self.below(16) {
            0 => address[3] ^= self.byte(),
            1 => port = u16::from(self.byte()),
            2 => protocol = self.one_of(&[1, 4, 6, 17, 47, 50]),
            _ => {}
        }
        let options: u8 = self.one_of(&[0, 0, 0, 0, 1, 2, 5, 10]);
        let payload = self.one_of(&[0, 0, 1, 100, 1400]);
        let segment = self.segment(port, protocol, payload);
        let total = 20 + usize::from(options) * 4 + segment.len();
        let total = match self.below(16) {
            0 => self.below(total + 20),
            _ => total,
        };

        let mut frame = OUR_MAC.to_vec();
        frame.extend(self.bytes(6));
        frame.extend([0x08, 0x00, 0x45 + options, 0]);
        frame.extend(short(total));
        frame.extend(self.bytes(2));
        let fragment = self.one_of(&[0x4000, 0x4000, 0, 0, 0x8000, 0x2000, 0x00b9]);
        frame.extend(u16::to_be_bytes(fragment));
        frame.extend([64, protocol, 0, 0]);
        // Few clients with few ports, so that flows come back.
        frame.extend([203, 0, 113, self.byte() % 16]);
        frame.extend(address);
        frame.extend(self.bytes(usize::from(options) * 4));
        frame.extend(segment);
        frame
    }

    fn segment(&mut self, port: u16, protocol: u8, payload: usize) -> Vec<u8> {
        let mut segment = vec![0xc3, self.byte() % 64];
        segment.extend(port.to_be_bytes());
        if protocol == 17 {
            segment.extend(short(payload + 8));
            segment.extend([0; 2]);
        } else {
            // SYN, ACK, PSH with ACK, FIN with ACK, RST, SYN with ACK.
            let flags = self.one_of(&[0x02, 0x02, 0x10, 0x18, 0x11, 0x04, 0x12]);
            segment.extend([0, 0, 0, self.byte() % 4, 0, 0, 0, 0]);
            segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        }
        segment.extend(self.bytes(payload));
        segment
    }
}

/// A length, as on the wire.
fn short(length: usize) -> [u8; 2] {
    u16::try_from(length)
        .expect("no packet is so long")
        .to_be_bytes()
}
