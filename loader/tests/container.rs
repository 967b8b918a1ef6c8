//! A container that holds the binary alone, with three capabilities: what
//! `docs/Dockerfile` makes. Here it is made of the kernel's own parts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "lab/alone.rs"]
mod alone;
#[path = "lab/apart.rs"]
mod apart;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "lab/deadline.rs"]
mod deadline;

use dsrload::netlink::Netlink;
use dsrload::sys::capabilities::{Capabilities, Capability, bound, no_new_privileges};
use dsrload::sys::process::{Pid, copy_with, end_with_parent};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_dsrload");

/// What `--cap-drop ALL --cap-add ...` leaves: the words of `docs/Dockerfile`.
const THREE: [Capability; 3] = [Capability::BPF, Capability::NET_ADMIN, Capability::PERFMON];

/// This process sees the binary and what `keep` names, and nothing else. Programs
/// that it starts get these capabilities.
fn enter_container(keep: &[&str], capabilities: &[Capability]) {
    let nothing = None::<&str>;
    let binary = File::open(BINARY).unwrap();
    let root = "/tmp";
    let kept: Vec<(&str, File)> = keep
        .iter()
        .map(|&path| (path, File::open(path).unwrap()))
        .collect();
    mount(Some("test"), root, Some("tmpfs"), MsFlags::empty(), nothing).unwrap();
    let bind = |file: &File, path: &str| {
        let source = format!("/proc/self/fd/{}", file.as_raw_fd());
        mount(Some(&*source), path, nothing, MsFlags::MS_BIND, nothing).unwrap();
    };
    let place = format!("{root}/dsrload");
    File::create(&place).unwrap();
    bind(&binary, &place);
    for (path, directory) in kept {
        let place = format!("{root}{path}");
        fs::create_dir_all(&place).unwrap();
        bind(&directory, &place);
    }
    nix::unistd::chroot(root).unwrap();
    nix::unistd::chdir("/").unwrap();
    bound(Capabilities::of(capabilities)).unwrap();
    no_new_privileges().unwrap();
}

fn dsrload(words: &str) -> Output {
    let mut command = Command::new("/dsrload");
    // There is no /dev/null.
    let child = command
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    child.spawn().unwrap().wait_with_output().unwrap()
}

const LOAD: &str = "near --mode skb -t 192.0.2.10:80 -r 10.0.0.2=02:00:00:00:00:09";

/// The program on the interface; 0 for none.
fn attached() -> u32 {
    let mut netlink = Netlink::open().unwrap();
    let link = netlink.link_by_name("near").unwrap().unwrap();
    link.xdp.skb.unwrap_or_default()
}

fn succeeds(words: &str) -> String {
    let output = dsrload(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_binary_alone_with_three_capabilities_loads() {
    apart::apart(|| {
        alone::alone();
        enter_container(&[], &THREE);
        assert_eq!(fs::read_dir("/").unwrap().count(), 1);
        succeeds(LOAD);
        let first = attached();
        assert_ne!(first, 0);
        // Another process may not look at it, and says what it would take.
        let again = dsrload(LOAD);
        assert_eq!(again.status.code(), Some(4));
        let said = String::from_utf8(again.stderr).unwrap();
        assert!(said.contains("its pins in /sys/fs/bpf/dsrload"), "{said}");
        assert_eq!(attached(), first);
    });
}

#[test]
fn with_pins_what_is_loaded_is_found_again_by_three_capabilities() {
    apart::apart(|| {
        alone::alone();
        enter_container(&["/proc", "/sys/fs/bpf"], &THREE);
        succeeds(LOAD);
        let first = attached();
        assert_ne!(first, 0);
        let status = succeeds("status -j");
        assert!(status.contains("192.0.2.10:80"), "{status}");
        // As after a restart: over what is there.
        succeeds(LOAD);
        assert_ne!(attached(), first);
        succeeds("--unload near");
        assert_eq!(attached(), 0);
    });
}

#[test]
fn each_of_the_three_is_needed() {
    for missing in THREE {
        apart::apart(|| {
            alone::alone();
            let two: Vec<Capability> = THREE.into_iter().filter(|&c| c != missing).collect();
            enter_container(&[], &two);
            let output = dsrload(LOAD);
            assert_eq!(output.status.code(), Some(4), "{missing:?}");
            assert_eq!(attached(), 0);
        });
    }
}

/// `run` with nothing but the binary, its config and three capabilities; killed, it
/// is taken over by the next one, by its pins.
#[test]
fn the_binary_alone_stays_with_three_capabilities() {
    apart::apart(|| {
        alone::alone();
        let config = std::env::temp_dir().join(format!("dsrload-container-{}", std::process::id()));
        fs::create_dir_all(&config).unwrap();
        let text = "[balancer]\nmode = \"skb\"\n\n[service.web]\nvip = \"192.0.2.10\"\nports = \"80/tcp\"\ncheck = { type = \"tcp\", path = \"real\" }\n\n[service.web.backends]\nb1 = { ip = \"10.0.0.2\", mac = \"02:00:00:00:00:09\" }\n";
        fs::write(config.join("dsrload.toml"), text).unwrap();
        let directory = config.to_str().unwrap().to_owned();
        enter_container(&["/proc", "/sys/fs/bpf", &directory], &THREE);
        let start = || Staying::start(&format!("{directory}/dsrload.toml"));
        // Between attaching and pinning it cannot be looked at.
        let looks_after = || {
            let status = dsrload("status -j");
            String::from_utf8_lossy(&status.stdout).contains("\"seconds\"")
        };
        let first = start();
        deadline::wait_until("run looks after the balancer", looks_after);
        let program = attached();
        assert_ne!(program, 0);
        first.end(Signal::SIGKILL);
        assert_eq!(attached(), program, "forwarding goes on");
        let second = start();
        deadline::wait_until("the next run looks after it", looks_after);
        let said = second.end(Signal::SIGTERM);
        assert!(
            said.contains("holds CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON;"),
            "{said}"
        );
        assert!(said.contains("ended by a signal"), "{said}");
        assert_ne!(attached(), 0);
    });
}

/// `dsrload run` in the container; it ends with the test, whatever ends that.
struct Staying {
    process: Pid,
    talk: PipeReader,
}

impl Staying {
    fn start(config: &str) -> Self {
        let (talk, says) = std::io::pipe().unwrap();
        let process = copy_with(says.into(), |says| {
            end_with_parent().unwrap();
            let (nothing, _) = std::io::pipe().unwrap();
            // What this gives is why it was not started; nobody is there to hear it.
            let _ = Command::new("/dsrload")
                .args(["run", "near", "-c", config])
                .stdin(nothing)
                .stdout(File::from(says.try_clone().unwrap()))
                .stderr(File::from(says))
                .exec();
        });
        Self {
            process: process.unwrap(),
            talk,
        }
    }

    /// Ends it; what it has said.
    fn end(mut self, signal: Signal) -> String {
        let number = nix::unistd::Pid::from_raw(self.process.number());
        kill(number, signal).unwrap();
        let mut said = String::new();
        self.talk.read_to_string(&mut said).unwrap();
        deadline::wait_until("its end", || self.process.reap().unwrap());
        said
    }
}
