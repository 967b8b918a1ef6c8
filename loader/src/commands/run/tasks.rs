//! The thread of everything that waits for the network: checks, hooks, the listener,
//! signals. It knows nothing of tables.

use super::news::{Aim, By, News, Order, OwnedLine, Signal, TunnelOrder};
use super::seat::Seat;
use crate::agent::check::{Checks, Target};
use crate::agent::hook::{Hook, Program};
use crate::agent::http;
use crate::agent::job::Runner;
use crate::agent::log::Line;
use crate::agent::reach::{Ports, Reach};
use crate::agent::spawn::Handle;
use crate::agent::tunnel::Tunnels;
use crate::fault;
use crate::model::TunnelKind;
use crate::model::run::Run;
use crate::netlink::Netlink;
use crate::report::run::Snapshot;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, channel};
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

/// Reports of checks that wait for this thread.
const REPORTS: usize = 4096;

/// Where hooks find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether the address of the listener is free.
///
/// # Errors
///
/// It is not, or is none of this host's.
pub fn refuse_taken_address(run: &Run) -> Result<()> {
    let Some(address) = run.listen else {
        return Ok(());
    };
    std::net::TcpListener::bind(address)
        .map(drop)
        .map_err(|error| {
            fault!(
                Failed,
                "`listen` {address}: {error}: choose another address or port, or see who has it"
            )
        })
}

/// Starts the thread. It ends with the process.
///
/// # Errors
///
/// No thread or no runtime can be had.
pub fn start(
    news: Sender<News>,
    orders: UnboundedReceiver<Order>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    seat: Seat,
    spawner: Handle,
) -> Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    let run = move || {
        let local = LocalSet::new();
        let ended = local.block_on(&runtime, work(&news, orders, snapshot, seat, spawner));
        let why = ended.err().map_or_else(
            || "it has nothing left to do".to_owned(),
            |error| format!("{error:#}"),
        );
        let _ = news.send(News::Ended(why));
    };
    let named = thread::Builder::new().name("dsr-tasks".to_owned());
    named.spawn(run).context("start a thread")?;
    Ok(())
}

async fn work(
    news: &Sender<News>,
    mut orders: UnboundedReceiver<Order>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    seat: Seat,
    spawner: Handle,
) -> Result<()> {
    let mut hangups = signal(SignalKind::hangup()).context("hear signals")?;
    let mut terms = signal(SignalKind::terminate()).context("hear signals")?;
    let mut interrupts = signal(SignalKind::interrupt()).context("hear signals")?;
    for door in seat.0 {
        let serving = http::serve_unix(door, snapshot.clone());
        let news = news.clone();
        spawn_local(async move {
            if let Err(error) = serving.await {
                let _ = news.send(News::Trouble(format!("the door for `status`: {error}")));
            }
        });
    }
    let runner = spawner.runner().context("hear of programs")?;
    let (results, mut reports) = channel(REPORTS);
    let mut works = Works {
        news,
        listener: Listener {
            snapshot,
            task: None,
        },
        hook: hook(&runner, news),
        checks: Checks::new(results, runner),
        tunnels: None,
        ports: HashMap::new(),
    };
    loop {
        let heard = tokio::select! {
            _ = hangups.recv() => News::Signal(Signal::Reload),
            _ = terms.recv() => News::Signal(Signal::End),
            _ = interrupts.recv() => News::Signal(Signal::End),
            Some(report) = reports.recv() => News::Checked(report),
            order = orders.recv() => match order {
                None => return Ok(()),
                Some(order) => match works.obey(order).await {
                    Ok(()) => continue,
                    Err(error) => News::Trouble(format!("{error:#}")),
                },
            },
        };
        if news.send(heard).is_err() {
            return Ok(());
        }
    }
}

/// A hook that is run in the background, and by no program yet.
fn hook(runner: &Runner, news: &Sender<News>) -> Rc<Hook> {
    let news = news.clone();
    let tell = move |line: &Line<'_>| {
        let _ = news.send(News::Line(OwnedLine {
            level: line.level,
            kind: line.kind,
            service: line.service.to_owned(),
            backend: line.backend.to_owned(),
            message: line.message.to_owned(),
        }));
    };
    let hook = Rc::new(Hook::new(Rc::clone(runner), Program::default(), tell));
    let running = Rc::clone(&hook);
    spawn_local(async move { running.run().await });
    hook
}

