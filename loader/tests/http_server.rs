//! The server of metrics, API and page: what it answers, to whom, and what it
//! refuses.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;
#[allow(dead_code, reason = "each test binary uses its part")]
mod served;

use dsrload::report::run::Snapshot;
use lab::host::Host;
use lab::mounts::Mounts;
use serde_json::Value;
use served::figures::{empty, large, troubled};
use served::{Reply, Served, rest};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

const PATHS: [&str; 9] = [
    "/",
    "/healthz",
    "/metrics",
    "/api/v1/config",
    "/api/v1/events",
    "/api/v1/outcomes",
    "/api/v1/services",
    "/api/v1/services/web",
    "/api/v1/state",
];

#[test]
fn each_path_has_its_answer() {
    let snapshot = troubled();
    let served = Served::with(snapshot.clone());
    for path in PATHS {
        let reply = served.get(path);
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    let state = serde_json::to_string(&snapshot).expect("JSON");
    assert_eq!(served.get("/api/v1/state").body, state + "\n");
    let json = |path: &str| -> Value {
        let reply = served.get(path);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        serde_json::from_str(&reply.body).expect("JSON")
    };
    assert_eq!(json("/api/v1/services")["services"][2]["name"], "web");
    assert_eq!(json("/api/v1/services/web")["service"]["in_rotation"], 3);
    assert_eq!(
        json("/api/v1/outcomes")["outcomes"][0]["packets"],
        918_273_645_u64
    );
    assert_eq!(json("/api/v1/events?x=1")["events"][0]["service"], "mail");
    assert_eq!(json("/api/v1/config")["config"]["generation"], 17);
    let metrics = served.get("/metrics");
    let kind = metrics.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\ndsrload_config_generation 17\n"));
}

#[test]
fn what_is_told_is_the_latest() {
    let served = Served::with(empty());
    for generation in [1, 2, 3] {
        let mut snapshot = empty();
        snapshot.config.generation = generation;
        served.now_is(snapshot);
        let line = format!("\ndsrload_config_generation {generation}\n");
        assert!(served.get("/metrics").body.contains(&line));
        let state: Snapshot =
            serde_json::from_str(&served.get("/api/v1/state").body).expect("JSON");
        assert_eq!(state.config.generation, generation);
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let served = Served::with(troubled());
    for path in [
        "/index.html",
        "/metrics/",
        "//metrics",
        "/api/v1/services/none",
        "/api/v1/services/",
        "/api/v1/../../etc/passwd",
        "/api/v1/state%00",
    ] {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
}

#[test]
fn health_is_the_age_of_the_snapshot() {
    let served = Served::with(empty());
    assert_eq!(served.get("/healthz").body, "ok\n");
    let mut old = empty();
    old.time -= 60.0;
    served.now_is(old);
    let reply = served.get("/healthz");
    assert_eq!(reply.status, 503);
    assert!(
        reply.body.starts_with("what is known is 6"),
        "{}",
        reply.body
    );
    served.now_is(Snapshot::default());
    let reply = served.get("/healthz");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, "nothing is known yet\n")
    );
}

#[test]
fn no_answer_can_be_kept_framed_or_run() {
    let served = Served::with(troubled());
    let refused = ["/none", "/healthz?x"];
    for path in PATHS.into_iter().chain(refused) {
        let reply = served.get(path);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(
            reply.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            reply.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none';"),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{path}: {policy}"
        );
        assert_eq!(
            policy.contains("script-src"),
            path == "/",
            "{path}: {policy}"
        );
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn only_reading_is_possible() {
    let served = Served::with(troubled());
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/", "/metrics", "/none"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let reply = Reply::of(&served.answer(&request));
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), Some("GET, HEAD"));
        }
    }
    let connect =
        "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\nConnection: close\r\n\r\n";
    assert_eq!(Reply::of(&served.answer(connect)).status, 405);
}

#[test]
fn a_head_is_that_of_the_answer_without_its_body() {
    let served = Served::with(troubled());
    for path in PATHS {
        let request =
            format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let head = Reply::of(&served.answer(&request));
        let whole = served.get(path);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let length = whole.body.len().to_string();
        assert_eq!(
            head.header("content-length"),
            Some(length.as_str()),
            "{path}"
        );
    }
}

