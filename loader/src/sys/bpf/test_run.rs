//! Running a program without anybody's traffic: `BPF_PROG_TEST_RUN`.

use super::ProgramFd;
use super::call::{Command, address, address_mut, bpf, fd_number, length};
use std::io;
use std::os::fd::AsFd;

/// How a program treated a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRun {
    /// What the program returned; of an XDP program, `enum xdp_action`.
    pub verdict: u32,
    /// Bytes of the packet afterwards.
    pub len: usize,
}

#[derive(Default)]
#[repr(C)]
struct TestRunAttr {
    fd: u32,
    verdict: u32,
    in_len: u32,
    out_len: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_in_len: u32,
    context_out_len: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    /// Always zero. The kernel has no field here, and needs none.
    zero: u32,
}

const _: () = {
    assert!(size_of::<TestRunAttr>() == 80);
    assert!(std::mem::offset_of!(TestRunAttr, repeat) == 32);
    assert!(std::mem::offset_of!(TestRunAttr, context_in) == 48);
    assert!(std::mem::offset_of!(TestRunAttr, flags) == 64);
    assert!(std::mem::offset_of!(TestRunAttr, batch) == 72);
};

/// The frames are real, and go where the verdict says (5.18).
const TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;

/// `BPF_PROG_TEST_RUN`: runs the program once on `packet`, as if the loopback
/// interface had received it, and leaves what became of it in `out`.
///
/// `EINVAL` for a packet shorter than an Ethernet header (Linux 5.10 takes it);
/// `ENOMEM` beyond what an XDP frame holds (73,152 bytes on Linux 6.18; before
/// 5.18 one page, less head and tail room, and `EINVAL`); `ENOSPC` when it does
/// not fit `out`. An empty `out` asks for the verdict and the length alone.
/// `EPERM` without CAP_NET_ADMIN and CAP_BPF, where unprivileged BPF is off.
pub fn test_run(program: &ProgramFd, packet: &[u8], out: &mut [u8]) -> io::Result<TestRun> {
    let mut attr = TestRunAttr {
        fd: fd_number(program.as_fd()),
        in_len: length(packet.len())?,
        out_len: length(out.len())?,
        data_in: address(packet),
        data_out: address_mut(out),
        repeat: 1,
        ..TestRunAttr::default()
    };
    // SAFETY: the kernel reads `in_len` bytes and writes at most `out_len`, the
    // lengths of the slices, which outlive the call.
    unsafe { bpf(Command::TestRun, &mut attr) }?;
    let len = usize::try_from(attr.out_len).map_err(io::Error::other)?;
    Ok(TestRun {
        verdict: attr.verdict,
        len,
    })
}

/// As [`test_run`], `repeat` times in a loop in the kernel, and nothing comes
/// back. Each run gets the packet as the one before has left it.
///
/// A signal cuts a long loop short (`EINTR`); then it starts anew, with a fresh
/// packet.
pub fn test_run_repeat(program: &ProgramFd, packet: &[u8], repeat: u32) -> io::Result<()> {
    loop {
        let mut attr = TestRunAttr {
            fd: fd_number(program.as_fd()),
            in_len: length(packet.len())?,
            data_in: address(packet),
            repeat,
            ..TestRunAttr::default()
        };
        // SAFETY: the kernel reads `in_len` bytes, the length of the slice, which
        // outlives the call; there is no room for an answer.
        match unsafe { bpf(Command::TestRun, &mut attr) } {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer.map(drop),
        }
    }
}

/// Frames that a program makes, and that go where its verdicts send them.
#[derive(Clone, Copy, Debug)]
pub struct LiveRun<'a> {
    /// What a new frame holds. Frames are used again and again, and then hold
    /// what whoever had them last left there.
    pub packet: &'a [u8],
    /// The interface that the program takes for the one that received them, of
    /// the calling thread's network namespace. `XDP_TX` sends out of it.
    pub ifindex: u32,
    /// How many runs, each of which makes a frame.
    pub frames: u32,
    /// Frames that are made before they are sent together, at most 256.
    pub batch: u32,
}

/// `struct xdp_md`, as user space gives it.
#[repr(C)]
struct Context {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
}

const _: () = assert!(size_of::<Context>() == 24);

/// `BPF_PROG_TEST_RUN` with live frames (Linux 5.18): what the program returns is
/// done.
///
/// `EINTR` when a signal cuts it short, after any number of frames; `EINVAL` where
/// the kernel knows no live frames; `ENODEV` when there is no such interface;
/// `E2BIG` for a larger batch; rights as for [`test_run`]. Frames that an interface
/// does not take are lost without a word.
pub fn test_run_live(program: &ProgramFd, run: &LiveRun<'_>) -> io::Result<()> {
    let context = [Context {
        data: 0,
        data_end: length(run.packet.len())?,
        data_meta: 0,
        ingress_ifindex: run.ifindex,
        rx_queue_index: 0,
        egress_ifindex: 0,
    }];
    let mut attr = TestRunAttr {
        fd: fd_number(program.as_fd()),
        in_len: length(run.packet.len())?,
        data_in: address(run.packet),
        repeat: run.frames,
        context_in_len: length(size_of::<Context>())?,
        context_in: address(&context),
        flags: TEST_XDP_LIVE_FRAMES,
        batch: run.batch,
        ..TestRunAttr::default()
    };
    // SAFETY: the kernel reads `in_len` bytes of the packet and `context_in_len`
    // of the context, their sizes; both outlive the call, and there is no room
    // for an answer.
    unsafe { bpf(Command::TestRun, &mut attr) }.map(drop)
}
