//! What the commands of the lab see of the file tree: a mount namespace held
//! by a descriptor.
//!
//! All files of the lab are in it, on file systems of its own, and vanish with
//! the last descriptor: nothing has to be deleted, even after SIGKILL.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::chdir;

/// Where the BPF file system belongs.
pub const BPFFS: &str = "/sys/fs/bpf";

/// A directory of the lab's own in every view but the empty root.
pub const RUN: &str = "/run";

/// A mount namespace.
#[derive(Debug)]
pub struct Mounts {
    namespace: File,
}

impl Mounts {
    /// The machine's file tree with an empty `/run` and a fresh BPF file system.
    pub fn with_bpffs() -> Arc<Self> {
        Self::arranged(|| {
            private_run();
            no_bpffs();
            mount_new("bpf", BPFFS);
        })
    }

    /// The machine's file tree with an empty `/run` and no BPF file system.
    pub fn without_bpffs() -> Arc<Self> {
        Self::arranged(|| {
            private_run();
            no_bpffs();
        })
    }

    /// Nothing but `program`, under its own file name: no `/proc`, no `/sys`, no
    /// library. What a container from scratch has.
    pub fn empty_root(program: &Path) -> Arc<Self> {
        let name = program.file_name().expect("a program has a file name");
        Self::arranged(|| {
            let program = File::open(program).expect("the program under test is readable");
            mount_new("tmpfs", RUN);
            chdir(RUN).expect("it has just been mounted");
            File::create(name).expect("a fresh tmpfs has room");
            // Bound, not copied: while the copy was open for writing, another
            // test might start a child, and who then executes the copy before
            // that child has closed it is told "text file busy".
            let source = format!("/proc/thread-self/fd/{}", program.as_raw_fd());
            let nothing = None::<&str>;
            mount(Some(&*source), name, nothing, MsFlags::MS_BIND, nothing).expect("bind");
            // Moved onto the root rather than pivoted: pivot_root(2) refuses
            // where the root is an initramfs. Who enters the namespace gets
            // the topmost mount of its root.
            mount(Some("."), "/", nothing, MsFlags::MS_MOVE, nothing).expect("move it to /");
        })
    }

    /// A private copy of the machine's mounts, after `arrange` has worked on it.
    fn arranged(arrange: impl FnOnce() + Send) -> Arc<Self> {
        let namespace = thread::scope(|scope| {
            let maker = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace: the lab needs root");
                // Opened first: afterwards there may be no /proc.
                let namespace = File::open("/proc/thread-self/ns/mnt").expect("our own namespace");
                let (nothing, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
                mount(nothing, "/", nothing, private, nothing).expect("make the mounts private");
                arrange();
                namespace
            });
            maker.join().expect("the mounts of the lab")
        });
        Arc::new(Self { namespace })
    }
}

impl AsFd for Mounts {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

fn mount_new(kind: &str, target: &str) {
    let result = mount(
        Some(kind),
        target,
        Some(kind),
        MsFlags::empty(),
        None::<&str>,
    );
    result.unwrap_or_else(|error| panic!("mount {kind} on {target}: {error}"));
}

fn private_run() {
    mount_new("tmpfs", RUN);
}

/// Takes away whatever the machine has mounted there, layer by layer.
fn no_bpffs() {
    while umount2(BPFFS, MntFlags::MNT_DETACH).is_ok() {}
}
