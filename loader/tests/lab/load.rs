//! Load from the client that tells each kind of failure apart.
//!
//! Long connections send a request now and then and stay with the backend that
//! answered first; short ones send one request each. A connection that fails is
//! counted once, by what became of it, and is not opened again: "7 of 20 reset"
//! means seven connections. Common load generators reconnect in silence.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

use super::deadline::wait_until;
use super::host::Host;
use super::tally::{Gap, Tally};

/// What to send.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where to: an address with a port.
    pub target: String,
    /// What to ask for.
    pub path: &'static str,
    /// How many long connections.
    pub long: usize,
    /// How long each of them waits between an answer and the next request.
    pub pause: Duration,
    /// How many short connections in a second.
    pub short_per_second: u32,
    /// How many of them may be under way at once: one that hangs holds up no more
    /// than itself as long as there are fewer.
    pub short_at_once: usize,
    /// How long to wait for a connection or an answer.
    pub patience: Duration,
}

impl Load {
    /// Load for port 80 of `address` that two cores carry with ease.
    pub fn on(address: &str) -> Self {
        Self {
            target: format!("{address}:80"),
            path: "/",
            long: 20,
            pause: Duration::from_millis(10),
            short_per_second: 200,
            short_at_once: 1,
            patience: Duration::from_secs(5),
        }
    }

    /// Opens the long connections from `host`, each of which must be answered
    /// once, and starts everything.
    pub fn start(self, host: &Host) -> Running {
        let retransmitted = retransmitted(host);
        let shared = Arc::new(Shared::default());
        let load = Arc::new(self);
        // Threads are born into the namespaces of the thread that starts them.
        let (long, short) = host.inside(|| {
            let many = |count, work| {
                let threads = (0..count).map(|_| spawn(&load, &shared, work));
                threads.collect()
            };
            (
                many(load.long, long_connection),
                many(load.short_at_once, short_connections),
            )
        });
        let (host, end) = (host.clone(), End(Arc::clone(&shared)));
        let running = Running {
            load,
            shared,
            long,
            short,
            host,
            retransmitted,
            end,
        };
        running.answers_everywhere();
        running
    }
}

/// Load that is being sent.
#[derive(Debug)]
pub struct Running {
    load: Arc<Load>,
    shared: Arc<Shared>,
    long: Vec<JoinHandle<Tally>>,
    short: Vec<JoinHandle<Tally>>,
    host: Host,
    retransmitted: u64,
    end: End,
}

/// Stops the threads, also when the test fails before it finishes the load.
#[derive(Debug)]
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Which round of questions is on; a long connection reports each once.
    round: AtomicUsize,
    reported: AtomicUsize,
    short: AtomicUsize,
    /// The next short connection of all, and when the first one was due.
    next: AtomicU32,
    start: OnceLock<Instant>,
    gap: Mutex<Gap>,
}

impl Running {
    /// Waits until each long connection has asked and been answered, or has
    /// failed, and a few short ones are through, all from now on.
    pub fn answers_everywhere(&self) {
        self.shared.reported.store(0, Ordering::SeqCst);
        self.shared.short.store(0, Ordering::SeqCst);
        self.shared.round.fetch_add(1, Ordering::SeqCst);
        wait_until("every long connection to ask once more", || {
            self.shared.reported.load(Ordering::SeqCst) >= self.load.long
                && (self.load.short_per_second == 0
                    || self.shared.short.load(Ordering::SeqCst) >= 3)
        });
    }

    /// Ends the load; what became of the connections.
    pub fn finish(self) -> Report {
        drop(self.end);
        let all = |threads: Vec<JoinHandle<Tally>>| {
            let mut sum = Tally::default();
            for thread in threads {
                sum.add(thread.join().expect("a thread of the load"));
            }
            sum
        };
        let (long, short) = (all(self.long), all(self.short));
        let gap = self.shared.gap.lock().expect("no thread panicked").longest;
        let retransmitted = retransmitted(&self.host) - self.retransmitted;
        Report {
            long,
            short,
            gap,
            retransmitted,
        }
    }
}

/// What became of the connections.
#[derive(Debug)]
pub struct Report {
    /// The long connections.
    pub long: Tally,
    /// The short connections.
    pub short: Tally,
    /// The longest time between two short connections that ended well.
    pub gap: Duration,
    /// How many packets the client's kernel had to repeat: a lost one shows
    /// here even though its connection comes off in the end.
    pub retransmitted: u64,
}

impl Report {
    /// Panics unless each connection was answered to its end by one backend.
    pub fn loses_no_connection(&self) {
        for (kind, tally) in [("long", &self.long), ("short", &self.short)] {
            assert_eq!(tally.failed(), 0, "{kind} connections: {tally:?}");
            assert_eq!(tally.moved, 0, "{kind} connections: {tally:?}");
        }
    }

