//! What a backend's checks say, one after the other, taken together.

/// What is known of a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No check has ended yet.
    #[default]
    Unknown,
    /// It is well.
    Up,
    /// It is not.
    Down,
}

/// The health of one backend, by one check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    state: State,
    /// Checks in a row that speak against the state.
    against: u32,
}

impl Health {
    /// What is known now.
    #[must_use]
    pub fn state(self) -> State {
        self.state
    }

    /// Takes the end of a check. The first one of all decides alone; later ones when
    /// `rise` in a row succeed, or `fall` in a row fail.
    pub fn hear(&mut self, is_well: bool, rise: u32, fall: u32) {
        let (other, needed) = match (self.state, is_well) {
            (State::Unknown, true) => (State::Up, 1),
            (State::Unknown, false) => (State::Down, 1),
            (State::Up, true) | (State::Down, false) => {
                self.against = 0;
                return;
            }
            (State::Up, false) => (State::Down, fall),
            (State::Down, true) => (State::Up, rise),
        };
        self.against += 1;
        if self.against >= needed {
            *self = Self {
                state: other,
                against: 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ends: &str, rise: u32, fall: u32) -> State {
        let mut health = Health::default();
        ends.chars()
            .for_each(|end| health.hear(end == '+', rise, fall));
        health.state()
    }

    #[test]
    fn the_first_check_decides_alone_and_later_ones_in_a_row() {
        for (ends, state) in [
            ("", State::Unknown),
            ("+", State::Up),
            ("-", State::Down),
            ("+--", State::Up),
            ("+---", State::Down),
            ("+--+--", State::Up),
            ("-+", State::Down),
            ("-++", State::Up),
            ("-+-+", State::Down),
            ("+---++---", State::Down),
        ] {
            assert_eq!(after(ends, 2, 3), state, "{ends}");
        }
        assert_eq!(after("+-", 1, 1), State::Down);
        assert_eq!(after("-+", 1, 1), State::Up);
    }

    /// All sequences of nine ends, against the rule in other words.
    #[test]
    fn a_state_is_as_old_as_the_last_row_that_was_long_enough() {
        for bits in 0_u32..512 {
            for (rise, fall) in [(1, 1), (2, 3), (3, 2)] {
                let ends: Vec<bool> = (0..9).map(|n| bits >> n & 1 == 1).collect();
                let mut health = Health::default();
                let mut wanted = ends[0];
                for end in 0..ends.len() {
                    health.hear(ends[end], rise, fall);
                    let needed = if wanted { fall } else { rise } as usize;
                    let row = ends[..=end].iter().rev().take_while(|&&e| e != wanted);
                    if end > 0 && row.count() >= needed {
                        wanted = !wanted;
                    }
                    assert_eq!(health.state() == State::Up, wanted, "{ends:?} at {end}");
                }
            }
        }
    }
}
