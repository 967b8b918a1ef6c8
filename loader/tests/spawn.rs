//! Programs are started by a process apart, and leave nothing behind however they
//! and whoever started them end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "lab/alone.rs"]
mod alone;
#[path = "lab/apart.rs"]
mod apart;
#[path = "lab/deadline.rs"]
mod deadline;

use alone::own_files;
use apart::apart;
use deadline::wait_until;
use dsrload::agent::job::{Ended, Job, Runner};
use dsrload::agent::spawn::{Handle, PROGRAMS_MAX};
use dsrload::sys::process::{Pid, copy_with, end_with_parent};
use std::cell::Cell;
use std::fs::{self, File};
use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

/// What must never pass in a test that works.
const BOUND: Duration = Duration::from_secs(30);

fn job(argv: &[&str], timeout: Duration) -> Job {
    Job {
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
        timeout,
    }
}

fn shell(script: &str, timeout: Duration) -> Job {
    job(&["/bin/sh", "-c", script], timeout)
}

/// All that uses the runtime is in a process of its own.
fn within(work: impl AsyncFnOnce(Runner, Pid)) {
    apart(|| {
        own_files();
        let handle = Handle::start().unwrap();
        let spawner = handle.spawner();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let runner = handle.runner().unwrap();
            tokio::time::timeout(BOUND, work(runner, spawner))
                .await
                .expect("the spawner answers in time");
        });
        drop(runtime);
        wait_until("the spawner to end", || !lives(spawner));
    });
}

fn check(job: Job, expected: &Ended) {
    within(async |runner, _| assert_eq!(&runner(job).await, expected));
}

/// Runs, or is about to be reaped.
fn lives(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.number())).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, behind)| behind.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// A command that sleeps for a long time, and is no other's.
struct Sleeper(String);

impl Sleeper {
    fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        Self(format!("sleep 1000 0.{}00{number}", std::process::id()))
    }

    fn pids(&self) -> Vec<Pid> {
        let wanted: Vec<u8> = self
            .0
            .bytes()
            .map(|b| if b == b' ' { 0 } else { b })
            .collect();
        let numbers = fs::read_dir("/proc").unwrap().flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers
            .filter(|pid: &i32| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.strip_suffix(&[0]) == Some(&wanted)
            })
            .filter_map(Pid::new)
            .filter(|&pid| lives(pid))
            .collect()
    }

    fn is_gone(&self) -> bool {
        self.pids().is_empty()
    }
}

fn parent(pid: Pid) -> Pid {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.number())).unwrap();
    let (_, behind) = stat.rsplit_once(") ").unwrap();
    Pid::new(behind.split(' ').nth(1).unwrap().parse().unwrap()).unwrap()
}

#[test]
fn a_programs_end_is_told() {
    check(job(&["/bin/true"], LONG), &Ended::Code(0));
    check(shell("exit 7", LONG), &Ended::Code(7));
    check(shell("kill -USR1 $$", LONG), &Ended::Signal(10));
    check(job(&["/bin/sleep", "1000"], SHORT), &Ended::TimedOut);
}

#[test]
fn what_cannot_be_started_says_why() {
    let long = "x".repeat(70_000);
    let unlike = [
        (
            vec!["/nowhere/check"],
            "/nowhere/check: No such file or directory (os error 2)",
        ),
        (
            vec!["/etc/passwd"],
            "/etc/passwd: Permission denied (os error 13)",
        ),
        (vec![], "there is no program"),
        (
            vec!["/bin/a\0b"],
            "/bin/a\0b: nul byte found in provided data",
        ),
        (
            vec!["/bin/true", &long],
            "its arguments and environment take 70097 bytes, 65536 are allowed",
        ),
    ];
    for (argv, why) in unlike {
        check(job(&argv, LONG), &Ended::NotStarted(why.to_owned()));
    }
}

