//! What many measurements of one thing come to.

/// The least, the middle and the upper end of some measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The least: what it takes when nothing disturbs.
    pub min: f64,
    /// As many are above as are below.
    pub median: f64,
    /// One of ten is above.
    pub p90: f64,
}

impl Summary {
    /// `None` of nothing.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let lower = *sorted.get(count.checked_sub(1)? / 2)?;
        let upper = *sorted.get(count / 2)?;
        Some(Self {
            min: *sorted.first()?,
            median: f64::midpoint(lower, upper),
            p90: *sorted.get((count * 9).div_ceil(10) - 1)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn one_value_is_all_of_them() {
        let all = Summary {
            min: 3.0,
            median: 3.0,
            p90: 3.0,
        };
        assert_eq!(Summary::of(&[3.0]), Some(all));
    }

    #[test]
    fn the_order_does_not_matter_and_one_of_ten_is_above_the_upper_end() {
        let values = [7.0, 1.0, 10.0, 4.0, 2.0, 9.0, 3.0, 8.0, 6.0, 5.0];
        let summary = Summary::of(&values).expect("ten values");
        assert_eq!((summary.min, summary.median, summary.p90), (1.0, 5.5, 9.0));
    }

    #[test]
    fn an_odd_number_of_values_has_one_in_the_middle() {
        let summary = Summary::of(&[30.0, 10.0, 20.0]).expect("three values");
        assert_eq!((summary.median, summary.p90), (20.0, 30.0));
    }
}
