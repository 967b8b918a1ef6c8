//! A program that knows whether a backend is well.

use super::{Answer, Target, Verdict, failed};
use crate::agent::job::{Ended, Job, Runner};

/// Where it finds others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs it, and takes its exit code for an answer.
pub async fn run(target: &Target, command: &[String], runner: &Runner) -> Answer {
    let (service, backend, _) = &target.key;
    let env = [
        ("PATH", PATH.to_owned()),
        ("DSRLOAD_SERVICE", service.clone()),
        ("DSRLOAD_BACKEND", backend.clone()),
        ("DSRLOAD_ADDRESS", target.to.ip().to_string()),
        ("DSRLOAD_PORT", target.to.port().to_string()),
    ];
    let job = Job {
        argv: command.to_vec(),
        env: env
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        timeout: target.check.timeout,
    };
    match runner(job).await {
        Ended::Code(0) => Ok(()),
        Ended::Code(code) => failed(format!("the program ended with {code}")),
        Ended::Signal(signal) => failed(format!("the program was ended by signal {signal}")),
        Ended::TimedOut => failed(format!(
            "the program took longer than {:?}",
            target.check.timeout
        )),
        Ended::NotStarted(why) => Err(Verdict::NotMade(format!(
            "the program was not started: {why}"
        ))),
    }
}
