//! When a service that is up may be announced.

use super::roster::{Entry, Member};
use crate::model::State;
use std::time::{Duration, Instant};

/// How long backends that may be up soon are waited for at the most.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same without checks: only neighbours are asked, each second.
const UNCHECKED: Duration = Duration::from_secs(1);

impl Entry {
    /// Works out whether it may be announced: when it is up, and all backends are well
    /// or have had the time to be.
    ///
    /// Backends that come back together are up one after the other. Were the first one
    /// enough, the router would send connections of all of them here, and those of
    /// backends that are not up yet would be given to it.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.is_up != Some(true) {
            self.up_since = None;
            self.is_settled = false;
            return;
        }
        let since = *self.up_since.get_or_insert(now);
        let are_well = self.backends.iter().all(|member| is_well(member, now));
        self.is_settled |= are_well || now.duration_since(since) >= self.time_to_rise();
    }

    /// How long the checks take that make a backend up.
    fn time_to_rise(&self) -> Duration {
        let Some(check) = &self.care.check else {
            return UNCHECKED;
        };
        let slowest = check.every * (100 + check.jitter) / 100;
        (slowest * check.rise + check.timeout).min(PATIENCE)
    }
}

/// Whether it is well, by what the tables say as well: a packet meets those. Who is not
/// to have connections anyway counts as well.
fn is_well(member: &Member, now: Instant) -> bool {
    let is_out = matches!(member.placed.state, State::Maint | State::Down);
    let fails = || member.fails(now).is_some() || member.placed.is_failing;
    is_out || member.is_sorry || member.is_known() && !fails()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::commands::run::roster::Checked;
    use crate::model::check::{Check, Path, Probe};
    use crate::model::health::Health;
    use crate::model::placement::{PlacedDestination, Route};
    use crate::model::run::Care;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    /// A backend whose checks speak, by `+` and `-`.
    pub fn member(last: u8, spoken: &str) -> Member {
        let mut checked = Checked {
            since: Instant::now(),
            health: Health::default(),
            reason: String::new(),
        };
        spoken
            .chars()
            .for_each(|end| checked.health.hear(end == '+', 2, 2));
        Member {
            name: format!("b{last}"),
            is_sorry: false,
            placed: PlacedDestination {
                number: last.into(),
                service: 1,
                route: Route::here(Ipv4Addr::new(10, 0, 0, last).into()),
                weight: 1,
                state: State::Ready,
                is_failing: false,
                flags: 0,
            },
            checks: BTreeMap::from([(None, checked)]),
            silent: None,
            told: None,
        }
    }

    /// A service that is up, with two checks before a backend is.
    pub fn entry(backends: Vec<Member>) -> Entry {
        let check = Check {
            probe: Probe::Tcp,
            port: 80,
            path: Path::Real,
            every: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            rise: 2,
            fall: 2,
            jitter: 10,
        };
        Entry {
            name: "web".to_owned(),
            addresses: Vec::new(),
            care: Care {
                check: Some(check),
                ..Care::default()
            },
            number: 1,
            backends,
            is_up: Some(true),
            up_since: None,
            is_settled: false,
            are_announced: false,
            in_rotation: 1,
        }
    }

    /// Whether it may be announced so long after it was up.
    fn is_settled(entry: &mut Entry, start: Instant, millis: u64) -> bool {
        entry.settle(start + Duration::from_millis(millis));
        entry.is_settled
    }

    #[test]
    fn backends_that_may_be_up_soon_are_waited_for_as_long_as_that_takes() {
        let start = Instant::now();
        for other in ["", "-"] {
            let mut entry = entry(vec![member(1, "+"), member(2, other)]);
            assert!(!is_settled(&mut entry, start, 0), "{other}");
            assert!(!is_settled(&mut entry, start, 2_699), "{other}");
            assert!(is_settled(&mut entry, start, 2_700), "{other}");
            // Who fails later is no reason to withdraw.
            entry.backends[0] = member(1, "-");
            assert!(is_settled(&mut entry, start, 2_701), "{other}");
            entry.is_up = Some(false);
            assert!(!is_settled(&mut entry, start, 2_702), "{other}");
            entry.is_up = Some(true);
            assert!(!is_settled(&mut entry, start, 2_703), "{other}");
        }
    }

    #[test]
    fn nobody_is_waited_for_who_is_well_in_the_tables_too_or_taken_out() {
        let start = Instant::now();
        let mut entry = entry(vec![member(1, "+"), member(2, "-++")]);
        entry.backends[1].placed.is_failing = true;
        assert!(!is_settled(&mut entry, start, 0));
        entry.backends[1].placed.is_failing = false;
        assert!(is_settled(&mut entry, start, 1));

        entry.is_settled = false;
        entry.backends[1] = member(2, "-");
        entry.backends[1].placed.state = State::Maint;
        assert!(is_settled(&mut entry, start, 2));
    }

    #[test]
    fn slow_checks_are_not_waited_for_at_length() {
        let start = Instant::now();
        let mut entry = entry(vec![member(1, "+"), member(2, "-")]);
        if let Some(check) = &mut entry.care.check {
            check.every = Duration::from_secs(3_600);
        }
        assert!(!is_settled(&mut entry, start, 0));
        assert!(!is_settled(&mut entry, start, 9_999));
        assert!(is_settled(&mut entry, start, 10_000));
    }
}
