//! The program that is told of changes of state.
//!
//! It is told of changes of one backend, or of a service itself, one after the
//! other, as they came; of different ones side by side. It can neither hold the
//! agent up nor end it: changes wait in a queue, and the oldest are dropped when
//! that is full.

use super::job::{Ended, Job, Runner};
use super::log::{Level, Line};
use crate::report::run::Event;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Changes that wait.
pub const QUEUE_MAX: usize = 1000;

/// Hooks that run at the same time: few enough to leave programs of checks room.
pub const RUNNING_MAX: usize = 8;

/// Characters of a reason; what is longer is cut.
const REASON_MAX: usize = 1000;

/// What is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// Its path and the first of its arguments; empty for none. Behind them come the
    /// service, the backend (empty if the change is the service's), the old state, the
    /// new state and the reason. The same stand in its environment, see [`Hook`].
    pub argv: Vec<String>,
    /// After so long it is killed.
    pub timeout: Duration,
    /// Its `PATH`.
    pub path: String,
}

/// A hook and what waits for it.
///
/// The environment is `PATH`, `DSRLOAD_SERVICE`, `DSRLOAD_BACKEND`, `DSRLOAD_FROM`,
/// `DSRLOAD_TO`, `DSRLOAD_REASON`, and `DSRLOAD_TIME`: when it changed, in seconds
/// since 1970 with three decimals. Characters that control a terminal are blanks.
pub struct Hook {
    runner: Runner,
    tell: Box<dyn Fn(&Line<'_>)>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    program: Program,
    queue: VecDeque<Event>,
    running: Vec<Running>,
    dropped: u64,
    waker: Option<Waker>,
}

/// A hook that runs, and what it was told.
struct Running {
    event: Event,
    end: Pin<Box<dyn Future<Output = Ended>>>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        out.debug_struct("Hook")
            .field("program", &state.program)
            .field("waiting", &state.queue.len())
            .field("running", &state.running.len())
            .finish_non_exhaustive()
    }
}

impl Hook {
    /// A hook that is run by `runner`. `tell` takes the log lines, of kind `hook`.
    pub fn new(runner: Runner, program: Program, tell: impl Fn(&Line<'_>) + 'static) -> Self {
        Self {
            runner,
            tell: Box::new(tell),
            state: RefCell::new(State {
                program,
                ..State::default()
            }),
        }
    }

    /// Another program, after a reload. It is told of all changes that still wait.
    pub fn set(&self, program: Program) {
        self.state.borrow_mut().program = program;
    }

    /// Something has changed. Returns at once; the hook is run by [`Self::run`].
    pub fn changed(&self, event: &Event) {
        let mut state = self.state.borrow_mut();
        if state.program.argv.is_empty() {
            return;
        }
        state.queue.push_back(event.clone());
        let oldest = if state.queue.len() > QUEUE_MAX {
            state.dropped += 1;
            state.queue.pop_front()
        } else {
            None
        };
        let waker = state.waker.take();
        drop(state);
        if let Some(oldest) = oldest {
            self.warn(&oldest, "the hook falls behind, and is not told of this");
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Changes that the hook was not told of, because too many waited.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.state.borrow().dropped
    }

    /// Runs the hook for whatever has changed, and never ends. Nothing is lost when
    /// it is dropped: another `run` or [`Self::finish`] goes on.
    pub async fn run(&self) {
        poll_fn(|context| {
            self.advance(context);
            Poll::<()>::Pending
        })
        .await;
    }

    /// Runs it until nothing waits and nothing runs.
    pub async fn finish(&self) {
        poll_fn(|context| {
            self.advance(context);
            let state = self.state.borrow();
            if state.queue.is_empty() && state.running.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Starts what can be started, and hears what has ended.
    fn advance(&self, context: &mut Context<'_>) {
        loop {
            self.start();
            let mut running = take(&mut self.state.borrow_mut().running);
            let before = running.len();
            running.retain_mut(|one| match one.end.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(ended) => {
                    self.has_ended(&one.event, &ended);
                    false
                }
            });
            let is_same = running.len() == before;
            self.state.borrow_mut().running = running;
            if is_same {
                break;
            }
        }
        self.state.borrow_mut().waker = Some(context.waker().clone());
    }

    fn start(&self) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if state.program.argv.is_empty() {
            // The config names none any more.
            state.queue.clear();
        }
        while state.running.len() < RUNNING_MAX {
            let is_free = |event: &Event| {
                state
                    .running
                    .iter()
                    .all(|one| !is_of_one(&one.event, event))
            };
            let Some(next) = state.queue.iter().position(is_free) else {
                break;
            };
            let Some(event) = state.queue.remove(next) else {
                break;
            };
            let end = (self.runner)(job(&state.program, &event));
            state.running.push(Running { event, end });
        }
    }

    fn has_ended(&self, event: &Event, ended: &Ended) {
        match ended {
            Ended::Code(0) => {}
            Ended::Code(code) => self.warn(event, &format!("the hook failed, exit code {code}")),
            Ended::Signal(signal) => {
                self.warn(event, &format!("the hook was ended by signal {signal}"));
            }
            Ended::TimedOut => self.warn(event, "the hook took too long, and was killed"),
            Ended::NotStarted(why) => self.warn(event, &format!("the hook was not started: {why}")),
        }
    }

    fn warn(&self, event: &Event, message: &str) {
        (self.tell)(&Line {
            level: Level::Warning,
            kind: "hook",
            service: &event.service,
            backend: &event.backend,
            from: &event.from,
            to: &event.to,
            message,
            ..Line::default()
        });
    }
}

/// Whether two changes are of the same backend or service.
fn is_of_one(one: &Event, other: &Event) -> bool {
    one.service == other.service && one.backend == other.backend
}

fn job(program: &Program, event: &Event) -> Job {
    // What a backend says may be among it. A program takes no NUL.
    let clean = |text: &str| -> String {
        let characters = text.chars().take(REASON_MAX);
        characters
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    };
    let told = [
        ("DSRLOAD_SERVICE", clean(&event.service)),
        ("DSRLOAD_BACKEND", clean(&event.backend)),
        ("DSRLOAD_FROM", clean(&event.from)),
        ("DSRLOAD_TO", clean(&event.to)),
        ("DSRLOAD_REASON", clean(&event.reason)),
    ];
    let mut argv = program.argv.clone();
    argv.extend(told.iter().map(|(_, value)| value.clone()));
    let mut env = vec![
        ("PATH".to_owned(), program.path.clone()),
        ("DSRLOAD_TIME".to_owned(), format!("{:.3}", event.time)),
    ];
    env.extend(told.map(|(name, value)| (name.to_owned(), value)));
    Job {
        argv,
        env,
        timeout: program.timeout,
    }
}

#[cfg(test)]
#[path = "hook_tests.rs"]
mod tests;
