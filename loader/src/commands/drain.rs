//! `dsrload drain SERVICE/BACKEND [--wait DURATION [--idle DURATION]]`

mod progress;
mod subject;

use super::change::{Change, choose};
use super::settle::{Patience, settle};
use super::{Output, state};
use crate::cli::{DrainArgs, ServiceId};
use crate::config::quantity::Period;
use crate::datapath::write::grace;
use crate::datapath::{Balancer, clock};
use crate::fault;
use crate::model::drain::{Pace, Progress, Watch};
use crate::model::sweep::{Clock, IDLE_MAX};
use crate::model::{ServiceAddress, State, Tracking};
use crate::netlink::Netlink;
use crate::sys::signal::Held;
use anyhow::{Context, Result};
use progress::Teller;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use subject::Subject;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long unknown flows go to the drained backend at the most, where the first
/// packet of a flow does not show that it is the first.
const WINDOW: Duration = Duration::from_secs(30);

/// Runs the command.
///
/// # Errors
///
/// There is no such service or backend. With `--wait`: live flows are left, or
/// somebody else has changed the backend's state.
pub fn run(arguments: &DrainArgs, output: &mut Output<'_>) -> Result<()> {
    let (service, backend) = state::run(&arguments.backend, State::Drain, output)?;
    let Some(wait) = arguments.wait else {
        return Ok(());
    };
    output.answers.flush()?;
    let waiting = Waiting {
        service,
        backend,
        interface: arguments.backend.interface.as_deref(),
        name: arguments.backend.target.to_string(),
        wait,
        idle: arguments.idle(wait),
        start: Instant::now(),
    };
    let mut teller = Teller::new(&waiting.name);
    let ended = waiting.run(&mut teller, output);
    teller.end(output)?;
    let answer = ended?;
    writeln!(output.answers, "{}: {answer}", waiting.name)?;
    Ok(())
}

/// Waiting for the end of a backend's flows.
struct Waiting<'a> {
    /// One of the service's addresses.
    service: ServiceAddress,
    /// The backend's own address.
    backend: IpAddr,
    interface: Option<&'a str>,
    name: String,
    wait: Duration,
    idle: Duration,
    start: Instant,
}