#[test]
fn a_program_has_nothing_of_the_agent() {
    let mut checked = shell(
        "test \"$(pwd)\" = / && test \"$A\" = 'b c' && test -z \"$HOME\" && ! read line \
         && for fd in 3 4 5 6 7 8 9; do test ! -e /proc/$$/fd/$fd || exit $fd; done",
        LONG,
    );
    checked.env.push(("A".to_owned(), "b c".to_owned()));
    check(checked, &Ended::Code(0));
    let rights = "for set in Inh Prm Eff Bnd Amb; do \
                      grep -q \"Cap$set:.0000000000000000\" /proc/self/status || exit 1; \
                  done; grep -q 'NoNewPrivs:.1' /proc/self/status \
                  && grep -q 'SigBlk:.0000000000000000' /proc/self/status";
    check(shell(rights, LONG), &Ended::Code(0));
}

#[test]
fn the_spawner_has_its_end_of_the_socket_and_no_rights() {
    within(async |_, spawner| {
        let about = PathBuf::from(format!("/proc/{}", spawner.number()));
        // Besides it, what stands for standard input, output and error.
        assert_eq!(fs::read_dir(about.join("fd")).unwrap().count(), 4);
        let status = fs::read_to_string(about.join("status")).unwrap();
        for line in ["CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "Threads:\t1"] {
            assert!(status.lines().any(|told| told == line), "{line}: {status}");
        }
    });
}

#[test]
fn what_a_program_writes_goes_nowhere_however_much_it_is() {
    let script = "head -c 2G /dev/zero && head -c 1M /dev/zero >&2";
    check(shell(script, LONG), &Ended::Code(0));
}

#[test]
fn a_program_that_ignores_signals_and_forks_away_is_killed_with_all_that_it_started() {
    let sleeper = Sleeper::new();
    let script = format!(
        "trap '' TERM HUP INT; {0} & setsid {0} & (setsid sh -c '{0} & {0} & wait' &) ; {0}",
        sleeper.0
    );
    within(async |runner, _| {
        assert_eq!(runner(shell(&script, SHORT)).await, Ended::TimedOut);
        assert!(sleeper.is_gone());
    });
}

#[test]
fn what_a_program_leaves_in_the_background_ends_with_it() {
    let sleeper = Sleeper::new();
    let script = format!("(setsid {} &); exit 3", sleeper.0);
    within(async |runner, _| {
        assert_eq!(runner(shell(&script, LONG)).await, Ended::Code(3));
        assert!(sleeper.is_gone());
    });
}

