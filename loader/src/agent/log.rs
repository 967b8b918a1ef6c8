//! Log lines on standard error, one for each event.
//!
//! The agent never waits for whoever reads them: a thread of its own writes, and
//! what it cannot take is dropped and counted. Standard error is not set to be
//! non-blocking instead, since others may have it open, a shell for one.
//!
//! Whoever writes a line sees to it that nothing secret is in it: no hash seed, no
//! URL with a password.

mod limit;
mod line;

pub use line::{Level, Line};

use crate::model::run;
use limit::Limits;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Lines that wait to be written. Those behind them are dropped.
const WAITING_MAX: usize = 1024;

/// How often is told what was dropped.
const TELLING: Duration = Duration::from_secs(1);

/// Of the thread that writes: it formats a line, and calls `write`.
const STACK: usize = 256 * 1024;

/// The kind of lines about the log itself.
const KIND: &str = "log";

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    format: run::Log,
    /// Whether the journal reads, which takes a level before plain lines.
    is_journal: bool,
}

/// Where lines go.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<String>,
    shared: Arc<Mutex<Shared>>,
    writer: JoinHandle<()>,
}

/// What the agent's and the writing thread share. Nobody holds it while he waits.
#[derive(Debug)]
struct Shared {
    shape: Shape,
    limits: Limits,
}

