//! `dsrload run IFACE... [-c FILE]`: what needs a process that stays.
//!
//! Three threads. The keeper of the tables ([`keeper`]) is the main one; [`tasks`]
//! runs everything that waits for the network: checks, hooks, the listener, signals;
//! a third one listens to the kernel. All state that must outlive the process is in
//! the tables: so it may be killed at any moment, and the next one goes on.

mod due;
mod interfaces;
mod keeper;
mod news;
mod reload;
mod roster;
mod seat;
mod settle;
mod survey;
mod sweeping;
mod talk;
mod targets;
mod tasks;
mod vips;
mod ways;

pub use seat::ask;

use super::change::{choose, lock};
use super::load::{Place, load};
use super::privilege::{self, require};
use super::source::Source;
use super::{Output, file};
use crate::agent::announce::Announcer;
use crate::agent::confine::{self, Needs, Seccomp};
use crate::agent::log::Log;
use crate::agent::notify::Notify;
use crate::agent::path::Paths;
use crate::agent::spawn::Handle;
use crate::cli::RunArgs;
use crate::config::Balancer as Said;
use crate::config::generate::at;
use crate::datapath::attach::detach;
use crate::datapath::resolve::Silence;
use crate::datapath::{Balancer, pins};
use crate::model::Forward;
use crate::model::check::{Check, Probe};
use crate::model::run::OnExit;
use crate::netlink::{Netlink, Watch};
use crate::report::run::Snapshot;
use anyhow::{Context, Result};
use due::Due;
use keeper::{End, Keeper};
use news::News;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seat::Seat;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use survey::Survey;
use talk::Talk;
use targets::Targets;
use tokio::sync::watch;

/// Where the config stands if no file is named.
const DEFAULT: &str = "/etc/dsrload/dsrload.toml";

/// How long the thread that listens to the kernel waits at a time.
const LISTENING: Duration = Duration::from_secs(30);

/// Seconds since 1970.
fn clock() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0.0, |time| time.as_secs_f64())
}

/// Runs the command.
///
/// # Errors
///
/// It cannot start; then nothing is changed. What is loaded stays whatever happens
/// later.
pub fn run(arguments: &RunArgs, output: &mut Output<'_>) -> Result<()> {
    require(privilege::CHANGE)?;
    let mut arguments = arguments.clone();
    if arguments.config.is_none() && Path::new(DEFAULT).exists() {
        arguments.config = Some(DEFAULT.into());
    }
    let seat = Seat::take(&arguments.interfaces)?;
    // Before any thread, and before this process gives up what programs take.
    let spawner = Handle::start().context("start the process that starts programs")?;
    allow_descriptors();
    let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
    let balancer = balancer(&arguments, &mut netlink, output)?;
    output.answers.flush()?;
    start(arguments, netlink, balancer, seat, spawner)
}

