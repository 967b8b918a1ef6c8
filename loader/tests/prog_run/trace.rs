//! What the trace pipe says of packets that were wrapped up: what came, not
//! what left.

use crate::packets::subject::Subject;
use crate::packets::world::World;
use crate::subject::{Kernel, cpus};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};
use xdp_prog::tables::Tables;

/// How long another reader may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A folder that every machine has. Where tracefs belongs it may be already.
const FOLDER: &str = "/tmp";
const PIPE: &str = "/tmp/trace_pipe";

/// Fixture, its first packet's flow and backend, and what became of it.
const LINES: [(&str, &str, &str); 6] = [
    (
        "tunnel_ipip_v4_in_v4.pkt",
        "203.0.113.7:50000 to 192.0.2.64:80, new flow, backend 198.51.100.72",
        "forwarded",
    ),
    (
        "tunnel_gue_v4_in_v6.pkt",
        "203.0.113.7:50000 to 192.0.2.67:80, new flow, backend \
         2001:0db8:0001:0000:0000:0000:0000:004b",
        "forwarded",
    ),
    (
        "tunnel_gue_v6_in_v4.pkt",
        "[2001:0db8:000c:0000:0000:0000:0000:0007]:50000 to \
         [2001:0db8:0000:0000:0000:0000:0000:0042]:80, new flow, backend 198.51.100.74",
        "forwarded",
    ),
    (
        "tunnel_vlan_two_v6.pkt",
        "[2001:0db8:000c:0000:0000:0000:0000:0007]:50000 to \
         [2001:0db8:0000:0000:0000:0000:0000:0041]:80, known flow, backend \
         2001:0db8:0001:0000:0000:0000:0000:0049",
        "forwarded",
    ),
    (
        "too_big.pkt",
        "203.0.113.7:0 to 192.0.2.64:0, no flow, backend 0.0.0.0",
        "too_big_answered",
    ),
    (
        "ttl_error.pkt",
        "198.51.100.77:0 to 192.0.2.64:0, no flow, backend 0.0.0.0",
        "ttl_expired",
    ),
];

#[test]
fn the_trace_pipe_shows_what_came_not_what_left() {
    let outcome = thread::spawn(|| {
        let mut pipe = pipe_of_our_own();
        let world = World::new();
        let mut kernel = Kernel::load(cpus()[0]);
        world.fill(&kernel);
        kernel.tables().control().trace.set(1);
        for (name, line, outcome) in LINES {
            let mut fixtures = crate::fixtures().into_iter();
            let fixture = fixtures.find(|fixture| fixture.name == name);
            let mut frame = fixture.expect("the fixture").steps[0].frame.clone();
            kernel.run(&mut frame);
            let expected = format!("dsrload: {line}, {outcome}");
            let shown = shown(&mut pipe);
            assert!(
                shown.contains(&expected),
                "{name}: no {expected:?} in {shown:?}"
            );
        }
    });
    if let Err(panic) = outcome.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The machine's trace pipe, mounted where nobody else sees it.
fn pipe_of_our_own() -> File {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace: this test needs root");
    let (nothing, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
    mount(nothing, "/", nothing, private, nothing).expect("make the mounts private");
    let kind = Some("tracefs");
    mount(kind, FOLDER, kind, MsFlags::empty(), nothing).expect("mount tracefs");
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(libc::O_NONBLOCK);
    let deadline = Instant::now() + DEADLINE;
    loop {
        match options.open(PIPE) {
            // It has one reader at a time.
            Err(error) if error.kind() == ErrorKind::ResourceBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20));
            }
            opened => return opened.expect("the trace pipe"),
        }
    }
}

/// What is in the pipe now.
fn shown(pipe: &mut File) -> String {
    let mut text = Vec::new();
    if let Err(error) = pipe.read_to_end(&mut text) {
        assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
    }
    String::from_utf8_lossy(&text).into_owned()
}
