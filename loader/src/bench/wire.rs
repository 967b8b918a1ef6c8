//! Frames on a wire, end to end: one CPU makes them, carries them over a pair of
//! veth interfaces to the balancer and back, and counts what arrives.
//!
//! ```text
//! generator ──▶ gN ══▶ lN: the balancer's program ──┐ XDP_TX
//!      sink ◀── gN ◀══ lN ◀─────────────────────────┘
//! ```
//!
//! A lane is such a pair, in a network namespace that nobody else is in. What the
//! wire itself takes is what a lane with the program `floor` takes.

use super::programs::{load, table};
use super::stream::{SENDER_MAC, Stream};
use super::world::OWN_MAC;
use crate::fault;
use crate::model::Mac;
use crate::netlink::{Change, Netlink, VethEnd};
use crate::object::Spec;
use crate::sys::affinity::Pinned;
use crate::sys::bpf::{LiveRun, ProgramFd, test_run_live};
use crate::sys::ethtool::set_gro;
use crate::sys::mapping::Mapping;
use crate::sys::namespace::OwnNamespace;
use anyhow::{Context, Result};
use std::cell::Cell;
use std::io;
use std::thread;
use std::time::Duration;
use xdp_prog::abi::bench::{Drive, STAMPS, Sink, program, section};

/// The balancer's end of every lane.
pub const LANE_MAC: Mac = Mac(OWN_MAC);
/// The generator's end of every lane.
pub const GENERATOR_MAC: Mac = Mac(SENDER_MAC);

/// Frames from one stamp of the clock to the next. A power of two.
pub const STRIDE: u64 = 4096;

/// Frames that one request makes, so that signals are heard: some 50 ms. All
/// their stamps fit.
const SLICE: u64 = 64 * STRIDE;
const _: () = assert!(SLICE / STRIDE < STAMPS as u64);

/// Frames that the kernel makes before it sends them: as many as a driver takes
/// at a time (`NAPI_POLL_WEIGHT`). A veth interface has room for 256.
const BATCH: u32 = 64;

/// A busy CPU leaves what has arrived to a thread of the kernel, so some frames
/// may be on their way when a request has returned. They are waited for while
/// any come, and this often when none does.
const PATIENCE: u32 = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// Where the balancer's program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver, before there is an skb (native).
    Drv,
    /// In the stack (generic).
    Skb,
}

/// A network namespace with the programs that make and count frames.
///
/// The calling thread is in that namespace, and stays on one CPU, until this is
/// dropped: it then goes back. Other threads are left alone. Interfaces, programs
/// and tables end with the process, however it ends.
#[derive(Debug)]
pub struct Wire {
    drive: Mapping<Drive>,
    sinks: Mapping<Sink>,
    generate_v4: ProgramFd,
    generate_v6: ProgramFd,
    sink: ProgramFd,
    /// Lanes made so far.
    lanes: Cell<u32>,
    _pinned: Pinned,
    _namespace: OwnNamespace,
}

/// One pair of interfaces.
#[derive(Debug)]
pub struct Lane<'a> {
    wire: &'a Wire,
    /// The generator's interface.
    generator: u32,
    /// The balancer's.
    balancer: u32,
    /// The flow and the service of the last frame.
    place: Cell<(u64, u64)>,
}

/// What a run over a lane has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Frames that were made.
    pub sent: u64,
    /// Frames that came back.
    pub received: u64,
    /// Bytes of those, which a tunnel makes more.
    pub bytes: u64,
    /// Nanoseconds that [`STRIDE`] frames took, over and over, in the order of
    /// time. Empty when fewer frames were sent.
    pub nanoseconds: Vec<u64>,
}

impl Rate {
    /// Frames that never came back.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }

    /// Picoseconds per frame that so many percent of the stretches stayed below:
    /// 50 gives the median, 0 the shortest. `None` if too few frames were sent.
    #[must_use]
    pub fn picoseconds(&self, percent: usize) -> Option<u64> {
        let mut sorted = self.nanoseconds.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let stretch = sorted.get(last * percent.min(100) / 100)?;
        Some(stretch.saturating_mul(1000) / STRIDE)
    }
}

