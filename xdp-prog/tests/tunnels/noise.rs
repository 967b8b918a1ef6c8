//! Frames without end, the same for the same seed: models, changed and cut.

/// A source of them.
pub struct Noise {
    state: u64,
    models: Vec<Vec<u8>>,
}

impl Noise {
    /// `seed` is any number but 0.
    pub fn new(seed: u64, models: Vec<Vec<u8>>) -> Self {
        assert!(seed != 0 && !models.is_empty());
        Self {
            state: seed,
            models,
        }
    }

    /// The next frame, `shortest` bytes long at least.
    pub fn frame(&mut self, shortest: usize) -> Vec<u8> {
        let model = self.below(self.models.len());
        let mut frame = self.models[model].clone();
        match self.below(4) {
            0 => frame.truncate(self.below(frame.len() + 1).max(shortest)),
            1 => {
                // Headers decide: most changes are there.
                for _ in 0..=self.below(4) {
                    let at = self.below(frame.len().min(120));
                    frame[at] = self.next().to_le_bytes()[0];
                }
            }
            2 => {
                let at = self.below(frame.len().min(80));
                frame[at] ^= 1 << self.below(8);
            }
            _ => {
                let more = self.below(9);
                frame.resize(frame.len() + more, 0xaa);
            }
        }
        frame
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// Marsaglia's xorshift (2003), all but its weakest bits.
    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 16
    }
}
