//! A crowd of clients that want nothing, and some that want all and take nothing: how
//! much memory they cost. Alone in its process, which is measured as a whole.
#![allow(clippy::expect_used, reason = "a test says what it expected")]

#[allow(dead_code, reason = "each test binary uses its part of the lab")]
mod lab;
#[allow(dead_code, reason = "each test binary uses its part")]
mod served;

use dsrload::agent::http::CONNECTIONS;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use served::figures::large;
use served::{Served, is_open};
use std::fs;
use std::io::Write;
use std::net::TcpStream;

#[test]
fn a_thousand_at_once_leave_a_place_for_the_next_and_no_memory_taken() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(8_192), hard).expect("more files");
    let served = Served::with_small_buffers(large(1_000));
    let whole = served.get("/api/v1/state").body.len();
    let before = measured_anew();
    let part = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(15_000));
    let mut crowd = Vec::new();
    for _ in 0..1_000 {
        let mut stream = served.connect();
        // It may have been closed for the next one.
        let _ = stream.write_all(part.as_bytes());
        crowd.push(stream);
    }
    assert_eq!(
        served.get("/healthz").status,
        200,
        "the crowd keeps others out"
    );
    // At once, not by their time: who was there before has been turned out.
    crowd.retain(is_open);
    assert!(crowd.len() <= CONNECTIONS, "{} are open", crowd.len());
    let slow = (0..CONNECTIONS).map(|_| served.begin("/api/v1/state"));
    let slow: Vec<TcpStream> = slow.collect();
    let grown = most().saturating_sub(before);
    let taking = slow.len();
    eprintln!("{taking} answers of {whole} bytes on their way, a crowd before: {grown} bytes");
    assert!(grown < 32 << 20, "{grown} bytes more are resident");
}

/// Forgets the most that there was (proc(5), `clear_refs`); what there is.
fn measured_anew() -> usize {
    fs::write("/proc/self/clear_refs", "5").expect("procfs");
    most()
}

/// The most bytes of memory that this process has had.
fn most() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: usize = kilobytes.expect("a size").parse().expect("a number");
    kilobytes * 1024
}