#[test]
fn programs_run_side_by_side_up_to_a_bound_and_the_next_wait() {
    within(async |runner, _| {
        let [most, now, done] = [(); 3].map(|()| Rc::new(Cell::new(0)));
        // Each has a file there while it runs; so that tells how many do.
        let script = "cd /tmp; : >$$; sleep 0.3; rm $$";
        let all = PROGRAMS_MAX * 2 + 3;
        for _ in 0..all {
            let job = runner(shell(script, LONG));
            let done = Rc::clone(&done);
            tokio::task::spawn_local(async move {
                assert_eq!(job.await, Ended::Code(0));
                done.set(done.get() + 1);
            });
        }
        while done.get() < all {
            now.set(fs::read_dir("/tmp").unwrap().count());
            most.set(most.get().max(now.get()));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(most.get() <= PROGRAMS_MAX, "{} at a time", most.get());
        assert!(most.get() > 1, "one after the other");
    });
}

#[test]
fn a_future_that_is_dropped_takes_no_place_for_ever() {
    within(async |runner, _| {
        for _ in 0..PROGRAMS_MAX * 3 {
            let job = runner(job(&["/bin/true"], LONG));
            let _ = tokio::time::timeout(Duration::from_micros(50), job).await;
        }
        assert_eq!(runner(job(&["/bin/true"], LONG)).await, Ended::Code(0));
    });
}

#[test]
fn the_death_of_the_spawner_is_an_answer() {
    let sleeper = Sleeper::new();
    let script = format!("(setsid {} &); {}", sleeper.0, sleeper.0);
    within(async |runner, spawner| {
        let waiting = tokio::task::spawn_local(runner(shell(&script, LONG)));
        while sleeper.pids().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        spawner.kill().unwrap();
        let gone = |ended| match ended {
            Ended::NotStarted(why) => assert!(why.contains("has ended"), "{why}"),
            ended => panic!("{ended:?}"),
        };
        gone(waiting.await.unwrap());
        gone(runner(job(&["/bin/true"], LONG)).await);
        wait_until("its programs to end", || sleeper.is_gone());
    });
}

#[test]
fn the_death_of_a_keeper_is_an_answer_and_others_go_on() {
    let sleeper = Sleeper::new();
    let script = format!("(setsid {} &); exec {}", sleeper.0, sleeper.0);
    within(async |runner, spawner| {
        let waiting = tokio::task::spawn_local(runner(shell(&script, LONG)));
        let keeper = loop {
            let parents: Vec<Pid> = sleeper.pids().into_iter().map(parent).collect();
            // Both: the one that forked away belongs to the keeper then.
            match parents[..] {
                [one, other] if one == other && one != spawner => break one,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        assert_eq!(parent(keeper), spawner);
        keeper.kill().unwrap();
        let ended = waiting.await.unwrap();
        assert!(matches!(ended, Ended::NotStarted(_)), "{ended:?}");
        wait_until("its program to end", || sleeper.is_gone());
        assert_eq!(runner(job(&["/bin/true"], LONG)).await, Ended::Code(0));
    });
}

#[test]
fn a_spawner_that_hangs_does_not_hang_the_agent() {
    within(async |runner, spawner| {
        let number = spawner.number().to_string();
        let signal = |name: &str| {
            let done = std::process::Command::new("/bin/kill")
                .args([name, &number])
                .status();
            assert!(done.unwrap().success());
        };
        signal("-STOP");
        let start = Instant::now();
        let ended = runner(job(&["/bin/true"], SHORT)).await;
        signal("-CONT");
        assert!(matches!(&ended, Ended::NotStarted(why) if why.contains("does not answer")));
        assert!(start.elapsed() >= SHORT);
        assert_eq!(runner(job(&["/bin/true"], LONG)).await, Ended::Code(0));
    });
}

#[test]
fn programs_end_with_an_agent_that_is_killed() {
    let sleeper = Sleeper::new();
    let script = format!("trap '' TERM; (setsid {0} &); {0}", sleeper.0);
    let (reads, writes) = std::io::pipe().unwrap();
    let agent = copy_with(writes.into(), |writes| {
        end_with_parent().unwrap();
        let handle = Handle::start().unwrap();
        File::from(writes)
            .write_all(&handle.spawner().number().to_le_bytes())
            .unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let runner = handle.runner().unwrap();
            runner(shell(&script, LONG)).await
        });
    })
    .unwrap();
    let mut number = [0; 4];
    let mut reads = reads;
    reads.read_exact(&mut number).unwrap();
    let spawner = Pid::new(i32::from_le_bytes(number)).unwrap();
    wait_until("the programs", || sleeper.pids().len() == 2);
    agent.kill().unwrap();
    wait_until("the agent to end", || agent.reap().unwrap());
    wait_until("the programs to end", || sleeper.is_gone());
    wait_until("the spawner to end", || !lives(spawner));
}

#[test]
fn a_spawner_is_not_ended_by_a_signal_to_all_processes_of_a_service() {
    within(async |runner, spawner| {
        for signal in ["-TERM", "-INT"] {
            let number = spawner.number().to_string();
            let sent = std::process::Command::new("/bin/kill")
                .args([signal, &number])
                .status();
            assert_eq!(sent.unwrap().into_raw(), 0);
        }
        thread::sleep(Duration::from_millis(20));
        assert_eq!(runner(job(&["/bin/true"], LONG)).await, Ended::Code(0));
    });
}

/// What the type promises.
#[allow(dead_code, reason = "compiled, not run")]
fn a_runner_is_what_checks_and_hooks_take(handle: Handle) -> impl Future<Output = Ended> {
    handle.runner().unwrap()(job(&["/bin/true"], LONG))
}
