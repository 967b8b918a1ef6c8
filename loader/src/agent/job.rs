//! Programs that are run for a check or for a change of state, and how they end.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

/// A program to run. It gets no standard input, and what it writes is thrown away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its path and its arguments: one word at least.
    pub argv: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    /// After so long it is killed, with all that it has started.
    pub timeout: Duration,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It took too long, and was killed.
    TimedOut,
    /// It was not started, and why.
    NotStarted(String),
}

/// What runs programs.
pub type Runner = Rc<dyn Fn(Job) -> Pin<Box<dyn Future<Output = Ended>>>>;
