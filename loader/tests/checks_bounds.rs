//! What checks may cost this host.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "made for more checks than these")]
mod asking;
#[allow(dead_code, reason = "made for more checks than these")]
mod served_by;

use asking::{inside, made, runner, target};
use dsrload::agent::check::{Report, Target, Verdict};
use dsrload::agent::job::Ended;
use dsrload::model::check::{Http, Probe, Udp};
use served_by::{datagrams, serving};
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whose turn it is: what one test takes is another's disturbance.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn http(body: &str) -> Probe {
    Probe::Http(Http {
        url: "/".to_owned(),
        host: None,
        status: vec![(200, 299)],
        body: Some(body.to_owned()),
    })
}

/// A body in chunks of one byte each is looked through once, and not once again for
/// each of them; and a text is found across them.
#[test]
fn a_body_in_crumbs_is_looked_through_once() {
    let _turn = turn();
    let crumbs = |end: &str| {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let body = "x".repeat(65_536 - end.len()) + end;
        body.bytes()
            .for_each(|byte| answer.extend([b'1', b'\r', b'\n', byte, b'\r', b'\n']));
        answer.extend(b"0\r\n\r\n");
        serving(move |mut stream| {
            served_by::head(&mut stream);
            served_by::say(&mut stream, &answer);
        })
    };
    let ask = |server| {
        let target = target("b", http("never"), server, PATIENCE, PATIENCE);
        asking::first(target)
    };
    assert_eq!(ask(crumbs("never")), Verdict::Passed);
    let lacking = Verdict::Failed("the body lacks 'never'".to_owned());
    assert_eq!(ask(crumbs("neve")), lacking);
}

/// All of them are made, each once in its time, and those that were late because this
/// process was held up are not followed at once by the next ones.
#[test]
fn a_check_that_was_late_is_not_followed_at_once_by_another() {
    let _turn = turn();
    const COUNT: usize = 300;
    let every = Duration::from_millis(500);
    let server = serving(drop);
    let targets: Vec<Target> = (0..COUNT)
        .map(|nth| target(&nth.to_string(), Probe::Tcp, server, every, every))
        .collect();
    let mut starts: BTreeMap<String, Vec<Instant>> = BTreeMap::new();
    inside(async {
        let (_checks, mut reports) = made(targets, runner(Ended::Code(0)));
        let mut hear = |report: Report| {
            let is_wrong = matches!(report.verdict, Verdict::Failed(_));
            assert!(!is_wrong, "{report:?}");
            let start = Instant::now() - report.took;
            starts.entry(report.key.1).or_default().push(start);
        };
        let begin = Instant::now();
        let mut was_held_up = false;
        while begin.elapsed() < every * 8 {
            if begin.elapsed() > every * 3 && !was_held_up {
                was_held_up = true;
                // None is left that would be heard too late to tell when it was made.
                while let Ok(report) = reports.try_recv() {
                    hear(report);
                }
                std::thread::sleep(every * 2);
            }
            let next = tokio::time::timeout(every * 2, reports.recv()).await;
            hear(next.expect("a report is never far").expect("a report"));
        }
    });
    assert_eq!(starts.len(), COUNT, "all are checked");
    for starts in starts.values() {
        assert!(starts.len() >= 4, "{starts:?}");
        for pair in starts.windows(2) {
            let apart = pair[1] - pair[0];
            assert!(apart > every / 4, "{apart:?}");
        }
    }
}

/// Those that wait for a datagram have no more room for it than they look at.
#[test]
fn silent_backends_take_little_memory() {
    let _turn = turn();
    let deaf = datagrams(|_| None);
    let udp = || {
        Probe::Udp(Udp {
            send: b"PING".to_vec(),
            expect: Some(b"PONG".to_vec()),
        })
    };
    let targets: Vec<Target> = (0..400)
        .map(|nth| target(&nth.to_string(), udp(), deaf, PATIENCE, PATIENCE))
        .collect();
    inside(async {
        let (_checks, _reports) = made(targets, runner(Ended::Code(0)));
        let before = resident();
        // All are on their way after a second.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let more = resident().saturating_sub(before);
        // 64 KiB each would be 25,600.
        assert!(more < 6_000, "{more} KiB more for 400 checks");
    });
}

/// KiB of this process that are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("our own status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let mut words = line.expect("a size").split_whitespace();
    words
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
