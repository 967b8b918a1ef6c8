//! Hooks whose programs end when the test says so.

use super::*;
use std::rc::Rc;
use tokio::sync::oneshot;

/// Programs that were started, and how each is ended.
type Started = Rc<RefCell<Vec<(Job, Option<oneshot::Sender<Ended>>)>>>;

struct Scene {
    hook: Hook,
    started: Started,
    lines: Rc<RefCell<Vec<String>>>,
}

impl Scene {
    fn new() -> Self {
        let started = Started::default();
        let runner: Runner = Rc::new({
            let started = Rc::clone(&started);
            move |job| {
                let (ends, end) = oneshot::channel();
                started.borrow_mut().push((job, Some(ends)));
                Box::pin(async { end.await.unwrap() })
            }
        });
        let program = Program {
            argv: vec!["/hook".to_owned(), "-v".to_owned()],
            timeout: Duration::from_secs(10),
            path: "/bin".to_owned(),
        };
        let lines = Rc::new(RefCell::new(Vec::new()));
        let tell = {
            let lines = Rc::clone(&lines);
            move |line: &Line<'_>| {
                let plain = line.plain(Duration::ZERO, false);
                lines
                    .borrow_mut()
                    .push(plain["1970-01-01T00:00:00.000Z ".len()..].to_owned());
            }
        };
        Self {
            hook: Hook::new(runner, program, tell),
            started,
            lines,
        }
    }

    /// Lets it do what it can do now.
    fn advance(&self) {
        self.hook.advance(&mut Context::from_waker(Waker::noop()));
    }

    /// Backends and new states of all that was started.
    fn told(&self) -> Vec<String> {
        let started = self.started.borrow();
        let words = started.iter().map(|(job, _)| [&job.argv[3], &job.argv[5]]);
        words
            .map(|[backend, to]| format!("{backend} {to}"))
            .collect()
    }

    fn end(&self, index: usize, ended: Ended) {
        let ends = self.started.borrow_mut()[index].1.take();
        ends.unwrap().send(ended).unwrap();
        self.advance();
    }
}

fn event(backend: &str, to: &str) -> Event {
    Event {
        time: 1_795_646_408.123_4,
        service: "web".to_owned(),
        backend: backend.to_owned(),
        from: "ready".to_owned(),
        to: to.to_owned(),
        reason: "connection\nrefused\0".to_owned(),
    }
}

#[test]
fn a_hook_is_told_twice_over() {
    let scene = Scene::new();
    scene.hook.changed(&event("b1", "down"));
    scene.advance();
    let started = scene.started.borrow();
    let job = &started[0].0;
    let reason = "connection refused ";
    assert_eq!(
        job.argv,
        ["/hook", "-v", "web", "b1", "ready", "down", reason]
    );
    let env: Vec<String> = job
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        env,
        [
            "PATH=/bin",
            "DSRLOAD_TIME=1795646408.123",
            "DSRLOAD_SERVICE=web",
            "DSRLOAD_BACKEND=b1",
            "DSRLOAD_FROM=ready",
            "DSRLOAD_TO=down",
            "DSRLOAD_REASON=connection refused ",
        ]
    );
    assert_eq!(job.timeout, Duration::from_secs(10));
}

#[test]
fn changes_of_one_backend_are_told_in_order_and_of_others_side_by_side() {
    let scene = Scene::new();
    for (backend, to) in [("b1", "down"), ("b1", "ready"), ("b2", "down"), ("", "up")] {
        scene.hook.changed(&event(backend, to));
    }
    scene.advance();
    assert_eq!(scene.told(), ["b1 down", "b2 down", " up"]);
    scene.end(1, Ended::Code(0));
    assert_eq!(scene.told().len(), 3);
    scene.end(0, Ended::Code(0));
    assert_eq!(scene.told()[3], "b1 ready");
    assert_eq!(*scene.lines.borrow(), [""; 0]);
}

#[test]
fn no_more_run_at_once_than_the_bound() {
    let scene = Scene::new();
    for number in 0..RUNNING_MAX + 5 {
        scene.hook.changed(&event(&format!("b{number}"), "down"));
    }
    scene.advance();
    assert_eq!(scene.told().len(), RUNNING_MAX);
    scene.end(3, Ended::Code(0));
    assert_eq!(scene.told().len(), RUNNING_MAX + 1);
}

#[test]
fn the_oldest_are_dropped_when_too_many_wait() {
    let scene = Scene::new();
    scene.hook.changed(&event("b1", "first"));
    scene.advance();
    for number in 0..QUEUE_MAX + 2 {
        scene.hook.changed(&event("b1", &number.to_string()));
    }
    assert_eq!(scene.hook.dropped(), 2);
    let line = "hook web/b1 ready -> 0: the hook falls behind, and is not told of this";
    assert_eq!(scene.lines.borrow()[0], line);
    scene.end(0, Ended::Code(0));
    assert_eq!(scene.told(), ["b1 first", "b1 2"]);
}

#[test]
fn a_hook_that_fails_is_told_of_and_the_next_is_run() {
    let scene = Scene::new();
    let ends = [
        (Ended::Code(3), "the hook failed, exit code 3"),
        (Ended::Signal(9), "the hook was ended by signal 9"),
        (Ended::TimedOut, "the hook took too long, and was killed"),
        (
            Ended::NotStarted("gone".to_owned()),
            "the hook was not started: gone",
        ),
    ];
    for (index, (ended, line)) in ends.into_iter().enumerate() {
        scene.hook.changed(&event("b1", "down"));
        scene.advance();
        scene.end(index, ended);
        assert_eq!(
            scene.lines.borrow()[index],
            format!("hook web/b1 ready -> down: {line}")
        );
    }
}

#[test]
fn without_a_program_nobody_is_told() {
    let scene = Scene::new();
    scene.hook.changed(&event("b1", "down"));
    scene.hook.set(Program::default());
    scene.hook.changed(&event("b2", "down"));
    scene.advance();
    assert_eq!(scene.told(), [""; 0]);
    assert_eq!(scene.hook.dropped(), 0);
}

#[test]
fn what_changes_while_it_runs_wakes_it_and_finish_ends_when_all_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let scene = Scene::new();
    runtime.block_on(async {
        let bound = Duration::from_secs(20);
        let change = async {
            tokio::task::yield_now().await;
            scene.hook.changed(&event("b1", "down"));
            while scene.told().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        // Dropped in the middle, with a program that runs.
        tokio::select! {
            () = scene.hook.run() => panic!("it ended"),
            done = tokio::time::timeout(bound, change) => done.unwrap(),
        }
        let end = async {
            tokio::task::yield_now().await;
            let ends = scene.started.borrow_mut()[0].1.take();
            ends.unwrap().send(Ended::TimedOut).unwrap();
        };
        let (done, ()) = tokio::join!(tokio::time::timeout(bound, scene.hook.finish()), end);
        done.unwrap();
    });
    assert_eq!(scene.lines.borrow().len(), 1);
}
