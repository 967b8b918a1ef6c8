//! The engine's time.

use super::*;
use crate::agent::job::Ended;
use crate::model::check::{Path, Udp};
use tokio::sync::mpsc::channel;

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

fn target(probe: Probe) -> Target {
    let check = Check {
        probe,
        port: 80,
        path: Path::Real,
        every: Duration::from_secs(2),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        jitter: 10,
    };
    Target {
        key: ("web".to_owned(), "b".to_owned(), None),
        check: Rc::new(check),
        to: SocketAddr::from(([127, 0, 0, 1], 80)),
        reach: Reach::Routes,
    }
}

/// What waits for its time has nothing yet of what the check will take: thousands
/// do so most of the time.
#[test]
fn a_target_that_waits_takes_little_memory() {
    let checks = Checks::new(
        channel(1).0,
        Rc::new(|_| Box::pin(async { Ended::Code(0) })),
    );
    let waiting = check_on(
        target(Probe::Tcp),
        Rc::clone(&checks.means),
        checks.results.clone(),
    );
    let bytes = size_of_val(&waiting);
    assert!(bytes <= 1_024, "{bytes}");
}

#[test]
fn whoever_looks_much_too_late_says_nothing_of_the_backend() {
    let silent = |expect: Option<&[u8]>| {
        Probe::Udp(Udp {
            send: Vec::new(),
            expect: expect.map(<[u8]>::to_vec),
        })
    };
    for probe in [Probe::Tcp, silent(None), silent(Some(b"PONG"))] {
        let check = target(probe).check;
        let late = out_of_time(&check, Duration::from_millis(501));
        assert!(matches!(late, Verdict::NotMade(_)), "{late:?}");
    }
    let in_time = Duration::from_millis(500);
    let verdict = out_of_time(&target(silent(None)).check, in_time);
    assert_eq!(verdict, Verdict::Passed);
    let verdict = out_of_time(&target(Probe::Tcp).check, in_time);
    let words = "no answer within 1s".to_owned();
    assert_eq!(verdict, Verdict::Failed(words));
}