/// Lets this process open as many descriptors as it may be given: each check that is
/// being made has one or two. Programs that it starts keep the usual limit.
fn allow_descriptors() {
    // Whoever may not has fewer checks at a time.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Loads, or takes what is loaded if no file says what is wanted.
fn balancer(
    arguments: &RunArgs,
    netlink: &mut Netlink,
    output: &mut Output<'_>,
) -> Result<Balancer> {
    let first = arguments.interfaces.first().map(String::as_str);
    let source = match &arguments.config {
        Some(path) => {
            let (mut document, _) = file::document(path)?;
            if let Some(mode) = super::source::mode_of(arguments.mode) {
                document.balancer.mode = Some(at(mode));
            }
            let said = Said::new(&document);
            tasks::refuse_taken_address(&said.run)?;
            if said.care.iter().any(|care| care.announce) {
                // Whatever is in its way is told before anything is changed.
                drop(Announcer::open(netlink, &said.run.announce)?);
            }
            Source::File(document)
        }
        None => {
            let found = choose(netlink, first, None);
            match found {
                Ok(balancer) if holds_all(&balancer, &arguments.interfaces) => return Ok(balancer),
                _ => Source::lab(super::source::mode_of(arguments.mode), output)?,
            }
        }
    };
    let _lock = lock()?;
    let place = Place {
        interfaces: &arguments.interfaces,
        object: None,
        balancer: None,
    };
    load(place, &source, Silence::IsToldOf, output)
}

fn holds_all(balancer: &Balancer, interfaces: &[String]) -> bool {
    let mut names = interfaces.iter();
    names.all(|name| balancer.attached.iter().any(|a| a.link.name == *name))
}

/// Everything from here on is in place: the other threads are started, and this one
/// keeps the tables.
fn start(
    arguments: RunArgs,
    mut netlink: Netlink,
    balancer: Balancer,
    seat: Seat,
    spawner: Handle,
) -> Result<()> {
    let document = super::in_force::InForce::of(&balancer.tables)?.document;
    let said = Said::new(&document);
    let mut paths = Paths::new(said.run.announce.protocol);
    paths
        .take_over(&mut netlink)
        .context("look for rules and routes of an earlier process")?;
    // While it may still open the device.
    let announcer = match said.care.iter().any(|care| care.announce) {
        true => Some(Announcer::open(&mut netlink, &said.run.announce)?),
        false => None,
    };
    let held = confine::confine(&needs(&said, &arguments)).context("give up what is not needed")?;
    let log = Log::to_stderr(said.run.log).context("start the log")?;
    let notify = Notify::from_env().context("NOTIFY_SOCKET")?;
    let (news, inbox) = mpsc::channel();
    let (orders, to_tasks) = tokio::sync::mpsc::unbounded_channel();
    let (published, snapshot) = watch::channel(Arc::new(Snapshot::default()));
    listen_to_the_kernel(news.clone())?;
    tasks::start(news, to_tasks, snapshot, seat, spawner)?;
    let mut keeper = Keeper {
        arguments,
        at_hand: Some((netlink, balancer)),
        said,
        roster: roster::Roster::default(),
        targets: Targets::new(paths),
        announcer,
        asked: BTreeSet::new(),
        announced: BTreeSet::new(),
        talk: Talk::new(log, notify, orders),
        survey: Survey::new(published),
        inbox,
        seen: (0, 0),
        last_look: crate::datapath::refresh::Look::default(),
        due: Due::now(),
    };
    keeper.talk.info("start", &held.to_string());
    keeper.adopt();
    keeper.tell_ready();
    let end = keeper.run();
    keeper.finish(end)
}

/// What the work takes that is to be done.
fn needs(said: &Said, arguments: &RunArgs) -> Needs {
    let mut reads: Vec<PathBuf> = Vec::new();
    // Their directories: a file that is replaced is another one.
    reads.extend(
        arguments
            .config
            .iter()
            .flat_map(|path| confine::places(path)),
    );
    for care in &said.care {
        if let Some(Check {
            probe: Probe::Https(_, tls),
            ..
        }) = &care.check
            && let Some(ca) = &tls.ca
        {
            reads.extend(confine::places(Path::new(ca)));
        }
    }
    let mut services = said.config.services.iter().zip(&said.care);
    let through_tunnels = services.any(|(service, care)| {
        let mut backends = service.backends.iter();
        care.check.is_some() && backends.any(|b| service.forward(b) != Forward::L2)
    });
    Needs {
        reads,
        pins: Some(PathBuf::from(pins::ROOT)),
        raw_sockets: through_tunnels,
        seccomp: Seccomp::from_env(),
    }
}

/// Starts the thread that hears what the kernel tells.
fn listen_to_the_kernel(news: Sender<News>) -> Result<()> {
    let mut watch = Watch::open().context("listen to the kernel")?;
    let listen = move || {
        loop {
            let heard = match watch.wait(LISTENING) {
                Ok(heard) => News::Kernel(heard),
                Err(error) => {
                    // Whatever it is: all is looked at again later.
                    thread::sleep(Duration::from_secs(1));
                    News::Trouble(format!("the kernel's news: {error}"))
                }
            };
            if news.send(heard).is_err() {
                return;
            }
        }
    };
    let named = thread::Builder::new().name("dsr-kernel".to_owned());
    named.spawn(listen).context("start a thread")?;
    Ok(())
}

impl Keeper {
    /// Leaves in order: whoever sends packets here is told first.
    fn finish(mut self, end: Result<End>) -> Result<()> {
        self.talk.manager().stopping("withdraws the VIPs");
        let Some((mut netlink, balancer)) = self.at_hand.take() else {
            return end.map(drop);
        };
        if let Some(announcer) = &mut self.announcer {
            match announcer.withdraw_all(&mut netlink) {
                Ok(()) => self.talk.info("announce", "all VIPs are withdrawn"),
                // The interface goes with this process, and the routes with it.
                Err(error) => self.talk.failure("announcements", &error),
            }
        }
        let run = &self.said.run;
        if matches!(end, Ok(End::Signal)) && run.on_exit == OnExit::Unload {
            self.talk.info(
                "stop",
                &format!(
                    "the program is taken off in {} s; another signal does it now",
                    run.exit_after.as_secs()
                ),
            );
            let start = std::time::Instant::now();
            while let Some(left) = run.exit_after.checked_sub(start.elapsed()) {
                match self.inbox.recv_timeout(left) {
                    Ok(News::Signal(news::Signal::End)) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            let _lock = lock()?;
            for attached in &balancer.attached {
                detach(&mut netlink, attached)?;
            }
            self.talk.info("stop", "unloaded");
        }
        if let Err(error) = self.targets.paths.remove_all(&mut netlink) {
            self.talk.failure("the rules and routes of checks", &error);
        }
        let why = match &end {
            Ok(End::Signal) => "ended by a signal",
            Ok(End::Unloaded) => "ended, since no program of ours is left to look after",
            Err(_) => "ended by a fault",
        };
        self.talk.info("stop", why);
        self.talk.finish();
        end.map(drop)
    }
}
