//! Programs are started by a process apart, the spawner.
//!
//! The agent gives up the right to start anything (see `confine`), and programs
//! must not inherit what it holds: capabilities, descriptors, its filter of system
//! calls. So before all else it starts a copy of itself that gives up all
//! capabilities instead, and from then on does nothing but start programs on request.
//!
//! Requests and answers are JSON, one to a packet of a `SOCK_SEQPACKET` pair: such a
//! packet arrives whole or not at all, and several processes may send. For each
//! program the spawner starts a keeper (`keeper`), which answers when it has ended.
//! When either end of the pair is closed, however that happens, the other hears it:
//! programs end with the agent, and without a spawner none is started.

mod keeper;

use super::job::{Ended, Job, Runner};
use crate::sys::process::{Pid, copy_with};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep, timeout};

/// Programs that run at the same time; those behind them wait.
pub const PROGRAMS_MAX: usize = 64;

/// Bytes of a request or an answer. Below the least that a socket's buffer takes as
/// one packet by default (`net.core.wmem_default`).
const PACKET_MAX: usize = 65_536;

/// How much later than its program's timeout an answer may come before it is given
/// up: what takes time is killing what the program has started.
const GRACE: Duration = Duration::from_secs(5);

/// What is said when there is no spawner.
const GONE: &str = "the process that starts programs has ended; it comes back when dsrload is \
                    started again";

/// A program to start.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Request {
    id: u64,
    argv: Vec<String>,
    env: Vec<(String, String)>,
    timeout: Duration,
}

/// How the program of a request ended.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Answer {
    id: u64,
    how: How,
}

/// [`Ended`], as it is written.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum How {
    Code(i32),
    Signal(i32),
    TimedOut,
    NotStarted(String),
}

impl From<How> for Ended {
    fn from(how: How) -> Self {
        match how {
            How::Code(code) => Self::Code(code),
            How::Signal(signal) => Self::Signal(signal),
            How::TimedOut => Self::TimedOut,
            How::NotStarted(why) => Self::NotStarted(why),
        }
    }
}

/// The agent's end of the pair. The spawner ends, and all that it has started, when
/// this and what came of it is dropped.
#[derive(Debug)]
pub struct Handle {
    socket: OwnedFd,
    spawner: Pid,
}

impl Handle {
    /// Starts the spawner. Call it before this process has a second thread, and
    /// before `confine`.
    ///
    /// # Errors
    ///
    /// The kernel starts no process, or that cannot give up its capabilities.
    pub fn start() -> io::Result<Self> {
        let (ours, theirs) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )?;
        let spawner = copy_with(theirs, |socket| keeper::serve(&socket))?;
        let mut word = [0; 256];
        let length = recv(ours.as_raw_fd(), &mut word, MsgFlags::empty())?;
        match word.get(..length) {
            Some(b"ready") => {}
            Some(why) if !why.is_empty() => {
                let why = String::from_utf8_lossy(why).into_owned();
                return Err(io::Error::other(why));
            }
            _ => return Err(io::Error::other("it ended at once")),
        }
        fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self {
            socket: ours,
            spawner,
        })
    }

    /// The spawner's process.
    #[must_use]
    pub fn spawner(&self) -> Pid {
        self.spawner
    }

    /// What hands programs to it. Call it inside the runtime, which must have I/O
    /// and time; the programs go on being waited for when a future is dropped.
    ///
    /// # Errors
    ///
    /// The runtime does not take the socket.
    pub fn runner(self) -> io::Result<Runner> {
        let shared = Arc::new(Shared {
            socket: UnixDatagram::from_std(self.socket.into())?,
            room: Arc::new(Semaphore::new(PROGRAMS_MAX)),
            waiting: Mutex::default(),
        });
        tokio::spawn(hear(Arc::clone(&shared), self.spawner));
        Ok(Rc::new(move |job| Box::pin(run(Arc::clone(&shared), job))))
    }
}

struct Shared {
    /// What sends and receives packets, though these stay in order.
    socket: UnixDatagram,
    room: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for which answer.
#[derive(Default)]
struct Waiting {
    last: u64,
    is_gone: bool,
    /// The place of a program is taken until its answer is there, whether anybody
    /// still waits for that or not.
    jobs: HashMap<u64, (oneshot::Sender<Ended>, OwnedSemaphorePermit)>,
}

async fn run(shared: Arc<Shared>, job: Job) -> Ended {
    let Ok(place) = Arc::clone(&shared.room).acquire_owned().await else {
        return Ended::NotStarted(GONE.to_owned());
    };
    let patience = job.timeout.saturating_add(GRACE);
    let (id, packet) = match packed(&shared, job) {
        Ok(packed) => packed,
        Err(why) => return Ended::NotStarted(why),
    };
    let (tell, told) = oneshot::channel();
    let mut entry = Some((tell, place));
    let sent = shared.socket.async_io(Interest::WRITABLE, || {
        // Noted before its answer can be there, and only if it is on its way: this
        // future may be dropped while the socket has no room.
        let mut waiting = shared.waiting();
        if waiting.is_gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        send(shared.socket.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL)?;
        waiting.jobs.extend(entry.take().map(|entry| (id, entry)));
        Ok(())
    });
    if sent.await.is_err() {
        return Ended::NotStarted(GONE.to_owned());
    }
    match timeout(patience, told).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(_)) => Ended::NotStarted(GONE.to_owned()),
        Err(_) => {
            shared.waiting().jobs.remove(&id);
            Ended::NotStarted("the process that starts programs does not answer".to_owned())
        }
    }
}

/// The number and the packet of a request.
fn packed(shared: &Shared, job: Job) -> Result<(u64, Vec<u8>), String> {
    let id = {
        let mut waiting = shared.waiting();
        waiting.last += 1;
        waiting.last
    };
    let request = Request {
        id,
        argv: job.argv,
        env: job.env,
        timeout: job.timeout,
    };
    let packet = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
    if packet.len() > PACKET_MAX {
        return Err(format!(
            "its arguments and environment take {} bytes, {PACKET_MAX} are allowed",
            packet.len()
        ));
    }
    Ok((id, packet))
}

/// Passes answers on, until there is nobody to answer.
async fn hear(shared: Arc<Shared>, spawner: Pid) {
    let mut packet = vec![0; PACKET_MAX];
    loop {
        let length = match shared.socket.recv(&mut packet).await {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        let answer = serde_json::from_slice(packet.get(..length).unwrap_or_default());
        if let Ok(Answer { id, how }) = answer
            && let Some((tell, _)) = shared.waiting().jobs.remove(&id)
        {
            // Nobody may wait for it any more.
            let _ = tell.send(how.into());
        }
    }
    {
        let mut waiting = shared.waiting();
        waiting.is_gone = true;
        waiting.jobs.clear();
    }
    // Its descriptors are closed before it can be reaped.
    for _ in 0..100 {
        if spawner.reap().unwrap_or(true) {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Sends a packet from a process that may wait for room.
fn say(socket: impl AsFd, packet: &[u8]) -> io::Result<()> {
    send(socket.as_fd().as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL)?;
    Ok(())
}
