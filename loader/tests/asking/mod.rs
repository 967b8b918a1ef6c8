//! Checks that are made as the product makes them, on a runtime like its own.

use dsrload::agent::check::{Checks, Report, Target, Verdict};
use dsrload::agent::job::{Ended, Runner};
use dsrload::agent::reach::Reach;
use dsrload::model::check::{Check, Path, Probe};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::LocalSet;

/// How long a report may be on its way on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A check of a backend, made so often, by the host's routes.
pub fn target(
    name: &str,
    probe: Probe,
    to: SocketAddr,
    every: Duration,
    timeout: Duration,
) -> Target {
    Target {
        key: ("web".to_owned(), name.to_owned(), None),
        check: Rc::new(Check {
            probe,
            port: to.port(),
            path: Path::Real,
            every,
            timeout,
            rise: 1,
            fall: 1,
            jitter: 10,
        }),
        to,
        reach: Reach::Routes,
    }
}

/// Who says of every program that it has ended so.
pub fn runner(ended: Ended) -> Runner {
    Rc::new(move |_| {
        let ended = ended.clone();
        Box::pin(async move { ended })
    })
}

/// Inside a runtime like the product's.
pub fn inside<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    LocalSet::new().block_on(&runtime, work)
}

/// Has these made.
pub fn made(targets: Vec<Target>, runner: Runner) -> (Checks, Receiver<Report>) {
    let (results, reports) = channel(4096);
    let mut checks = Checks::new(results, runner);
    checks.set(targets);
    (checks, reports)
}

/// What the next report says.
pub async fn next(reports: &mut Receiver<Report>) -> Verdict {
    let report = tokio::time::timeout(PATIENCE, reports.recv()).await;
    report.expect("in time").expect("a report").verdict
}

/// What the first report says of one target.
pub fn first(target: Target) -> Verdict {
    inside(async {
        let (_checks, mut reports) = made(vec![target], runner(Ended::Code(0)));
        next(&mut reports).await
    })
}

/// Whether it says these words of a backend.
pub fn fails_with(verdict: &Verdict, words: &str) {
    match verdict {
        Verdict::Failed(why) => assert!(why.contains(words), "'{why}', not '{words}'"),
        other => panic!("{other:?}, not '{words}'"),
    }
}