impl Waiting<'_> {
    /// What can be said in the end.
    fn run(&self, teller: &mut Teller<'_>, output: &mut Output<'_>) -> Result<String> {
        let held = Held::hold().context("hold back signals")?;
        let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
        let first = self.look(&mut netlink)?;
        if first.1.tracking == Tracking::None {
            return Ok(
                "no live flow is left: its service tracks nothing, so that all its connections went to others with the drain"
                    .to_owned(),
            );
        }
        let mut watch = self.begin(&first)?;
        let (mut balancer, mut subject) = first;
        loop {
            let progress = watch.look(&subject.sight);
            // Where no packet shows that it is the first of its flow, new ones come
            // as long as a slot goes back to the backend.
            let is_open = subject.opens_unseen && subject.sight.has_unknown;
            if progress.is_over() && !is_open {
                return Ok(self.success(progress));
            }
            let left = self.wait.saturating_sub(self.start.elapsed());
            if left.is_zero() {
                return Err(self.failure(progress, "after", is_open));
            }
            teller.tell(&progress, output)?;
            if is_open {
                self.close(&balancer, &subject)?;
            }
            if held.wait(left.min(INTERVAL)).context("wait for a signal")? {
                return Err(self.failure(progress, "interrupted after", is_open));
            }
            let number = subject.number;
            (balancer, subject) = self.look(&mut netlink)?;
            if subject.number != number {
                return Err(self.changed("was removed and added again"));
            }
        }
    }

    /// The balancer, and what it tells of the backend now. Each time it is found
    /// anew: it may be loaded again, or taken off.
    fn look(&self, netlink: &mut Netlink) -> Result<(Balancer, Subject)> {
        let service = ServiceId::Address(self.service);
        let balancer = choose(netlink, self.interface, Some(&service))?;
        let backend = (self.service, self.backend);
        let Some(subject) = Subject::look(&balancer.tables, backend, self.start)? else {
            return Err(self.changed("was removed"));
        };
        match subject.state {
            State::Drain => Ok((balancer, subject)),
            State::Ready => Err(self.changed("is ready again")),
            State::Maint => Err(self.changed("is in maintenance: its flows went to others")),
            State::Down => Err(self.changed("is down: its flows fare as --on-dead says")),
        }
    }

    fn changed(&self, what: &str) -> anyhow::Error {
        fault!(
            Failed,
            "{} {what}, by another command: it is not waited for any more",
            self.name
        )
    }

    fn begin(&self, (balancer, subject): &(Balancer, Subject)) -> Result<Watch> {
        let shift = balancer.attached.first().map_or(0, |a| a.epoch_shift);
        let pace = Pace {
            idle: millis(self.idle),
            epoch: clock::epoch_length(shift)?,
        };
        let epoch = clock::epoch(shift)?;
        Ok(Watch::begin(pace, &subject.sight, epoch, subject.since))
    }

    /// Gives up the backend as the former owner of slots, once flows that were not
    /// heard of since the drain are taken for ended.
    fn close(&self, balancer: &Balancer, subject: &Subject) -> Result<()> {
        let patience = Patience {
            idle: self.idle.as_secs(),
            window: self.idle.min(WINDOW).as_secs(),
        };
        if subject.silent_seconds < patience.idle.min(patience.window) {
            return Ok(());
        }
        let service = ServiceId::Address(self.service);
        let change = Change::begin(self.interface, Some(&service))?;
        let tables = &change.balancer.tables;
        let mut loaded = tables.loaded()?;
        loaded
            .services
            .retain(|s| s.addresses.contains(&self.service));
        // No packet goes by older slots than these any more.
        grace();
        let shift = balancer.attached.first().map_or(0, |a| a.epoch_shift);
        let epochs = millis(self.idle).div_ceil(clock::epoch_length(shift)?.max(1)) + 1;
        // A sweep cannot tell more: entries that are older are forgotten.
        let idle = u8::try_from(epochs).unwrap_or(IDLE_MAX).min(IDLE_MAX);
        let now = clock::epoch(shift)?;
        // What it did is seen at the next look.
        let _ = settle(tables, &loaded, Clock { now, idle }, patience);
        Ok(())
    }

    fn success(&self, progress: Progress) -> String {
        let idle = match progress.idle {
            0 => String::new(),
            idle => format!(" ({idle} idle)"),
        };
        format!(
            "no live flow is left{idle}: none was heard of for {}",
            period(self.idle)
        )
    }

    /// Why it is not over: exit code 1.
    fn failure(&self, progress: Progress, when: &str, is_open: bool) -> anyhow::Error {
        let name = &self.name;
        let (passed, idle) = (self.start.elapsed().min(self.wait), period(self.idle));
        let when = format!("{when} {}", period(passed));
        let why = if progress.is_crowded {
            "flows are left that find no room in the flow table and cannot be counted; load with more --flows".to_owned()
        } else if progress.live > 0 {
            let least = if progress.unknown > 0 {
                "at least "
            } else {
                ""
            };
            format!(
                "{least}{} live {} left, heard of within {idle}",
                progress.live,
                if progress.live == 1 {
                    "flow is"
                } else {
                    "flows are"
                }
            )
        } else if is_open && progress.unknown == 0 {
            "new flows may still go to it, since its slots are not given up yet: `dsrload settle` does that".to_owned()
        } else {
            format!(
                "no live flow was heard of, but it takes {} more to be sure that none is left",
                period(Duration::from_millis(progress.unknown))
            )
        };
        fault!(Failed, "{name}: {when}: {why}; it stays drained")
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A time in words, to the second where that tells enough.
fn period(time: Duration) -> Period {
    match millis(time) {
        short @ 0..10_000 => Period(short),
        long => Period(long.next_multiple_of(1_000)),
    }
}