/// What has arrived since the tables were made.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Arrived {
    frames: u64,
    bytes: u64,
}

impl Wire {
    /// Puts the calling thread into a new network namespace, and loads the
    /// programs that make and count frames.
    ///
    /// # Errors
    ///
    /// `Permission` without CAP_SYS_ADMIN, which namespaces take; what the kernel
    /// says when it refuses a table or a program.
    pub fn open(spec: &Spec) -> Result<Self> {
        let namespace = OwnNamespace::enter().map_err(|error| {
            fault!(
                Permission,
                "unshare(CLONE_NEWNET): {error}; a network namespace takes CAP_SYS_ADMIN (--no-wire does without)"
            )
        })?;
        let drive = table(spec, section::DRIVE)?;
        let sinks = table(spec, section::SINKS)?;
        let tables = [(section::DRIVE, &drive), (section::SINKS, &sinks)];
        let load = |name| load(spec, name, &tables);
        Ok(Self {
            generate_v4: load(program::GENERATE_V4)?,
            generate_v6: load(program::GENERATE_V6)?,
            sink: load(program::SINK)?,
            drive: Mapping::open(&drive, true).context("map the table of what is sent")?,
            sinks: Mapping::open(&sinks, false).context("map the table of what arrived")?,
            lanes: Cell::new(0),
            _pinned: Pinned::here().context("stay on one CPU")?,
            _namespace: namespace,
        })
    }

    /// Makes a lane whose balancer is `program`. It lasts as long as the
    /// namespace.
    ///
    /// # Errors
    ///
    /// What the kernel says when it refuses the interfaces or the program on one.
    pub fn lane(&self, mode: Mode, program: &ProgramFd) -> Result<Lane<'_>> {
        let number = self.lanes.get();
        self.lanes.set(number.wrapping_add(1));
        let (generator, balancer) = (format!("g{number}"), format!("l{number}"));
        let mut netlink = Netlink::open()?;
        let near = VethEnd {
            name: &generator,
            mac: GENERATOR_MAC.0,
        };
        let far = VethEnd {
            name: &balancer,
            mac: LANE_MAC.0,
        };
        netlink
            .add_veth(near, far)
            .context("make a pair of veth interfaces")?;
        // A veth driver takes bare frames only where it has a program: without
        // the sink nothing that the balancer sends back would arrive.
        let lane = Lane {
            wire: self,
            generator: attach(&mut netlink, &generator, Mode::Drv, &self.sink)?,
            balancer: attach(&mut netlink, &balancer, mode, program)?,
            place: Cell::new((0, 0)),
        };
        // With GRO it takes them, too: the other end, whose program may be in the
        // stack.
        set_gro(&balancer, true).with_context(|| format!("switch on GRO of {balancer}"))?;
        for index in [lane.generator, lane.balancer] {
            netlink.set_up(index, true)?;
        }
        Ok(lane)
    }

    /// What is sent, and when.
    fn drive(&self) -> Result<&Drive> {
        let drive = self.drive.entries().first();
        drive.context("the table of what is sent is empty")
    }

    fn arrived(&self) -> Arrived {
        let sum = |of: fn(&Sink) -> u64| self.sinks.entries().iter().map(of).sum();
        Arrived {
            frames: sum(|sink| sink.frames.get()),
            bytes: sum(|sink| sink.bytes.get()),
        }
    }

    /// What has arrived when so many frames have, or when no more come.
    fn settled(&self, frames: u64) -> Arrived {
        let mut last = self.arrived();
        let mut pauses = 0;
        while last.frames < frames && pauses < PATIENCE {
            thread::sleep(PAUSE);
            let now = self.arrived();
            pauses = if now == last { pauses + 1 } else { 0 };
            last = now;
        }
        last
    }
}

