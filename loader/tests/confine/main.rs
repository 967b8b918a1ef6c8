//! The agent confined does all of its work, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../lab/alone.rs"]
mod alone;
#[path = "../lab/apart.rs"]
mod apart;
#[path = "../lab/deadline.rs"]
mod deadline;
mod refused;
mod work;

use dsrload::agent::confine::{Held, Needs, confine};
use dsrload::sys::capabilities::{Capabilities, Capability, bound, keep_only};
use std::fs;
use std::thread;

/// A line of this thread's status.
fn status(name: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap().trim_start_matches(':').trim().to_owned()
}

/// Confines this process and its threads, of which it has one.
fn confined(needs: &Needs) -> Held {
    let held = confine(needs).unwrap();
    // Without it, what follows would not show what it is meant to show.
    assert!(held.files.starts_with("Landlock (ABI "), "{held}");
    held
}

#[test]
fn three_capabilities_are_left_of_all() {
    apart::apart(|| {
        let held = confined(&Needs::default());
        assert_eq!(
            held.capabilities,
            ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]
        );
        let three = format!("{:016x}", 1_u64 << 39 | 1 << 12 | 1 << 38);
        let none = format!("{:016x}", 0);
        for (set, what) in [
            ("CapEff", &three),
            ("CapPrm", &three),
            ("CapBnd", &three),
            ("CapInh", &none),
            ("CapAmb", &none),
        ] {
            assert_eq!(&status(set), what, "{set}");
        }
        assert_eq!(status("NoNewPrivs"), "1");
        assert_eq!(status("Seccomp"), "2");
        // And of threads that start later.
        let of_thread = || [status("CapPrm"), status("Seccomp")];
        let seen = thread::spawn(of_thread).join().unwrap();
        assert_eq!(seen, [three, "2".to_owned()]);
    });
}

#[test]
fn who_has_no_more_than_the_three_is_confined_as_well() {
    apart::apart(|| {
        let three = [Capability::BPF, Capability::NET_ADMIN, Capability::PERFMON];
        keep_only(Capabilities::of(&three)).unwrap();
        bound(Capabilities::default()).unwrap_err();
        let held = confined(&Needs::default());
        assert_eq!(
            held.capabilities,
            ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]
        );
    });
    apart::apart(|| {
        keep_only(Capabilities::default()).unwrap();
        let held = confined(&Needs::default());
        assert!(held.to_string().starts_with("holds no capability; "));
    });
}

#[test]
fn a_second_thread_is_in_the_way() {
    apart::apart(|| {
        let (let_go, waits) = std::sync::mpsc::channel::<()>();
        let other = thread::spawn(move || waits.recv());
        let error = confine(&Needs::default()).unwrap_err();
        assert_eq!(error.to_string(), "there are 2 threads already");
        assert_eq!(status("NoNewPrivs"), "0");
        drop(let_go);
        other.join().unwrap().unwrap_err();
        confined(&Needs::default());
    });
}
