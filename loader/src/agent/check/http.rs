//! HTTP/1.1 requests (RFC 9112).

use super::socket::{connect, told};
use super::{Answer, Target, failed};
use crate::model::check::Http;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, spawn_local};

/// A body is looked through so far.
const BODY_MAX: usize = 64 * 1024;
/// Bytes that the head of an answer may have.
const HEAD_MAX: usize = 64 * 1024;

/// Asks, and compares the answer with what is expected.
pub async fn ask(target: &Target, http: &Http) -> Answer {
    let connection = connect(target).await?;
    exchange(target, http, connection).await
}

/// Ends what it stands for.
struct Aborting(AbortHandle);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The same over a connection that is there.
pub async fn exchange(
    target: &Target,
    http: &Http,
    connection: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Answer {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX);
    let shaken = builder.handshake(TokioIo::new(connection)).await;
    let (mut sender, working) = shaken.or_else(|error| failed(words(&error)))?;
    let task = spawn_local(async move {
        // What goes wrong is told to whoever waits for the answer.
        let _ = working.await;
    });
    let _working = Aborting(task.abort_handle());
    let host = match &http.host {
        Some(host) => host.clone(),
        None if target.to.port() == 80 => bracketed(target),
        None => target.to.to_string(),
    };
    let request = Request::get(http.url.as_str())
        .header(HOST, host)
        .header(USER_AGENT, concat!("dsrload/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let request = request.or_else(|error| failed(format!("no request can be made: {error}")))?;
    let answer = sender.send_request(request).await;
    let answer = answer.or_else(|error| failed_by(&error))?;
    let status = answer.status().as_u16();
    let is_good = http
        .status
        .iter()
        .any(|(first, last)| (*first..=*last).contains(&status));
    if !is_good {
        return failed(format!(
            "status {status}, expected {}",
            ranges(&http.status)
        ));
    }
    match &http.body {
        None => Ok(()),
        Some(text) => look_for(answer, text.as_bytes()).await,
    }
}

/// An address as it stands in a `Host` header, without its port.
fn bracketed(target: &Target) -> String {
    let ip = target.to.ip();
    match ip.is_ipv6() {
        true => format!("[{ip}]"),
        false => ip.to_string(),
    }
}

async fn look_for(answer: Response<Incoming>, text: &[u8]) -> Answer {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while bytes.len() < BODY_MAX {
        let Some(frame) = body.frame().await else {
            break;
        };
        let frame = frame.or_else(|error| failed_by(&error))?;
        // What was looked through is not looked through again.
        let start = bytes.len().saturating_sub(text.len());
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(&data[..data.len().min(BODY_MAX - bytes.len())]);
        }
        if bytes[start..]
            .windows(text.len())
            .any(|window| window == text)
        {
            return Ok(());
        }
    }
    failed(format!(
        "the body lacks '{}'",
        String::from_utf8_lossy(text)
    ))
}

/// What went wrong with a request. A fault of this host's is none of the backend's.
fn failed_by<T>(error: &hyper::Error) -> Answer<T> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>()
            && io.raw_os_error().is_some()
        {
            return Err(told(io));
        }
        cause = error.source();
    }
    failed(words(error))
}

fn words(error: &hyper::Error) -> String {
    if error.is_parse() {
        format!("the answer is not HTTP: {error}")
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "the connection was closed before the answer was whole".to_owned()
    } else {
        format!("no answer: {error}")
    }
}

/// `200-299, 304`.
fn ranges(status: &[(u16, u16)]) -> String {
    let texts: Vec<String> = status
        .iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    texts.join(", ")
}
