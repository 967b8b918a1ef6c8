//! What is told of many measurements. Pure.

use super::wire::STRIDE;
use crate::report::bench::Cost;

/// Of each hundred measurements so many are quicker than what is called the
/// least: a single one may have been cut short by a clock that was set.
const LEAST: f64 = 2.0;

/// Nanoseconds for a packet, of each round.
pub type Rounds = Vec<Vec<f64>>;

/// The cost of a program, and what it is above the floor's. The median is of
/// the differences in each round, so that what slows down both is in neither.
#[must_use]
pub fn cost(program: &Rounds, floor: &Rounds) -> Cost {
    let all = |rounds: &Rounds| rounds.iter().flatten().copied().collect::<Vec<f64>>();
    let medians = |rounds: &Rounds| {
        rounds
            .iter()
            .map(|round| percentile(round, 50.0))
            .collect::<Vec<f64>>()
    };
    let differences: Vec<f64> = medians(program)
        .iter()
        .zip(medians(floor))
        .map(|(program, floor)| program - floor)
        .collect();
    let least = percentile(&all(program), LEAST);
    Cost {
        ns_min: least,
        ns_median: percentile(&all(program), 50.0),
        net_ns_min: least - percentile(&all(floor), LEAST),
        net_ns_median: percentile(&differences, 50.0),
        net_ns_p90: percentile(&differences, 90.0),
    }
}

/// Millions of frames a second, by the nanoseconds that [`STRIDE`] frames took,
/// over and over: what the quicker ones make (see [`LEAST`]).
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    reason = "some milliseconds, far below 2^53 nanoseconds"
)]
pub fn mpps(nanoseconds: &[u64]) -> f64 {
    let times: Vec<f64> = nanoseconds.iter().map(|&ns| ns as f64).collect();
    STRIDE as f64 * 1000.0 / percentile(&times, LEAST)
}

/// The value that so many of a hundred are not above; 0 of none.
#[must_use]
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into what is in memory"
    )]
    let index = (sorted.len().saturating_sub(1) as f64 * percent / 100.0).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_among_the_values() {
        let values: Vec<f64> = (0..=100).map(f64::from).rev().collect();
        assert_eq!(percentile(&values, 2.0), 2.0);
        assert_eq!(percentile(&values, 50.0), 50.0);
        assert_eq!(percentile(&[7.0], 90.0), 7.0);
        assert_eq!(percentile(&[], 50.0), 0.0);
    }

    #[test]
    fn what_slows_down_both_is_in_no_net_median() {
        let floor = vec![vec![10.0; 3], vec![30.0; 3], vec![11.0; 3]];
        let program = vec![vec![15.0; 3], vec![35.0; 3], vec![16.0; 3]];
        let cost = cost(&program, &floor);
        assert_eq!(cost.net_ns_median, 5.0);
        assert_eq!(cost.net_ns_min, 5.0);
        assert_eq!(cost.ns_median, 16.0);
    }
}
