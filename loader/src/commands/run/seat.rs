//! One `run` for each interface, and the door by which other commands ask it.

use crate::fault;
use crate::report::run::Snapshot;
use anyhow::{Context, Result};
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

/// How long another process is waited for that answers from memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an answer can have at the most: bytes.
const ANSWER_MAX: u64 = 64 << 20;

/// The interfaces' names, taken: abstract Unix sockets of the network namespace,
/// which die with the process.
#[derive(Debug)]
pub struct Seat(pub Vec<UnixListener>);

fn address(interface: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("dsrload-run/{interface}"))
}

impl Seat {
    /// Takes them, all or none.
    ///
    /// # Errors
    ///
    /// `Failed`: another process has one.
    pub fn take(interfaces: &[String]) -> Result<Self> {
        let take = |name: &String| match UnixListener::bind_addr(&address(name)?) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                Ok(listener)
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(fault!(
                Failed,
                "another `dsrload run` looks after {name} already: `dsrload status {name}` shows it"
            )),
            Err(error) => Err(error).with_context(|| format!("take the name of {name}")),
        };
        interfaces.iter().map(take).collect::<Result<_>>().map(Self)
    }
}

/// What the process that looks after this interface knows; none if there is none.
///
/// # Errors
///
/// It does not answer, or not in words that this binary knows.
pub fn ask(interface: &str) -> Result<Option<Snapshot>> {
    let mut stream = match UnixStream::connect_addr(&address(interface)?) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(error).context("ask the process that looks after it"),
    };
    let answer =
        exchange(&mut stream).with_context(|| format!("ask the `dsrload run` of {interface}"))?;
    let snapshot = serde_json::from_slice(&answer);
    snapshot
        .map(Some)
        .with_context(|| format!("read the answer of the `dsrload run` of {interface}"))
}

fn exchange(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /api/v1/state HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let body = end.map(|end| bytes.split_off(end + 4));
    body.filter(|_| bytes.starts_with(b"HTTP/1.0 200 ") || bytes.starts_with(b"HTTP/1.1 200 "))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an answer that is none"))
}
