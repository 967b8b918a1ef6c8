//! Health checks: asking each backend, now and then, whether it does its work.
//!
//! One task for each backend and no thread of their own. What this host cannot do,
//! for want of descriptors or rights, is no verdict on a backend
//! ([`Verdict::NotMade`]).

mod dns;
mod http;
mod program;
mod socket;
mod tls;
mod udp;

use super::job::Runner;
use super::reach::Reach;
use crate::model::check::{Check, Probe};
use crate::sys::random::random_words;
use nix::sys::resource::{Resource, getrlimit};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tls::Configs;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Descriptors that the rest of the process may need.
const RESERVED: u64 = 160;

/// The first checks of all are spread over this long, and the first ones after this
/// process was held up.
const FIRST: Duration = Duration::from_secs(1);

/// What is late by less is no more than the order in which things are done.
const HELD_UP: Duration = Duration::from_millis(50);

/// Service, backend, and the VIP if the check is for one.
pub type Key = (String, String, Option<IpAddr>);

/// A check of one backend.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whom it is about.
    pub key: Key,
    /// What is asked.
    pub check: Rc<Check>,
    /// Whom its socket connects to.
    pub to: SocketAddr,
    /// How its packets get there.
    pub reach: Reach,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The backend does its work.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// This host could not ask, and why.
    NotMade(String),
}

/// The end of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whom it is about.
    pub key: Key,
    /// What came of it.
    pub verdict: Verdict,
    /// When it began.
    pub began: std::time::Instant,
    /// How long it took.
    pub took: Duration,
}

/// All checks. They end when this is dropped.
pub struct Checks {
    results: Sender<Report>,
    means: Rc<Means>,
    running: HashMap<Key, Running>,
}

/// What checks are made with.
struct Means {
    runner: Runner,
    tls: Configs,
    /// Places for checks that are being made.
    room: Semaphore,
}

struct Running {
    target: Target,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Checks {
    /// None yet. Call it, and the rest, inside a `LocalSet`.
    #[must_use]
    pub fn new(results: Sender<Report>, runner: Runner) -> Self {
        Self {
            results,
            means: Rc::new(Means {
                runner,
                tls: Configs::default(),
                room: Semaphore::new(room()),
            }),
            running: HashMap::new(),
        }
    }

    /// Makes these checks from now on, and no others. One that stays as it is keeps
    /// its time.
    pub fn set(&mut self, targets: Vec<Target>) {
        let mut before = std::mem::take(&mut self.running);
        for target in targets {
            let key = target.key.clone();
            let kept = before.remove(&key);
            let kept = kept.filter(|running| is_same(&running.target, &target));
            let running = kept.unwrap_or_else(|| self.start(target));
            self.running.insert(key, running);
        }
    }

    fn start(&self, target: Target) -> Running {
        let work = check_on(target.clone(), Rc::clone(&self.means), self.results.clone());
        Running {
            target,
            task: spawn_local(work).abort_handle(),
        }
    }
}

/// Half of what is left of the descriptors that this process may open: who waits for
/// a place is late, and no failure.
fn room() -> usize {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    let room = soft.saturating_sub(RESERVED) / 2;
    usize::try_from(room.clamp(8, 16_384)).unwrap_or(8)
}

fn is_same(one: &Target, other: &Target) -> bool {
    let is_same_reach = match (&one.reach, &other.reach) {
        (Reach::Routes, Reach::Routes) => true,
        (Reach::Mark(one), Reach::Mark(other)) => one == other,
        (Reach::Tunnel(one, its), Reach::Tunnel(other, others)) => {
            one == other && Rc::ptr_eq(its, others)
        }
        _ => false,
    };
    is_same_reach && one.check == other.check && one.to == other.to
}

/// Checks one backend until the task is aborted.
async fn check_on(target: Target, means: Rc<Means>, results: Sender<Report>) {
    let check = &target.check;
    let mut start = Instant::now() + part_of(check.every.min(FIRST), 0, 100);
    let mut is_put_off = false;
    loop {
        sleep_until(start).await;
        if start.elapsed() > check.every / 2 && !is_put_off {
            // This process was held up, and all that are late would be made in this
            // moment, and together ever after.
            is_put_off = true;
            start = Instant::now() + part_of(check.every.min(FIRST), 0, 100);
            continue;
        }
        is_put_off = false;
        let Ok(place) = means.room.acquire().await else {
            return;
        };
        let began = Instant::now();
        // In a box that is there while it is made: of thousands, most wait.
        let verdict = Box::pin(ask(&target, &means)).await;
        drop(place);
        let report = Report {
            key: target.key.clone(),
            verdict,
            began: began.into_std(),
            took: began.elapsed(),
        };
        if results.send(report).await.is_err() {
            return;
        }
        let (least, most) = (100 - check.jitter.min(100), 100 + check.jitter);
        // From when it began in truth: what was late is not made up for.
        start = began + part_of(check.every, least, most);
    }
}

/// A random part of a time, between so many per cent of it.
fn part_of(time: Duration, least: u32, most: u32) -> Duration {
    let [random] = random_words::<1>().unwrap_or([0]);
    let range = u64::from(most.saturating_sub(least)) * 1_000 + 1;
    let part = u64::from(least) * 1_000 + random % range;
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos / 100_000 * part)
}

async fn ask(target: &Target, means: &Means) -> Verdict {
    let check = &target.check;
    let asked = async {
        match &check.probe {
            Probe::Tcp => socket::connect(target).await.map(drop),
            Probe::Http(http) => http::ask(target, http).await,
            Probe::Https(http, tls) => tls::ask(target, http, tls, &means.tls).await,
            Probe::Udp(udp) => udp::ask(target, udp).await,
            Probe::Dns(dns) => dns::ask(target, dns).await,
            Probe::Exec(command) => program::run(target, command, &means.runner).await,
        }
    };
    // Whoever runs a program watches the time.
    if let Probe::Exec(_) = &check.probe {
        return said(asked.await);
    }
    let deadline = Instant::now() + check.timeout;
    match timeout_at(deadline, asked).await {
        Ok(answer) => said(answer),
        Err(_) => out_of_time(check, deadline.elapsed()),
    }
}

fn said(answer: Answer) -> Verdict {
    answer.map_or_else(|verdict| verdict, |()| Verdict::Passed)
}

/// The verdict when the time was over so long ago. Whoever sees that much too late
/// was held up, by others on this host or by whoever had stopped it: answers have
/// come and were not read.
fn out_of_time(check: &Check, late: Duration) -> Verdict {
    if late > (check.timeout / 2).max(HELD_UP) {
        return Verdict::NotMade("this host: the process was held up".to_owned());
    }
    match &check.probe {
        // No answer is a good one there.
        Probe::Udp(udp) if udp.expect.is_none() => Verdict::Passed,
        _ => Verdict::Failed(format!("no answer within {:?}", check.timeout)),
    }
}

/// What an answer is worth: nothing more to be said, or why not.
type Answer<T = ()> = Result<T, Verdict>;

fn failed<T>(why: impl Into<String>) -> Answer<T> {
    Err(Verdict::Failed(why.into()))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