/// A tunnel: the backend's own address, how packets are wrapped up, and the outer
/// source.
type Way = (IpAddr, TunnelKind, IpAddr);

/// What works by order.
struct Works<'a> {
    news: &'a Sender<News>,
    listener: Listener,
    hook: Rc<Hook>,
    checks: Checks,
    tunnels: Option<Rc<Tunnels>>,
    /// Those of the checks that are made through tunnels: a check whose tunnel stays
    /// is the same check.
    ports: HashMap<Way, Rc<dyn Ports>>,
}

impl Works<'_> {
    async fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Check(aims) => self.check(aims),
            Order::Tell(event) => {
                self.hook.changed(&event);
                Ok(())
            }
            Order::Hook(argv, timeout) => {
                self.hook.set(Program {
                    argv,
                    timeout,
                    path: PATH.to_owned(),
                });
                Ok(())
            }
            Order::Listen(address) => self.listener.listen(address).await,
            Order::Tunnels(order) => self.tunnels(&order),
        }
    }

    fn check(&mut self, aims: Vec<Aim>) -> Result<()> {
        let mut known = std::mem::take(&mut self.ports);
        let targets = aims.into_iter().map(|aim| {
            Ok(Target {
                key: aim.key,
                reach: match aim.by {
                    By::Routes => Reach::Routes,
                    By::Mark(mark) => Reach::Mark(mark),
                    By::Tunnel {
                        mark,
                        backend,
                        source,
                        kind,
                    } => {
                        let way = (backend, kind, source);
                        let tunnels = self.tunnels.as_ref().context("no tunnel is open")?;
                        let ports = match known.remove(&way).or_else(|| self.ports.get(&way).cloned()) {
                            Some(ports) => ports,
                            None => tunnels.ports(backend, kind, source).with_context(|| {
                                format!("check {backend} by its tunnel: start `run` anew if that came with a reload")
                            })?,
                        };
                        self.ports.insert(way, Rc::clone(&ports));
                        Reach::Tunnel(mark, ports)
                    }
                },
                check: Rc::new(aim.check),
                to: aim.to,
            })
        });
        let (targets, failed): (Vec<_>, Vec<Result<Target>>) = targets.partition(Result::is_ok);
        self.checks.set(targets.into_iter().flatten().collect());
        failed
            .into_iter()
            .next()
            .map_or(Ok(()), |error| error.map(drop))
    }

    fn tunnels(&mut self, order: &TunnelOrder) -> Result<()> {
        let mut netlink = Netlink::open().context("talk to the kernel about interfaces")?;
        let tunnels = match &self.tunnels {
            Some(tunnels) => Rc::clone(tunnels),
            None => {
                let tunnels = Tunnels::open(&mut netlink, &order.name, order.raw)
                    .context("make an interface for checks through tunnels")?;
                let tunnels = Rc::new(tunnels);
                let carrying = Rc::clone(&tunnels);
                let news = self.news.clone();
                spawn_local(async move {
                    let Err(error) = carrying.run().await;
                    let _ = news.send(News::Trouble(format!("checks through tunnels: {error}")));
                });
                self.tunnels = Some(Rc::clone(&tunnels));
                tunnels
            }
        };
        tunnels.set(&mut netlink, order.room)?;
        let _ = self.news.send(News::Tunnels(tunnels.interface()));
        Ok(())
    }
}

/// Metrics, API and page, where the config says.
struct Listener {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    task: Option<JoinHandle<()>>,
}

impl Listener {
    async fn listen(&mut self, address: Option<SocketAddr>) -> Result<()> {
        if let Some(task) = self.task.take() {
            task.abort();
            // It is closed when the task is gone: the same port may be wanted again.
            let _ = task.await;
        }
        let Some(address) = address else {
            return Ok(());
        };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("`listen` {address}"))?;
        self.task = Some(spawn_local(http::serve(listener, self.snapshot.clone())));
        Ok(())
    }
}
