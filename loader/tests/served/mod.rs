//! A server of metrics, API and page on a host of its own, with figures that the
//! test has chosen.

pub mod figures;

use crate::lab::host::Host;
use crate::lab::mounts::Mounts;
use dsrload::agent::http;
use dsrload::report::run::Snapshot;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};

/// Far more than any answer takes; a test that gets here fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Seconds since 1970.
pub fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970").as_secs_f64()
}

/// The server; it ends with this value.
pub struct Served {
    /// Where it is: nothing else is on that host.
    pub host: Host,
    /// Its address.
    pub address: SocketAddr,
    snapshot: watch::Sender<Arc<Snapshot>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves at the host's loopback address.
    pub fn with(snapshot: Snapshot) -> Self {
        let host = Host::new("site", &Mounts::without_bpffs());
        Self::at(host, "127.0.0.1", snapshot)
    }

    /// The same on a host where connections have small buffers, so that a large
    /// answer waits in the server and not in the kernel.
    pub fn with_small_buffers(snapshot: Snapshot) -> Self {
        let served = Self::with(snapshot);
        served.host.set("ipv4/tcp_wmem", "4096 16384 32768");
        served.host.set("ipv4/tcp_rmem", "4096 16384 32768");
        served
    }

    /// Serves at an address that the host has.
    pub fn at(host: Host, address: &str, snapshot: Snapshot) -> Self {
        let bind = || TcpListener::bind((address, 0)).expect("a free port");
        let listener = host.inside(bind);
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("a socket can");
        let (snapshot, source) = watch::channel(Arc::new(snapshot));
        let (stop, thread) = run(async move || {
            let listener = tokio::net::TcpListener::from_std(listener);
            http::serve(listener.expect("a listener"), source).await;
        });
        Self {
            host,
            address,
            snapshot,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Also serves at a Unix socket, until the other end of what is returned goes.
    pub fn also_at(&self, listener: UnixListener) -> impl Drop + use<> {
        let source = self.snapshot.subscribe();
        let (stop, thread) = run(async move || {
            let served = http::serve_unix(listener, source).await;
            served.expect("a listener");
        });
        Running(Some(stop), Some(thread))
    }

    /// From now on it serves this.
    pub fn now_is(&self, snapshot: Snapshot) {
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        let connect = || TcpStream::connect(self.address).expect("it accepts");
        let stream = self.host.inside(connect);
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// A connection on which the answer to a GET has begun, and goes on if somebody
    /// takes it.
    pub fn begin(&self, path: &str) -> TcpStream {
        let mut stream = self.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("it answers");
        assert_eq!(&status, b"HTTP/1.1 200");
        stream
    }

    /// What it answers to these bytes, until it closes.
    pub fn answer(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("it reads");
        rest(&mut stream)
    }

    /// What it answers to a GET.
    pub fn get(&self, path: &str) -> Reply {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        Reply::of(&self.answer(&request))
    }

    /// Stops the server; connections are closed.
    pub fn stop(&mut self) {
        drop(Running(self.stop.take(), self.thread.take()));
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Running(Option<oneshot::Sender<()>>, Option<JoinHandle<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.take());
        if let Some(Err(panic)) = self.1.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Runs a server in a thread, as `dsrload run` does, until the sender is dropped.
fn run(server: impl AsyncFnOnce() + Send + 'static) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            tokio::select! {
                () = server() => panic!("a server does not end by itself"),
                _ = stopped => {}
            }
        });
    });
    (stop, thread)
}

/// Whether the server has not closed a connection whose answer nobody waits for.
pub fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let mut stream = stream;
    let read = stream.read(&mut [0; 1]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// All that comes until the other side closes, which it may do with a reset.
pub fn rest(stream: &mut impl Read) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("no end after {} bytes: {error}", all.len()),
        }
    }
    String::from_utf8(all).expect("text")
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Reply {
    /// As in `200`.
    pub status: u16,
    /// Headers, as they came.
    pub head: String,
    /// What follows.
    pub body: String,
}

impl Reply {
    /// Takes an answer apart.
    pub fn of(answer: &str) -> Self {
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }
}