    /// The same, and panics if a packet was lost on the way.
    pub fn is_flawless(&self) {
        self.loses_no_connection();
        assert_eq!(self.retransmitted, 0, "packets were lost: {self:?}");
    }
}

fn spawn(
    load: &Arc<Load>,
    shared: &Arc<Shared>,
    work: fn(&Load, &Shared, &mut Tally),
) -> JoinHandle<Tally> {
    let (load, shared) = (Arc::clone(load), Arc::clone(shared));
    thread::spawn(move || {
        let mut tally = Tally::default();
        work(&load, &shared, &mut tally);
        tally
    })
}

fn long_connection(load: &Load, shared: &Shared, tally: &mut Tally) {
    let mut reported = 0;
    let mut backend = None;
    let end = Connection::open(load).and_then(|mut connection| {
        while !shared.stop.load(Ordering::SeqCst) {
            let round = shared.round.load(Ordering::SeqCst);
            let answered = connection.ask(load, tally);
            backend.clone_from(&connection.backend);
            answered?;
            if round > reported {
                reported = round;
                shared.reported.fetch_add(1, Ordering::SeqCst);
            }
            thread::sleep(load.pause);
        }
        Ok(())
    });
    if let (Err(_), Some(backend)) = (&end, backend) {
        *tally.lost.entry(backend).or_default() += 1;
    }
    tally.count(end);
    // A failed connection has nothing more to say: it reports every round, or
    // who waits for the round would wait for ever.
    while !shared.stop.load(Ordering::SeqCst) {
        let round = shared.round.load(Ordering::SeqCst);
        if round > reported {
            reported = round;
            shared.reported.fetch_add(1, Ordering::SeqCst);
        }
        thread::sleep(load.pause);
    }
}

fn short_connections(load: &Load, shared: &Shared, tally: &mut Tally) {
    let Some(interval) = Duration::from_secs(1).checked_div(load.short_per_second) else {
        return;
    };
    let start = *shared.start.get_or_init(Instant::now);
    while !shared.stop.load(Ordering::SeqCst) {
        let due = start + interval * shared.next.fetch_add(1, Ordering::SeqCst);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let end = Connection::open(load).and_then(|mut connection| connection.ask(load, tally));
        if end.is_ok() {
            shared.gap.lock().expect("no thread panicked").ended_well();
        }
        tally.count(end);
        shared.short.fetch_add(1, Ordering::SeqCst);
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    backend: Option<String>,
}

impl Connection {
    fn open(load: &Load) -> io::Result<Self> {
        let target: SocketAddr = load.target.parse().expect("an address with a port");
        let stream = TcpStream::connect_timeout(&target, load.patience)?;
        stream.set_read_timeout(Some(load.patience))?;
        stream.set_nodelay(true)?;
        // Closing resets: no port stays reserved for a minute, and a run of
        // many short connections does not run out of them.
        let reset = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&stream, sockopt::Linger, &reset)?;
        Ok(Self {
            stream: BufReader::new(stream),
            backend: None,
        })
    }

    /// Sends a request and reads the answer, the name of who answers.
    fn ask(&mut self, load: &Load, tally: &mut Tally) -> io::Result<()> {
        let start = Instant::now();
        let request = format!("GET {} HTTP/1.1\r\nHost: lab\r\n\r\n", load.path);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let name = self.read_answer()?;
        tally.slowest = tally.slowest.max(start.elapsed());
        match &self.backend {
            None => {
                *tally.by_backend.entry(name.clone()).or_default() += 1;
                self.backend = Some(name);
            }
            Some(backend) if *backend == name => {}
            Some(_) => {
                tally.moved += 1;
                self.backend = Some(name);
            }
        }
        Ok(())
    }

    fn read_answer(&mut self) -> io::Result<String> {
        let mut length = 0;
        let status = self.read_line()?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(io::Error::other(status));
        }
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.parse().map_err(io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// The counter `RetransSegs` of the host's TCP.
fn retransmitted(host: &Host) -> u64 {
    // The file shows the namespace of the thread that reads it.
    let text = host.inside(|| fs::read_to_string("/proc/thread-self/net/snmp"));
    let text = text.expect("the kernel's counters");
    let mut lines = text.lines().filter(|line| line.starts_with("Tcp:"));
    let names = lines.next().into_iter().flat_map(str::split_whitespace);
    let values = lines.next().into_iter().flat_map(str::split_whitespace);
    let found = names.zip(values).find(|(name, _)| *name == "RetransSegs");
    found
        .and_then(|(_, value)| value.parse().ok())
        .expect("the counter RetransSegs")
}
