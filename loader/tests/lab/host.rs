//! A host of the lab: a network namespace and a view of the file tree.
//!
//! Both are held by descriptors and have no name, so that there is nothing to
//! clean up: a dead process holds no descriptors, and its children are killed
//! by the kernel. That signal comes when the *thread* ends that started the
//! child (prctl(2), `PR_SET_PDEATHSIG`): start servers from the test's own
//! thread, not from one that ends before.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{self, Command, Stdio};
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, getppid};

use super::mounts::Mounts;

/// A machine of the lab.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    net: Arc<File>,
    mounts: Arc<Mounts>,
}

impl Host {
    /// A host without any interface but `lo`, which is up.
    pub fn new(name: &str, mounts: &Arc<Mounts>) -> Self {
        let maker = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: the lab needs root");
            File::open("/proc/thread-self/ns/net").expect("our own namespace")
        });
        let host = Self {
            name: name.to_owned(),
            net: Arc::new(maker.join().expect("the namespace of a host")),
            mounts: Arc::clone(mounts),
        };
        host.ip("link set lo up");
        host
    }

    /// The same host as seen through other mounts.
    pub fn with_mounts(&self, mounts: Arc<Mounts>) -> Self {
        let mut host = self.clone();
        host.mounts = mounts;
        host
    }

    /// The host's name, which is also that of its port on the switch.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the host sees of the file tree.
    pub fn mounts(&self) -> &Arc<Mounts> {
        &self.mounts
    }

    /// The number by which the kernel and `dsrload` know the network namespace.
    pub fn netns_inode(&self) -> u64 {
        self.net.metadata().expect("metadata of an open file").ino()
    }

    /// The network namespace as a path, for `ip link ... netns PATH`.
    pub fn netns_path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.net.as_raw_fd())
    }

    /// A cable between `interface` here and a port `port` of `switch`, both up.
    pub fn plug(&self, interface: &str, mac: &str, switch: &Self, port: &str) {
        let netns = self.netns_path();
        switch.ip(&format!(
            "link add {port} type veth peer name {interface} address {mac} netns {netns}
             link set {port} up"
        ));
        self.ip(&format!("link set {interface} up"));
    }

    /// Runs each line of `batch` as an `ip` command.
    pub fn ip(&self, batch: &str) {
        let mut ip = self.command("ip");
        ip.args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = ip.spawn().expect("ip (package iproute2) starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin
            .write_all(batch.as_bytes())
            .expect("ip reads its batch");
        drop(stdin);
        let output = child.wait_with_output().expect("ip ends");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}: ip\n{batch}\n{complaint}",
            self.name
        );
    }

    /// Runs a command line, split at spaces, which must succeed; its stdout.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().expect("a command line has a command"));
        let output = command.args(words).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{}: {line}: {complaint}",
            self.name
        );
        String::from_utf8(output.stdout).expect("commands of the lab speak UTF-8")
    }

    /// Writes a kernel setting, by its name under `/proc/sys/net`.
    pub fn set(&self, setting: &str, value: &str) {
        let path = format!("/proc/sys/net/{setting}");
        self.inside(|| fs::write(&path, value))
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// The content of a file of this host.
    pub fn read(&self, path: &str) -> Vec<u8> {
        self.inside(|| fs::read(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A program that will run on this host and die with the calling thread.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let (net, mounts) = (Arc::clone(&self.net), Arc::clone(&self.mounts));
        let parent = Pid::this();
        let enter = move || {
            setns(net.as_fd(), CloneFlags::CLONE_NEWNET)?;
            setns(mounts.as_fd(), CloneFlags::CLONE_NEWNS)?;
            die_with(parent)
        };
        let mut command = Command::new(program);
        // SAFETY: between fork and exec the closure only makes system calls, on
        // descriptors that it owns; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs `work` in a thread on this host. What it opens stays on this host;
    /// the threads it starts are on this host too.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                work()
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn enter(&self) {
        // The kernel lets only a thread that shares its root and working
        // directory with no other change its mount namespace.
        unshare(CloneFlags::CLONE_FS).expect("a root directory of the thread's own");
        setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter the network namespace");
        setns(self.mounts.as_fd(), CloneFlags::CLONE_NEWNS).expect("enter the mount namespace");
    }
}

/// Asks for SIGKILL when the parent goes, and looks whether it is gone already.
fn die_with(parent: Pid) -> io::Result<()> {
    // SAFETY: the request takes a signal number and touches no memory.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if getppid() == parent {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::ESRCH))
    }
}
