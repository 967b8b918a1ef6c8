//! What clients cannot do to the server of metrics, API and page: keep others out,
//! keep connections for ever, or fill its memory.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;
#[allow(dead_code, reason = "each test binary uses its part")]
mod served;

use dsrload::agent::http::CONNECTIONS;
use lab::deadline::wait_until;
use served::figures::{large, troubled};
use served::{Served, is_open, rest};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

const STATE: &str = "/api/v1/state";

/// Seconds until the server has closed the connection.
fn seconds_until_closed(stream: &mut TcpStream) -> u64 {
    let start = Instant::now();
    rest(stream);
    start.elapsed().as_secs()
}

fn is_well(served: &Served) -> bool {
    served.get("/healthz").status == 200
}

#[test]
fn a_head_that_comes_byte_by_byte_is_cut_off_and_keeps_nobody_out() {
    let served = Served::with(troubled());
    // Few enough that none has to make room.
    let mut slow: Vec<TcpStream> = (0..CONNECTIONS / 2).map(|_| served.connect()).collect();
    let start = Instant::now();
    for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Many: yes\r\n"
        .iter()
        .cycle()
    {
        slow.retain_mut(|stream| is_open(stream) && stream.write_all(&[*byte]).is_ok());
        if slow.is_empty() {
            break;
        }
        assert!(is_well(&served), "others are kept out");
        assert!(
            start.elapsed() < Duration::from_secs(25),
            "{} are left",
            slow.len()
        );
        thread::sleep(Duration::from_millis(200));
    }
    assert!(start.elapsed() > Duration::from_secs(4), "too soon");
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let served = Served::with(troubled());
    let seconds = seconds_until_closed(&mut served.connect());
    assert!((4..25).contains(&seconds), "after {seconds} s");
}

#[test]
fn the_next_request_may_take_longer_than_its_head_but_not_for_ever() {
    let served = Served::with(troubled());
    let mut stream = served.connect();
    let mut ask = || {
        let request = b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).expect("it is open");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut head = [0; 4_096];
        assert!(stream.read(&mut head).expect("the rest") > 0);
    };
    ask();
    thread::sleep(Duration::from_secs(7));
    ask();
    stream
        .set_read_timeout(Some(Duration::from_secs(90)))
        .expect("a socket");
    let seconds = seconds_until_closed(&mut stream);
    assert!((28..80).contains(&seconds), "after {seconds} s");
}

#[test]
fn who_takes_no_answer_is_cut_off_and_meanwhile_keeps_the_last_ones_out_only() {
    let served = Served::with_small_buffers(large(1_000));
    let whole = served.get("/api/v1/state").body.len();
    let mut slow: Vec<TcpStream> = (1..CONNECTIONS).map(|_| served.begin(STATE)).collect();
    assert!(is_well(&served), "one place is left");
    slow.push(served.begin(STATE));
    wait_until("no place to be left", || !is_answered(&served));
    let start = Instant::now();
    wait_until("the first of the slow to be cut off", || {
        is_answered(&served)
    });
    assert!(start.elapsed() > Duration::from_secs(5), "too soon");
    thread::sleep(Duration::from_secs(1));
    for stream in &mut slow {
        let got = rest(stream).len();
        assert!(got > 0 && got < whole, "{got} of {whole} bytes");
    }
}

/// Whether the server has a place and answers.
fn is_answered(served: &Served) -> bool {
    let mut stream = served.connect();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // Without a place it is closed, perhaps before this is written.
    stream.write_all(request).is_ok() && rest(&mut stream).starts_with("HTTP/1.1 200")
}
