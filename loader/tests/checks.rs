//! Health checks against servers of all kinds, hostile ones among them: what each is
//! told to be, in words, and that none takes longer than it may.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "made for more checks than these")]
mod asking;
mod served_by;

use asking::{fails_with, inside, made, runner};
use dsrload::agent::check::{Report, Target, Verdict};
use dsrload::agent::job::{Ended, Runner};
use dsrload::model::check::{Dns, Http, Probe, Udp};
use served_by::{answering, datagrams, serving};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(300);

/// How late an end may be on a busy machine.
const LATE: Duration = Duration::from_secs(5);

/// How often each is asked.
const EVERY: Duration = Duration::from_millis(400);

fn http() -> Http {
    Http {
        url: "/ready".to_owned(),
        host: None,
        status: vec![(200, 299)],
        body: None,
    }
}

fn target(name: &str, probe: Probe, to: SocketAddr) -> Target {
    asking::target(name, probe, to, EVERY, TIMEOUT)
}

/// The first reports of these targets, by name of the backend.
async fn reports(targets: Vec<Target>, runner: Runner) -> Vec<(String, Verdict)> {
    let count = targets.len();
    let (_checks, mut reports) = made(targets, runner);
    let mut found: Vec<(String, Verdict)> = Vec::new();
    let start = Instant::now();
    while found.len() < count {
        let next = tokio::time::timeout(LATE, reports.recv()).await;
        let Ok(Some(Report {
            key, verdict, took, ..
        })) = next
        else {
            panic!("after {:?} only {found:?}", start.elapsed());
        };
        assert!(took < TIMEOUT + LATE, "{}: {took:?}", key.1);
        if found.iter().all(|(name, _)| *name != key.1) {
            found.push((key.1, verdict));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn one(probe: Probe, to: SocketAddr) -> Verdict {
    let targets = vec![target("b", probe, to)];
    inside(async { reports(targets, runner(Ended::Code(0))).await })
        .remove(0)
        .1
}

#[test]
fn a_connection_that_is_accepted_will_do_for_tcp() {
    let server = serving(|_| {});
    assert_eq!(one(Probe::Tcp, server), Verdict::Passed);
    // Nobody listens there any more.
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    fails_with(&one(Probe::Tcp, nobody), "connection refused");
}

#[test]
fn an_http_answer_is_judged_by_status_and_body() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";
    let cases: [(&[u8], Http, Option<&str>); 9] = [
        (ok, http(), None),
        (b"HTTP/1.0 204 No Content\r\n\r\n", http(), None),
        (b"HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n", http(), Some("status 503, expected 200-299")),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", http(), Some("status 302")),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", Http { status: vec![(302, 302)], ..http() }, None),
        (ok, Http { body: Some("ead".to_owned()), ..http() }, None),
        (ok, Http { body: Some("well".to_owned()), ..http() }, Some("the body lacks 'well'")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nrea\r\n2\r\ndy\r\n0\r\n\r\n", Http { body: Some("ready".to_owned()), ..http() }, None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", http(), Some("not HTTP")),
    ];
    for (bytes, http, wanted) in cases {
        let server = answering(bytes);
        let verdict = one(Probe::Http(http), server);
        match wanted {
            None => assert_eq!(verdict, Verdict::Passed, "{}", bytes.escape_ascii()),
            Some(words) => fails_with(&verdict, words),
        }
    }
}

#[test]
fn an_http_request_is_what_was_asked_for() {
    let (says, hears) = std::sync::mpsc::channel();
    let server = serving(move |mut stream| {
        let request = served_by::head(&mut stream);
        let _ = says.send(request);
        served_by::say(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let asked = Http {
        url: "/ready?full=1".to_owned(),
        host: Some("www.example.net".to_owned()),
        ..http()
    };
    assert_eq!(one(Probe::Http(asked), server), Verdict::Passed);
    let request = hears.recv_timeout(LATE).expect("a request").to_lowercase();
    assert!(
        request.starts_with("get /ready?full=1 http/1.1\r\n"),
        "{request}"
    );
    for line in [
        "host: www.example.net",
        "connection: close",
        "user-agent: dsrload/",
    ] {
        assert!(request.contains(line), "no {line} in {request}");
    }
}

/// Whoever is slow, endless or rude is down by the timeout, and no later.
#[test]
fn hostile_servers_are_down_in_time() {
    let silent = serving(|stream| {
        std::thread::sleep(LATE);
        drop(stream);
    });
    let slow = serving(|mut stream| {
        served_by::head(&mut stream);
        while served_by::say(&mut stream, b"H") {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let headers = serving(|mut stream| {
        served_by::head(&mut stream);
        served_by::say(&mut stream, b"HTTP/1.1 200 OK\r\n");
        while served_by::say(&mut stream, b"X-Endless: yes\r\n") {}
    });
    let line = serving(|mut stream| {
        served_by::head(&mut stream);
        served_by::say(&mut stream, b"HTTP/1.1 200 OK\r\nX: ");
        while served_by::say(&mut stream, &[b'x'; 4096]) {}
    });
    let body = serving(|mut stream| {
        served_by::head(&mut stream);
        served_by::say(&mut stream, b"HTTP/1.1 200 OK\r\n\r\n");
        while served_by::say(&mut stream, &[b'x'; 4096]) {}
    });
    let closes = serving(drop);
    let cut = answering(b"HTTP/1.1 200 OK\r\nContent-Le");
    let looking = Http {
        body: Some("never".to_owned()),
        ..http()
    };
    let targets = vec![
        target("a-silent", Probe::Http(http()), silent),
        target("b-slow", Probe::Http(http()), slow),
        target("c-headers", Probe::Http(http()), headers),
        target("d-line", Probe::Http(http()), line),
        target("e-body", Probe::Http(looking), body),
        target("f-closes", Probe::Http(http()), closes),
        target("g-cut", Probe::Http(http()), cut),
        // A body that nobody looks for is not read.
        target("h-body", Probe::Http(http()), body),
    ];
    let found = inside(async { reports(targets, runner(Ended::Code(0))).await });
    let words = [
        "no answer within",
        "no answer within",
        "",
        "",
        "lacks 'never'",
        "",
        "",
    ];
    for ((name, verdict), words) in found.iter().zip(words) {
        assert!(matches!(verdict, Verdict::Failed(_)), "{name}: {verdict:?}");
        fails_with(verdict, words);
    }
    assert_eq!(found[7].1, Verdict::Passed);
}

#[test]
fn a_datagram_is_answered_as_expected_or_at_least_not_refused() {
    let echo = datagrams(|bytes| Some([b"PONG ", bytes].concat()));
    let deaf = datagrams(|_| None);
    let nobody = {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.local_addr().expect("an address")
    };
    let udp = |expect: Option<&[u8]>| {
        Probe::Udp(Udp {
            send: b"PING".to_vec(),
            expect: expect.map(<[u8]>::to_vec),
        })
    };
    assert_eq!(one(udp(Some(b"PONG PING")), echo), Verdict::Passed);
    fails_with(&one(udp(Some(b"OK")), echo), "does not begin with \"OK\"");
    fails_with(&one(udp(Some(b"PONG")), deaf), "no answer within");
    assert_eq!(one(udp(None), deaf), Verdict::Passed);
    fails_with(&one(udp(None), nobody), "connection refused");
}

#[test]
fn a_dns_answer_is_to_our_question_and_without_an_error() {
    let dns = || {
        Probe::Dns(Dns {
            name: "example.net".to_owned(),
            record: 6,
        })
    };
    let answer = |code: u8| {
        datagrams(move |query| {
            let mut answer = query.to_vec();
            answer[2] |= 0x80;
            answer[3] = code;
            Some(answer)
        })
    };
    assert_eq!(one(dns(), answer(0)), Verdict::Passed);
    fails_with(&one(dns(), answer(3)), "NXDOMAIN");
    fails_with(&one(dns(), answer(2)), "SERVFAIL");
    let other = datagrams(|query| {
        let mut answer = query.to_vec();
        answer[0] ^= 0xff;
        answer[2] |= 0x80;
        Some(answer)
    });
    fails_with(&one(dns(), other), "no answer within");
    let garbage = datagrams(|_| Some(vec![0xff; 3]));
    fails_with(&one(dns(), garbage), "no answer within");
}

#[test]
fn a_program_is_judged_by_how_it_ends() {
    let nobody: SocketAddr = "127.0.0.1:1".parse().expect("an address");
    let probe = || Probe::Exec(vec!["/bin/check".to_owned()]);
    for (ended, words) in [
        (Ended::Code(2), "ended with 2"),
        (Ended::Signal(9), "signal 9"),
        (Ended::TimedOut, "took longer"),
    ] {
        let targets = vec![target("b", probe(), nobody)];
        let found = inside(async { reports(targets, runner(ended)).await });
        fails_with(&found[0].1, words);
    }
    let targets = vec![target("b", probe(), nobody)];
    let missing = Ended::NotStarted("there is none".to_owned());
    let found = inside(async { reports(targets, runner(missing)).await });
    assert_eq!(
        found[0].1,
        Verdict::NotMade("the program was not started: there is none".to_owned())
    );
}

/// What stays keeps its time, what is gone is not asked, and none is asked twice at
/// once.
#[test]
fn a_new_set_leaves_those_alone_that_stay() {
    let server = serving(|_| {});
    inside(async {
        let both = || {
            vec![
                target("a", Probe::Tcp, server),
                target("b", Probe::Tcp, server),
            ]
        };
        let (mut checks, mut reports) = made(both(), runner(Ended::Code(0)));
        let mut counts = [0; 2];
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            // Were they begun anew each time, none would ever be made.
            checks.set(both());
            if let Ok(Some(report)) =
                tokio::time::timeout(Duration::from_millis(50), reports.recv()).await
            {
                counts[usize::from(report.key.1 == "b")] += 1;
            }
        }
        for count in counts {
            // Every 400 ms; a busy machine makes fewer, and none makes more.
            assert!((2..=9).contains(&count), "{counts:?}");
        }
        checks.set(vec![target("a", Probe::Tcp, server)]);
        while reports.try_recv().is_ok() {}
        for _ in 0..3 {
            let next = tokio::time::timeout(LATE, reports.recv()).await;
            assert_eq!(next.expect("in time").expect("a report").key.1, "a");
        }
    });
}
