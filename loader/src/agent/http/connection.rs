//! One connection: whose turn it is, and how long that may last.

use super::answer::Site;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How long the head of a request may take, from its first byte or from the
/// beginning of the connection.
const HEAD: Duration = Duration::from_secs(5);

/// How long an answer may take until the client's side has taken all of it.
const ANSWER: Duration = Duration::from_millis(ANSWER_MS as u64);

/// The same for the kernel, which goes on sending after a connection was closed:
/// milliseconds (tcp(7), `TCP_USER_TIMEOUT`).
pub(super) const ANSWER_MS: u32 = 10_000;

/// How long the next request is waited for.
const IDLE: Duration = Duration::from_secs(30);

/// Bytes that the head of a request may have.
const HEAD_BYTES: usize = 16 * 1024;

/// Headers that a request may have.
const HEADERS: usize = 64;

/// What bytes come and go by.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The client's: it is sending a request.
    Asking,
    /// Ours, and the client's to take the answer.
    Answering,
    /// Nobody's.
    Idle,
}

/// Whose turn it is, and since when.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    turn: Turn,
    pub(super) since: Instant,
}

impl Moment {
    /// Of a connection that has just been accepted.
    pub(super) fn first() -> Self {
        Self::now(Turn::Asking)
    }

    /// Whether a request is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.turn != Turn::Answering
    }

    fn now(turn: Turn) -> Self {
        let since = Instant::now();
        Self { turn, since }
    }

    fn end(&self) -> Instant {
        let limit = match self.turn {
            Turn::Asking => HEAD,
            Turn::Answering => ANSWER,
            Turn::Idle => IDLE,
        };
        self.since + limit
    }
}

/// Answers the requests of one connection. It ends when the client closes it, when
/// a request is not HTTP, or when a turn lasts too long; what was not sent by then
/// is lost.
pub(super) async fn serve(stream: Box<dyn Stream>, site: Arc<Site>, moment: watch::Sender<Moment>) {
    let moment = Arc::new(moment);
    let expires = expires(moment.subscribe());
    let watched = Watched {
        stream,
        moment: Arc::clone(&moment),
    };
    let service = service_fn(move |request| {
        moment.send_replace(Moment::now(Turn::Answering));
        let answer = site.answer(&request);
        async move { Ok::<_, Infallible>(answer) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // It would count idle time, too.
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        // Who has sent all of his requests may close his side before we answer.
        .half_close(true);
    tokio::select! {
        // How it ended is the client's affair.
        _ = builder.serve_connection(TokioIo::new(watched), service) => {}
        () = expires => {}
    }
}

/// Ends when a turn has lasted too long.
async fn expires(mut moment: watch::Receiver<Moment>) {
    loop {
        let end = moment.borrow_and_update().end();
        if timeout_at(end, moment.changed()).await.is_err() {
            return;
        }
    }
}

/// A stream that notices when turns change.
struct Watched {
    stream: Box<dyn Stream>,
    moment: Arc<watch::Sender<Moment>>,
}

impl Watched {
    /// From one turn to the next, if it is that turn.
    fn pass(&self, from: Turn, to: Turn) {
        if self.moment.borrow().turn == from {
            self.moment.send_replace(Moment::now(to));
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pass(Turn::Idle, Turn::Asking);
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    /// It is called after the last byte of an answer was written, and not before.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(result, Poll::Ready(Ok(()))) {
            self.pass(Turn::Answering, Turn::Idle);
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    /// Without it, answers would be copied.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