#[test]
fn a_request_with_a_body_is_refused_and_the_connection_closed() {
    let served = Served::with(troubled());
    for (method, rest) in [
        ("POST", "Content-Length: 5\r\n\r\nhello"),
        ("GET", "Content-Length: 5\r\n\r\nhello"),
        ("GET", "Content-Length: 99999999999\r\n\r\n"),
        ("POST", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
        (
            "POST",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        // What looks like a second request is the first one's body.
        (
            "GET",
            "Content-Length: 41\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
    ] {
        let answer = served.answer(&format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{rest}"));
        assert!(answer.starts_with("HTTP/1.1 413 "), "{rest}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{rest}: {answer}");
    }
}

#[test]
fn what_is_not_http_is_refused() {
    let served = Served::with(troubled());
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\u{7f}\x03\x03\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/3.7\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n",
    ] {
        let answer = served.answer(garbage);
        assert!(!answer.contains(" 200 "), "{garbage:?}: {answer}");
    }
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn a_head_has_its_bounds() {
    let served = Served::with(troubled());
    let with = |headers: &str| {
        let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        served.answer(&format!("{head}{headers}\r\n"))
    };
    let many = |count: usize| {
        (0..count)
            .map(|i| format!("X-{i}: y\r\n"))
            .collect::<String>()
    };
    assert!(with(&many(62)).starts_with("HTTP/1.1 200 "));
    assert!(with(&many(63)).starts_with("HTTP/1.1 431 "));
    assert!(with(&many(500)).starts_with("HTTP/1.1 431 "));
    let long = |bytes: usize| format!("X: {}\r\n", "y".repeat(bytes));
    assert!(with(&long(15_000)).starts_with("HTTP/1.1 200 "));
    assert!(with(&long(17_000)).starts_with("HTTP/1.1 431 "));
    let url = format!("GET /{} HTTP/1.1\r\n", "y".repeat(17_000));
    assert!(served.answer(&url).starts_with("HTTP/1.1 4"));
}

#[test]
fn a_line_without_an_end_is_not_read_to_its_end() {
    let served = Served::with(troubled());
    let mut stream = served.connect();
    let mut sent = 0;
    let more = [b'y'; 4_096];
    while sent < 100_000_000 && stream.write_all(&more).is_ok() {
        sent += more.len();
    }
    assert!(sent < 100_000_000, "it read on and on");
    assert_eq!(served.get("/healthz").status, 200);
}

#[test]
fn requests_in_one_piece_are_answered_in_order() {
    let served = Served::with(troubled());
    let mut requests = String::new();
    for path in PATHS {
        requests.push_str(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }
    requests.push_str("GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answers = served.answer(&requests);
    let mut at = 0;
    for path in PATHS {
        let reply = served.get(path);
        let begin = answers[at..].find(&reply.body);
        at += begin.unwrap_or_else(|| panic!("{path} is not where it belongs")) + reply.body.len();
    }
    assert!(answers[at..].starts_with("HTTP/1.1 404 "));
}

#[test]
fn who_has_said_all_may_close_his_side() {
    let served = Served::with_small_buffers(large(1_000));
    // The answer is longer than what is under way: most of it comes afterwards.
    let stream = served.begin("/api/v1/state");
    stream.shutdown(Shutdown::Write).expect("a socket");
    let mut answer = String::new();
    let mut buffer = BufReader::new(stream);
    while !answer.ends_with("}\n") {
        let read = buffer.read_line(&mut answer).expect("more");
        assert_ne!(read, 0, "it is cut off after {} bytes", answer.len());
    }
    let mut silent = served.connect();
    silent.shutdown(Shutdown::Write).expect("a socket");
    assert_eq!(rest(&mut silent), "");
}

#[test]
fn a_loopback_address_answers_only_to_names_of_this_host() {
    let served = Served::with(troubled());
    let status = |line: &str, host: &str| {
        let request = format!("GET {line} HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
        Reply::of(&served.answer(&request)).status
    };
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1",
        "127.0.0.1:9",
        "[::1]:80",
        "[2001:db8::1]",
    ] {
        assert_eq!(
            status("/metrics", &format!("Host: {host}\r\n")),
            200,
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
    ] {
        assert_eq!(
            status("/metrics", &format!("Host: {host}\r\n")),
            421,
            "{host}"
        );
        let absolute = format!("http://{host}/metrics");
        assert_eq!(status(&absolute, "Host: localhost\r\n"), 421, "{absolute}");
    }
    assert_eq!(
        status("/", "Host: localhost\r\nHost: evil.example\r\n"),
        400
    );
    assert_eq!(status("/", "Host: a b\r\n"), 400);
    assert_eq!(
        Reply::of(&served.answer("GET / HTTP/1.0\r\n\r\n")).status,
        200
    );
}

#[test]
fn another_address_answers_to_any_name() {
    let host = Host::new("site", &Mounts::without_bpffs());
    host.ip("addr add 192.0.2.1/32 dev lo");
    let served = Served::at(host, "192.0.2.1", troubled());
    let request = "GET /healthz HTTP/1.1\r\nHost: lb1.example\r\nConnection: close\r\n\r\n";
    assert_eq!(Reply::of(&served.answer(request)).status, 200);
}

#[test]
fn a_unix_socket_answers_the_same() {
    let served = Served::with(troubled());
    let name = SocketAddr::from_abstract_name("dsrload-test").expect("a name");
    let listener = served.host.inside(|| UnixListener::bind_addr(&name));
    let running = served.also_at(listener.expect("nobody else is on that host"));
    let connect = || UnixStream::connect_addr(&name).expect("it accepts");
    let mut stream = served.host.inside(connect);
    let request = b"GET /api/v1/state HTTP/1.1\r\nHost: dsrload\r\n\r\n";
    stream.write_all(request).expect("it reads");
    let mut first = [0; 12];
    stream.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    drop(running);
    rest(&mut stream);
    let again = served.host.inside(|| UnixStream::connect_addr(&name));
    assert!(again.is_err(), "it is gone");
}
