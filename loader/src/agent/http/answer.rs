//! What a request is answered.

use super::{Source, page};
use crate::report::run::api::Part;
use crate::report::run::{METRICS_CONTENT_TYPE, Snapshot, metrics};
use http_body_util::Full;
use hyper::body::{Body, Bytes};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName,
    HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Older than this a snapshot is stale: who takes them every second or so must be
/// stuck. Seconds.
const STALE: f64 = 15.0;

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "/metrics";
const JSON: &str = "application/json";

/// What stands in each answer. Nothing in it is to be loaded or run, even if a
/// browser can be talked into showing it; the page says otherwise of itself.
const ALWAYS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(super) type Answer = Response<Full<Bytes>>;

/// What is served.
pub(super) struct Site {
    source: Source,
    /// Whether names of other hosts are refused.
    is_local: bool,
    kept: Mutex<Written>,
}

/// The bodies that were made of the last snapshot, by path. With a thousand
/// backends they have megabytes, and one takes 30 ms: clients share one copy, and
/// however many they are, it costs the one thread that time once for each snapshot.
#[derive(Default)]
struct Written {
    of: Option<Arc<Snapshot>>,
    bodies: BTreeMap<String, Bytes>,
}

impl Site {
    pub(super) fn new(source: Source, is_local: bool) -> Self {
        Self {
            source,
            is_local,
            kept: Mutex::default(),
        }
    }

    pub(super) fn answer(&self, request: &Request<impl Body>) -> Answer {
        if !request.body().is_end_stream() {
            return closing(StatusCode::PAYLOAD_TOO_LARGE, "a request has no body here");
        }
        if let Err((status, why)) = self.check_host(request) {
            return closing(status, why);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only");
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allowed);
            return answer;
        }
        let snapshot = Arc::clone(&self.source.borrow());
        match request.uri().path() {
            "/" => page::page(),
            "/healthz" => health(&snapshot),
            path => self.body(path, &snapshot),
        }
    }

    /// RFC 9112, section 3.2: a name in the request line counts before the header.
    fn check_host(&self, request: &Request<impl Body>) -> Result<(), (StatusCode, &'static str)> {
        let mut headers = request.headers().get_all(HOST).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err((StatusCode::BAD_REQUEST, "one Host header, please"));
        }
        if !self.is_local {
            return Ok(());
        }
        let in_header = match header.map(|h| Authority::try_from(h.as_bytes())) {
            Some(Err(_)) => return Err((StatusCode::BAD_REQUEST, "what Host is that?")),
            Some(Ok(authority)) => Some(authority),
            // HTTP/1.0; a browser always sends it.
            None => None,
        };
        let named = request.uri().authority().or(in_header.as_ref());
        if named.is_none_or(is_this_host) {
            Ok(())
        } else {
            let why = "ask by IP address or as localhost: this port is for this host";
            Err((StatusCode::MISDIRECTED_REQUEST, why))
        }
    }

    /// What is made of the snapshot.
    fn body(&self, path: &str, snapshot: &Arc<Snapshot>) -> Answer {
        let kind = if path == METRICS {
            METRICS_CONTENT_TYPE
        } else {
            JSON
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of_this = |of: &Arc<Snapshot>| Arc::ptr_eq(of, snapshot);
        if !kept.of.as_ref().is_some_and(is_of_this) {
            *kept = Written::default();
            kept.of = Some(Arc::clone(snapshot));
        }
        if let Some(body) = kept.bodies.get(path) {
            return answer(StatusCode::OK, kind, body.clone());
        }
        let mut body = Vec::new();
        if !write(&mut body, path, snapshot).unwrap_or(false) {
            return refusal(StatusCode::NOT_FOUND, "there is nothing by that name");
        }
        let body = Bytes::from(body);
        kept.bodies.insert(path.to_owned(), body.clone());
        answer(StatusCode::OK, kind, body)
    }
}

/// Writes what is at a path; `false` if there is nothing.
fn write(out: &mut dyn Write, path: &str, snapshot: &Snapshot) -> io::Result<bool> {
    if path == METRICS {
        return metrics::write(out, snapshot).map(|()| true);
    }
    match Part::of_path(path) {
        Some(part) => part.write(out, snapshot),
        None => Ok(false),
    }
}

/// Whether what is known is new enough for the process to be well.
fn health(snapshot: &Snapshot) -> Answer {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let age = now.map_or(0.0, |now| now.as_secs_f64()) - snapshot.time;
    if age <= STALE {
        return answer(StatusCode::OK, TEXT, Bytes::from_static(b"ok\n"));
    }
    let why = if snapshot.time == 0.0 {
        "nothing is known yet".to_owned()
    } else {
        format!("what is known is {age:.0} s old, {STALE:.0} s are too old")
    };
    refusal(StatusCode::SERVICE_UNAVAILABLE, &why)
}

fn is_this_host(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost") || bare.unwrap_or(host).parse::<IpAddr>().is_ok()
}

pub(super) fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn refusal(status: StatusCode, why: &str) -> Answer {
    answer(status, TEXT, Bytes::from(format!("{why}\n")))
}

/// A refusal after which the connection is of no use.
fn closing(status: StatusCode, why: &str) -> Answer {
    let mut answer = refusal(status, why);
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(CONNECTION, close);
    answer
}