impl Log {
    /// To standard error. Call it after `confine`: it starts a thread.
    ///
    /// # Errors
    ///
    /// Standard error is closed; the kernel starts no thread.
    pub fn to_stderr(format: run::Log) -> io::Result<Self> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let is_journal = std::env::var("JOURNAL_STREAM").is_ok_and(|named| is(&stderr, &named));
        Self::start(Shape { format, is_journal }, stderr)
    }

    /// To anything else, which is no journal.
    ///
    /// # Errors
    ///
    /// The kernel starts no thread.
    pub fn to(format: run::Log, out: impl Write + Send + 'static) -> io::Result<Self> {
        let is_journal = false;
        Self::start(Shape { format, is_journal }, out)
    }

    fn start(shape: Shape, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let shared = Arc::new(Mutex::new(Shared {
            shape,
            limits: Limits::new(Instant::now()),
        }));
        let writer = thread::Builder::new()
            .name("log".to_owned())
            .stack_size(STACK)
            .spawn({
                let shared = Arc::clone(&shared);
                move || write_all(&receiver, &shared, out)
            })?;
        Ok(Self {
            sender,
            shared,
            writer,
        })
    }

    /// Writes a line, or drops it: when too many of its kind came within a second,
    /// or when too many wait to be written. Returns at once.
    pub fn write(&self, line: &Line<'_>) {
        let mut shared = lock(&self.shared);
        if !shared.limits.take(line.kind, Instant::now()) {
            return;
        }
        let text = text(shared.shape, line);
        drop(shared);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.sender.try_send(text)
        {
            lock(&self.shared).limits.lose(line.kind);
        }
    }

    /// What lines look like from now on.
    pub fn set_format(&self, format: run::Log) {
        lock(&self.shared).shape.format = format;
    }

    /// Lines that were not written since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        lock(&self.shared).limits.lost_at_all()
    }

    /// Ends it when all lines are written, or when this much time has passed, and
    /// tells whether they are.
    pub fn close(self, patience: Duration) -> bool {
        let Self { sender, writer, .. } = self;
        drop(sender);
        let start = Instant::now();
        while !writer.is_finished() && start.elapsed() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        writer.is_finished()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file is the one that `JOURNAL_STREAM` names, by device and inode: a
/// program's standard error may lead elsewhere than that of the service that
/// started it.
fn is(file: &File, named: &str) -> bool {
    file.metadata()
        .is_ok_and(|about| named == format!("{}:{}", about.dev(), about.ino()))
}

fn text(shape: Shape, line: &Line<'_>) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = time.unwrap_or_default();
    match shape.format {
        run::Log::Plain => line.plain(time, shape.is_journal),
        run::Log::Json => line.json(time),
    }
}

/// The thread's life: until the log is closed.
fn write_all(lines: &Receiver<String>, shared: &Mutex<Shared>, out: impl Write) {
    let mut out = Out { out, is_cut: false };
    let mut told = Instant::now();
    loop {
        let line = lines.recv_timeout(TELLING.saturating_sub(told.elapsed()));
        if let Ok(line) = &line
            && out.write(line).is_err()
        {
            // Whose it was is in the line, and not worth looking for.
            lock(shared).limits.lose(KIND);
        }
        let is_over = line == Err(RecvTimeoutError::Disconnected);
        if told.elapsed() >= TELLING || is_over {
            told = Instant::now();
            tell_lost(shared, &mut out);
        }
        if is_over {
            return;
        }
    }
}

/// Says how many lines were dropped, by kind.
fn tell_lost(shared: &Mutex<Shared>, out: &mut Out<impl Write>) {
    let (shape, lost) = {
        let mut shared = lock(shared);
        (shared.shape, shared.limits.take_lost())
    };
    for (kind, count) in lost {
        let message = match count {
            1 => format!("1 line of kind {kind} was not written"),
            _ => format!("{count} lines of kind {kind} were not written"),
        };
        let line = Line {
            level: Level::Warning,
            kind: KIND,
            message: &message,
            ..Line::default()
        };
        if out.write(&text(shape, &line)).is_err() {
            // Said again when there is room.
            lock(shared).limits.lose_again(kind, count);
        }
    }
}

/// What lines are written to.
struct Out<W> {
    out: W,
    /// The last line may have been cut off, by a full disk.
    is_cut: bool,
}

impl<W: Write> Out<W> {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let separator = if self.is_cut { "\n" } else { "" };
        // In one piece, since others may write there.
        let whole = format!("{separator}{line}\n");
        let done = self.out.write_all(whole.as_bytes());
        self.is_cut = done.is_err();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufRead;

    fn line(kind: &'static str) -> Line<'static> {
        Line {
            kind,
            message: "some words that fill a pipe by and by",
            ..Line::default()
        }
    }

    fn lines(reader: impl io::Read) -> impl Iterator<Item = String> {
        io::BufReader::new(reader).lines().map(|line| {
            let line = line.unwrap();
            line["1970-01-01T00:00:00.000Z ".len()..].to_owned()
        })
    }

    #[test]
    fn lines_are_written_in_order_until_the_end() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::to(run::Log::Plain, writer).unwrap();
        log.write(&line("one"));
        log.write(&line("two"));
        log.set_format(run::Log::Json);
        log.write(&line("three"));
        assert!(log.close(Duration::from_secs(20)));
        let text = io::read_to_string(reader).unwrap();
        let kinds: Vec<&str> = text
            .lines()
            .map(|line| {
                line.split([' ', '"'])
                    .nth(if line.starts_with('{') { 11 } else { 1 })
                    .unwrap()
            })
            .collect();
        assert_eq!(kinds, ["one", "two", "three"]);
    }

    #[test]
    fn too_many_of_a_kind_are_counted_and_said() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::to(run::Log::Plain, writer).unwrap();
        for _ in 0..1000 {
            log.write(&line("state"));
        }
        log.write(&line("start"));
        let lost = log.lost();
        assert!(lost > 500, "{lost}");
        assert!(log.close(Duration::from_secs(20)));
        let lines: Vec<String> = lines(reader).collect();
        let is_said = |line: &String| line.contains("of kind state were not written");
        assert!(lines.iter().any(|line| line.starts_with("start ")));
        assert!(lines.iter().any(is_said), "{lines:?}");
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_hears_later_what_it_missed() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::to(run::Log::Plain, writer).unwrap();
        // Far more than the pipe and the queue take, of kinds with tokens each.
        let kinds: Vec<&'static str> = (0..100)
            .map(|number| &*Box::leak(format!("kind{number}").into_boxed_str()))
            .collect();
        let start = Instant::now();
        for kind in &kinds {
            for _ in 0..50 {
                log.write(&line(kind));
            }
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(log.lost() > 1000, "{}", log.lost());
        // It reads on: all that waited, and how much was dropped.
        let mut lines = lines(reader);
        assert!(lines.any(|line| line.starts_with("log ") && line.contains("of kind kind99")));
        log.write(&line("after"));
        assert!(lines.any(|line| line.starts_with("after ")));
    }

    #[test]
    fn a_log_that_cannot_be_written_is_closed_in_time() {
        let (reader, writer) = io::pipe().unwrap();
        let log = Log::to(run::Log::Plain, writer).unwrap();
        for kind in [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o",
        ] {
            for _ in 0..50 {
                log.write(&line(kind));
            }
        }
        let patience = Duration::from_millis(50);
        let long = Line {
            message: &"x".repeat(400),
            ..line("long")
        };
        for _ in 0..50 {
            log.write(&long);
        }
        assert!(!log.close(patience));
        drop(reader);
    }

    #[test]
    fn lines_for_a_full_disk_are_dropped_and_counted() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let log = Log::to(run::Log::Plain, full).unwrap();
        log.write(&line("state"));
        let start = Instant::now();
        while log.lost() == 0 {
            assert!(start.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(1));
        }
        assert!(log.close(Duration::from_secs(20)));
    }

    #[test]
    fn the_journal_is_known_by_its_number_alone() {
        let file = File::open("/dev/null").unwrap();
        let about = file.metadata().unwrap();
        let named = format!("{}:{}", about.dev(), about.ino());
        assert!(is(&file, &named));
        for named in ["", "1:2", &format!("{named}1"), &format!("x{named}")] {
            assert!(!is(&file, named), "{named}");
        }
    }
}
