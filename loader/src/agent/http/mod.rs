//! Metrics, API and page over HTTP/1.1: reading only, there is nothing to be
//! changed by it.
//!
//! Whoever can connect can ask, so everything is bounded: how many connections
//! there are ([`CONNECTIONS`]), how long each may take ([`connection`]) and how
//! large a request may be. A client that does nothing makes room for one that
//! does: nobody is kept out by silence.

mod answer;
mod connection;
mod page;

use crate::report::run::Snapshot;
use answer::Site;
use connection::{Moment, Stream};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUserTimeout;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Where the latest snapshot is found.
pub type Source = watch::Receiver<Arc<Snapshot>>;

/// How many connections a listener has at a time. The next one takes the place of
/// the one whose request is waited for the longest; if all are being answered, it
/// is closed.
pub const CONNECTIONS: usize = 64;

/// After an `accept` that failed, most likely for want of descriptors: to try again
/// at once would only keep the processor busy.
const PAUSE: Duration = Duration::from_millis(50);

/// Answers all who connect, until it is dropped; that closes all connections.
///
/// A listener on a loopback address answers only to names of this host: `localhost`
/// or an IP address. A web page of a stranger, whose name was made to mean
/// 127.0.0.1 ("DNS rebinding"), is refused with 421 that way. On other addresses
/// any name may be the right one.
pub async fn serve(listener: TcpListener, source: Source) {
    let address = listener.local_addr();
    let is_local = address.is_ok_and(|address: SocketAddr| address.ip().is_loopback());
    let accept = async || {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        setsockopt(&stream, TcpUserTimeout, &connection::ANSWER_MS)?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    };
    accept_all(Site::new(source, is_local), accept).await;
}

/// The same for a Unix socket, which no browser can reach: any name will do.
///
/// # Errors
///
/// The listener cannot be waited for.
pub async fn serve_unix(listener: StdUnixListener, source: Source) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let accept = async || {
        let (stream, _) = listener.accept().await?;
        Ok(Box::new(stream) as Box<dyn Stream>)
    };
    accept_all(Site::new(source, false), accept).await;
    Ok(())
}

/// A connection, as the one who accepts sees it.
struct Open {
    task: AbortHandle,
    moment: watch::Receiver<Moment>,
}

async fn accept_all(site: Site, accept: impl AsyncFn() -> io::Result<Box<dyn Stream>>) {
    let site = Arc::new(site);
    let mut tasks = JoinSet::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        let Ok(stream) = accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while tasks.try_join_next().is_some() {}
        open.retain(|connection| !connection.task.is_finished());
        if open.len() >= CONNECTIONS {
            let Some(longest) = waiting_longest(&open) else {
                continue;
            };
            open.swap_remove(longest).task.abort();
        }
        let (sender, moment) = watch::channel(Moment::first());
        let task = tasks.spawn(connection::serve(stream, Arc::clone(&site), sender));
        open.push(Open { task, moment });
    }
}

/// The connection whose client has left us waiting for a request the longest.
fn waiting_longest(open: &[Open]) -> Option<usize> {
    let moments = open.iter().map(|connection| *connection.moment.borrow());
    let waiting = moments.enumerate().filter(|(_, m)| m.is_waiting());
    waiting.min_by_key(|(_, m)| m.since).map(|(index, _)| index)
}