impl Lane<'_> {
    /// The number of the balancer's interface in this namespace.
    #[must_use]
    pub fn interface(&self) -> u32 {
        self.balancer
    }

    /// Takes the interfaces away, and with them what the program holds.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn remove(self) -> Result<()> {
        let mut netlink = Netlink::open()?;
        netlink
            .remove_veth(self.balancer)
            .context("remove a pair of veth interfaces")
    }

    /// The flow and the service of the last frame.
    #[must_use]
    pub fn place(&self) -> (u64, u64) {
        self.place.get()
    }

    /// Sends the first `frames` of a stream, and counts those that come back.
    ///
    /// # Errors
    ///
    /// `Refused` where the kernel has no live frames. A frame could not be made.
    pub fn run(&self, stream: &Stream, frames: u32) -> Result<Rate> {
        self.place.set((0, 0));
        self.go_on(stream, frames)
    }

    /// Sends the next `frames` of the stream that this lane had last.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn go_on(&self, stream: &Stream, frames: u32) -> Result<Rate> {
        let drive = self.wire.drive()?;
        stream.fill(drive);
        let (flow, service) = self.place.get();
        drive.flow.set(flow);
        drive.service.set(service);
        for counter in [&drive.frames, &drive.stamps, &drive.failures] {
            counter.set(0);
        }
        drive.stamp_mask.set(STRIDE - 1);
        let rate = self.count(stream, drive, u64::from(frames));
        self.place.set((drive.flow.get(), drive.service.get()));
        rate
    }

    /// Has so many frames made, and counts them.
    fn count(&self, stream: &Stream, drive: &Drive, frames: u64) -> Result<Rate> {
        let before = self.wire.arrived();
        let mut nanoseconds = Vec::new();
        while drive.frames.get() < frames {
            let (sent, stamp) = (drive.frames.get(), drive.stamps.get());
            let slice = SLICE.min(frames - sent);
            let is_whole = self.send(stream, slice)?;
            if drive.failures.get() != 0 || (is_whole && drive.frames.get() != sent + slice) {
                return Err(fault!(
                    Failed,
                    "the generator made {} frames, not {slice}",
                    drive.frames.get() - sent
                ));
            }
            nanoseconds.extend(stretches(drive, stamp));
        }
        let sent = drive.frames.get();
        let after = self.wire.settled(before.frames + sent);
        Ok(Rate {
            sent,
            received: after.frames - before.frames,
            bytes: after.bytes - before.bytes,
            nanoseconds,
        })
    }

    /// Sends so many frames; `false` if a signal has cut that short.
    fn send(&self, stream: &Stream, frames: u64) -> Result<bool> {
        let generate = if stream.is_v6 {
            &self.wire.generate_v6
        } else {
            &self.wire.generate_v4
        };
        let run = LiveRun {
            packet: stream.frame(),
            ifindex: self.generator,
            frames: u32::try_from(frames)?,
            batch: BATCH,
        };
        match test_run_live(generate, &run) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
            Err(error) => Err(fault!(
                Refused,
                "BPF_PROG_TEST_RUN with live frames: {error}; kernels have them since Linux 5.18"
            )),
        }
    }
}

/// The times from each stamp to the next, from the one of this number on.
fn stretches(drive: &Drive, first: u64) -> impl Iterator<Item = u64> + '_ {
    let time = |number: u64| {
        let place = usize::try_from(number % STAMPS as u64).unwrap_or_default();
        drive.times[place].get()
    };
    (first + 1..drive.stamps.get()).map(move |number| time(number).wrapping_sub(time(number - 1)))
}

/// Attaches a program to the interface of this name, which it then keeps quiet.
/// Answers with its number.
fn attach(netlink: &mut Netlink, name: &str, mode: Mode, program: &ProgramFd) -> Result<u32> {
    let link = netlink.link_by_name(name)?;
    let index = link.with_context(|| format!("{name} is gone"))?.index;
    match netlink.set_silent(index) {
        Err(error) if error.errno() != Some(libc::EAFNOSUPPORT) => return Err(error.into()),
        // Without IPv6 it is silent anyway.
        _ => {}
    }
    let change = Change {
        program: Some(program),
        expected: None,
        mode: match mode {
            Mode::Drv => crate::netlink::Mode::Drv,
            Mode::Skb => crate::netlink::Mode::Skb,
        },
    };
    netlink
        .set_xdp(index, change)
        .map_err(|error| fault!(Refused, "attach a program to {name}: {error}"))?;
    Ok(index)
}
