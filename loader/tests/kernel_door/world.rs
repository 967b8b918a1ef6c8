//! A thread with a network namespace, mounts and descriptors of its own. They
//! end with it, however it ends.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a condition may take that the kernel brings about by itself.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a test in a world of its own.
pub fn in_a_world(test: impl FnOnce() + Send) {
    let outcome = thread::scope(|scope| {
        scope
            .spawn(|| {
                let own =
                    CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_FILES;
                unshare(own).expect("namespaces: these tests need root");
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
                test();
            })
            .join()
    });
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Puts an empty file system of this type over a folder that every machine has.
pub fn mounted(file_system: &str) -> &'static Path {
    let folder = Path::new("/tmp");
    mount(
        Some("test"),
        folder,
        Some(file_system),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    folder
}

/// Runs `ip` with these words.
pub fn ip(words: &str) {
    let answer = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&answer.stderr)
    );
}

/// Runs `ip` with each line of `batch`.
pub fn ip_batch(batch: &str) {
    let mut ip = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = ip.stdin.take().unwrap();
    input.write_all(batch.as_bytes()).unwrap();
    drop(input);
    assert!(ip.wait().unwrap().success(), "ip -batch");
}

/// Descriptors that are open in this world.
pub fn open_descriptors() -> usize {
    fs::read_dir("/proc/thread-self/fd").unwrap().count()
}

/// Another network namespace.
pub struct Netns(File);

impl Netns {
    /// A new one, with its loopback interface alone.
    pub fn new() -> Self {
        thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            Self(current())
        })
        .join()
        .unwrap()
    }

    /// Puts this thread into it, until the guard is dropped.
    pub fn enter(&self) -> Inside {
        let before = current();
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
        Inside {
            before,
            _stays_on_its_thread: PhantomData,
        }
    }

    /// A name by which `ip` finds it.
    pub fn path(&self) -> String {
        let thread = fs::read_link("/proc/thread-self").unwrap();
        format!("/proc/{}/fd/{}", thread.display(), self.0.as_raw_fd())
    }
}

fn current() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

/// This thread is in another network namespace.
pub struct Inside {
    before: File,
    _stays_on_its_thread: PhantomData<*mut ()>,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let back = setns(&self.before, CloneFlags::CLONE_NEWNET);
        assert!(back.is_ok() || thread::panicking(), "no way back: {back:?}");
    }
}

/// Asks until there is an answer, up to a deadline.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}
