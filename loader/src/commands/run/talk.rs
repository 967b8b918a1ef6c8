//! What is said of what happens: log lines, events for the hook and the page, and
//! what is wrong now.

use super::news::{Order, OwnedLine};
use crate::agent::log::{Level, Line, Log};
use crate::agent::notify::Notify;
use crate::commands::Output;
use crate::model::run::Run;
use crate::report::run::Event;
use anyhow::Error;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// So many events are remembered.
const REMEMBERED: usize = 200;

/// A failure that was not repeated for so long is over.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// How long the last lines are waited for.
const WRITTEN: Duration = Duration::from_millis(500);

/// Log, hook, and memory of both.
pub struct Talk {
    log: Log,
    notify: Notify,
    alive: Option<Instant>,
    orders: UnboundedSender<Order>,
    events: VecDeque<Event>,
    troubles: BTreeMap<String, (String, Instant)>,
    hook: Option<(Vec<String>, Duration)>,
    listen: Option<Option<std::net::SocketAddr>>,
}

impl Talk {
    /// Nothing has been said yet.
    #[must_use]
    pub fn new(log: Log, notify: Notify, orders: UnboundedSender<Order>) -> Self {
        Self {
            log,
            notify,
            alive: None,
            orders,
            events: VecDeque::new(),
            troubles: BTreeMap::new(),
            hook: None,
            listen: None,
        }
    }

    /// Goes by this config from now on.
    pub fn set(&mut self, run: &Run) {
        self.log.set_format(run.log);
        let hook = Some((run.hook.clone(), run.hook_timeout));
        if self.hook != hook {
            self.hook = hook;
            self.order(Order::Hook(run.hook.clone(), run.hook_timeout));
        }
        if self.listen != Some(run.listen) {
            self.listen = Some(run.listen);
            self.order(Order::Listen(run.listen));
        }
    }

    /// Sends an order to the thread of the checks. If that has ended, the keeper ends
    /// soon as well.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// A change of state.
    pub fn event(&mut self, event: Event) {
        self.log.write(&Line::state(&event));
        self.order(Order::Tell(event.clone()));
        self.events.push_front(event);
        self.events.truncate(REMEMBERED);
    }

    /// Something that happened.
    pub fn info(&mut self, kind: &'static str, message: &str) {
        self.log.write(&Line {
            kind,
            message,
            ..Line::default()
        });
    }

    /// A line of another thread's.
    pub fn line(&mut self, line: &OwnedLine) {
        self.log.write(&Line {
            level: line.level,
            kind: line.kind,
            service: &line.service,
            backend: &line.backend,
            message: &line.message,
            ..Line::default()
        });
    }

    /// Something that went wrong, once.
    pub fn warn(&mut self, kind: &'static str, message: &str) {
        self.log.write(&Line {
            level: Level::Warning,
            kind,
            message,
            ..Line::default()
        });
    }

    /// Something that the operator should see to, once.
    pub fn warning(&mut self, message: &str) {
        self.trouble(message, message);
    }

    /// Something that did not work, and is tried again.
    pub fn failure(&mut self, what: &str, error: &Error) {
        self.trouble(what, &format!("{what}: {error:#}"));
    }

    fn trouble(&mut self, key: &str, message: &str) {
        let now = Instant::now();
        let before = self
            .troubles
            .insert(key.to_owned(), (message.to_owned(), now));
        let is_new = before
            .is_none_or(|(before, at)| before != message || now.duration_since(at) > FORGOTTEN);
        if is_new {
            self.warn("trouble", message);
        }
    }

    /// Something works again.
    pub fn is_well(&mut self, what: &str) {
        self.troubles.remove(what);
    }

    /// What is wrong now, and the last events.
    #[must_use]
    pub fn memory(&mut self) -> (Vec<String>, Vec<Event>) {
        let now = Instant::now();
        self.troubles
            .retain(|_, (_, at)| now.duration_since(*at) <= FORGOTTEN);
        let troubles = self.troubles.values().map(|(message, _)| message.clone());
        (troubles.collect(), self.events.iter().cloned().collect())
    }

    /// Lets a part of a command that talks to a terminal talk to the log.
    ///
    /// # Errors
    ///
    /// Those of `work`.
    pub fn with_output<T>(
        &mut self,
        work: impl FnOnce(&mut Output<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let (mut answers, mut talk) = (Vec::new(), Vec::new());
        let done = work(&mut Output {
            answers: &mut answers,
            talk: &mut talk,
        });
        for line in String::from_utf8_lossy(&answers).lines() {
            self.info("tables", line);
        }
        for line in String::from_utf8_lossy(&talk).lines() {
            self.warn("tables", line.trim_start_matches("dsrload: "));
        }
        done
    }

    /// Writes what is still to be written.
    pub fn finish(self) {
        self.log.close(WRITTEN);
    }

    /// Tells the service manager that all is well.
    pub fn is_alive(&mut self) {
        let now = Instant::now();
        if let Some(period) = self.notify.watchdog()
            && self
                .alive
                .is_none_or(|last| now.duration_since(last) >= period / 2)
        {
            self.alive = Some(now);
            self.notify.alive();
        }
    }

    /// Tells the service manager something else.
    pub fn manager(&self) -> &Notify {
        &self.notify
    }
}
