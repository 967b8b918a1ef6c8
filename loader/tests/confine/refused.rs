//! What the agent has no business with.

use crate::alone::own_files;
use crate::apart::{apart, ended_apart};
use crate::confined;
use dsrload::agent::confine::{Needs, Seccomp};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

/// The kernel's answer to a call that takes numbers alone.
fn call(number: libc::c_long, arguments: [libc::c_long; 3]) -> Option<i32> {
    let [a, b, c] = arguments;
    // SAFETY: every caller gives numbers, or null pointers.
    let answer = unsafe { libc::syscall(number, a, b, c) };
    (answer < 0).then(|| std::io::Error::last_os_error().raw_os_error().unwrap())
}

#[test]
fn files_that_are_not_the_agents_stay_closed() {
    apart(|| {
        own_files();
        let [config, other] = ["config", "other"].map(|name| {
            let folder = Path::new("/tmp").join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("file"), "text").unwrap();
            folder
        });
        confined(&Needs {
            reads: vec![config.clone()],
            ..Needs::default()
        });
        let refused = |done: std::io::Result<()>, what: &str| {
            assert_eq!(
                done.unwrap_err().kind(),
                ErrorKind::PermissionDenied,
                "{what}"
            );
        };
        let open = |path: &str| File::open(path).map(drop);
        std::os::unix::fs::symlink("/etc/passwd", config.join("link")).unwrap_err();
        for path in [
            "/etc/shadow",
            "/etc/passwd",
            "/",
            "/root",
            "/dev/mem",
            "/dev/sda",
        ] {
            match open(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => refused(done, path),
            }
        }
        refused(open(other.join("file").to_str().unwrap()), "another folder");
        for folder in [&config, &other] {
            refused(fs::write(folder.join("file"), "new"), "write");
            refused(fs::write(folder.join("new"), "new"), "create");
            refused(fs::remove_file(folder.join("file")), "remove");
            refused(
                fs::rename(folder.join("file"), folder.join("new")),
                "rename",
            );
            refused(fs::create_dir(folder.join("new")), "create a folder");
        }
        refused(fs::write("/proc/sys/net/ipv4/ip_forward", "1"), "a setting");
        refused(fs::write("/proc/self/oom_score_adj", "-1000"), "of its own");
        assert_eq!(fs::read_to_string(config.join("file")).unwrap(), "text");
        assert_eq!(fs::read_dir(&config).unwrap().count(), 1);
    });
}

#[test]
fn nothing_is_executed_any_more() {
    apart(|| {
        confined(&Needs::default());
        let error = Command::new("/bin/true").spawn().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        for (number, arguments) in [
            (libc::SYS_execve, [0, 0, 0]),
            (libc::SYS_execveat, [0, 0, 0]),
            (libc::SYS_clone, [libc::c_long::from(libc::SIGCHLD), 0, 0]),
        ] {
            assert_eq!(call(number, arguments), Some(libc::EPERM), "{number}");
        }
        assert_eq!(call(libc::SYS_clone3, [0, 0, 0]), Some(libc::ENOSYS));
    });
}

#[test]
fn calls_that_the_agent_never_makes_fail() {
    apart(|| {
        confined(&Needs::default());
        let long = libc::c_long::from;
        for (number, arguments) in [
            (libc::SYS_unshare, [long(libc::CLONE_NEWNET), 0, 0]),
            (libc::SYS_setns, [0, 0, 0]),
            (libc::SYS_kill, [1, 0, 0]),
            (libc::SYS_tgkill, [1, 1, 0]),
            (libc::SYS_setuid, [0, 0, 0]),
            (libc::SYS_capset, [0, 0, 0]),
            (libc::SYS_io_uring_setup, [1, 0, 0]),
            (libc::SYS_perf_event_open, [0, 0, 0]),
            (libc::SYS_memfd_create, [0, 0, 0]),
            (libc::SYS_fchmodat, [0, 0, 0]),
            (libc::SYS_truncate, [0, 0, 0]),
            (
                libc::SYS_socket,
                [long(libc::AF_VSOCK), long(libc::SOCK_STREAM), 0],
            ),
            (libc::SYS_prctl, [long(libc::PR_SET_DUMPABLE), 1, 0]),
            (libc::SYS_ioctl, [0, 0x5412, 0]), // TIOCSTI
            (libc::SYS_mprotect, [0, 4096, long(libc::PROT_EXEC)]),
        ] {
            assert_eq!(call(number, arguments), Some(libc::EPERM), "{number}");
        }
    });
}

#[test]
fn what_only_an_intruder_would_do_ends_the_process() {
    for number in [
        libc::SYS_ptrace,
        libc::SYS_mount,
        libc::SYS_process_vm_readv,
        libc::SYS_init_module,
        libc::SYS_keyctl,
    ] {
        let (said, status) = ended_apart(|| {
            confined(&Needs::default());
            call(number, [0, 0, 0]);
        });
        assert_eq!(
            (said.as_str(), status.signal()),
            ("", Some(libc::SIGSYS)),
            "{number}"
        );
    }
}

#[test]
fn what_is_missing_can_be_found_out() {
    for (seccomp, says) in [
        (
            Seccomp::Log,
            "; seccomp logs all other system calls, as asked for",
        ),
        (
            Seccomp::Off,
            "; system calls are not restricted, as asked for",
        ),
    ] {
        apart(|| {
            let held = confined(&Needs {
                seccomp,
                ..Needs::default()
            });
            assert!(held.to_string().ends_with(says), "{held}");
            assert_eq!(call(libc::SYS_personality, [0xffff_ffff, 0, 0]), None);
            // The other fences stand.
            File::open("/etc/shadow").unwrap_err();
        });
    }
}

#[test]
fn packet_sockets_take_a_capability_that_is_asked_for() {
    for raw_sockets in [false, true] {
        apart(|| {
            confined(&Needs {
                raw_sockets,
                ..Needs::default()
            });
            let long = libc::c_long::from;
            let answer = call(
                libc::SYS_socket,
                [long(libc::AF_PACKET), long(libc::SOCK_RAW), 0],
            );
            assert_eq!(answer.is_none(), raw_sockets, "{answer:?}");
            TcpListener::bind("127.0.0.1:0").unwrap();
        });
    }
}
