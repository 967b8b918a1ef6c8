//! The engine's time.

use super::*;

#[test]
fn a_part_of_a_time_is_within_its_bounds() {
    let time = Duration::from_secs(2);
    for _ in 0..1_000 {
        let part = part_of(time, 90, 110);
        assert!(part >= time * 9 / 10 && part <= time * 11 / 10, "{part:?}");
    }
    assert_eq!(part_of(time, 100, 100), time);
    assert!(part_of(time, 0, 100) <= time);
}
